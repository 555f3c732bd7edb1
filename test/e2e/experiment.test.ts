import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { cli } from './run-cli.js';

const folder = mkdtempSync(join(tmpdir(), 'foretoken-experiment-'));
const at = (name: string): string => join(folder, name);

describe('foretoken experiment', () => {
  it('runs a definition from a file, and reports and plans from what it wrote', async () => {
    writeFileSync(at('e.yaml'), 'name: lengths\narms:\n  plain: off\n  lookup: { name: prompt-lookup, length: 4 }\nrequest: { maxTokens: 12, seed: 3 }\nrepeats: 1\n');
    writeFileSync(at('p.jsonl'), Array.from({ length: 6 }, (_, i) => JSON.stringify({ id: `p${i}`, category: i < 3 ? 'a' : 'b', prompt: `Red apples are sweet. Green apples ${i}` })).join('\n'));
    const ran = await cli(['experiment', 'run', at('e.yaml'), '--prompts', at('p.jsonl'), '--json', at('e.json'), '--html', at('e.html')]);
    expect(ran).toMatchObject({ code: 0 });
    expect(ran.stdout).toMatch(/Experiment lengths, version 1 \(paired/);
    expect(ran.stdout).toMatch(/lookup +prompt-lookup \{"length":4\} +identical +6 .* 6 of 6/);
    expect(readFileSync(at('e.html'), 'utf8')).toMatch(/<svg/);

    const { record } = JSON.parse(readFileSync(at('e.json'), 'utf8')) as { record: { trials: { arm: string; tokens: number }[] } };
    expect(record.trials.map(({ arm }) => arm).slice(0, 4)).toEqual(['plain', 'lookup', 'lookup', 'plain']);
    expect(record.trials.every(({ tokens }) => tokens === 12)).toBe(true);

    const reported = await cli(['experiment', 'report', at('e.json')]);
    expect(reported.stdout).toBe(ran.stdout);
    const asJson = await cli(['experiment', 'report', at('e.json'), '--json']);
    expect(JSON.parse(asJson.stdout)).toMatchObject({ name: 'lengths', comparisons: [{ arm: 'lookup', clusters: 6 }] });
    const planned = await cli(['experiment', 'plan', at('e.json'), '--effect', '0.2', '--json']);
    expect(JSON.parse(planned.stdout)).toMatchObject([{ arm: 'lookup', metric: 'tokensPerSecond', pilot: 6, effect: 0.2, size: expect.any(Number) }]);
  });

  it('scores a shadow without serving it', async () => {
    const { code, stdout } = await cli(['experiment', 'run', '--design', 'shadow', '--arm', 'plain=off', '--arm', 'lookup=prompt-lookup', '--max-tokens', '16', '--count', '2']);
    expect(code).toBe(0);
    expect(stdout).toMatch(/lookup against plain: not enough data about tokens per pass \(2 of at least 5\)/);
    expect(stdout).toMatch(/lookup +prompt-lookup +identical +2 +32 +– +1\.\d+/);
  });
});
