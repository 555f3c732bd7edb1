import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { cli } from './run-cli.js';

const PROMPT = 'Once upon a time';

describe('bad input', () => {
  const nowhere = join(tmpdir(), 'foretoken-no-such-folder'), broken = mkdtempSync(join(tmpdir(), 'foretoken-broken-'));
  writeFileSync(join(broken, 'config.json'), '{');
  const cases: readonly { readonly args: readonly string[]; readonly says: RegExp }[] = [
    { args: ['generate', PROMPT, '--max-tokens', '1.5'], says: /--max-tokens.*'1\.5'.*whole number from 1/ },
    { args: ['generate', PROMPT, '--temperature', '-1'], says: /--temperature.*from 0 to 100/ },
    { args: ['generate', PROMPT, '--dtype', 'f16'], says: /--dtype.*f32, bf16/ },
    { args: ['generate', PROMPT, '--modle', 'x'], says: /unknown option '--modle'[\s\S]*--model/ },
    { args: ['generate'], says: /No prompt/ },
    { args: ['generate', PROMPT, '--prompt-tokens', '1'], says: /a prompt argument and --prompt-tokens/ },
    { args: ['generate', '--prompt-tokens', '1,two'], says: /"two" is no token id/ },
    { args: ['generate', '--prompt-tokens', '4096'], says: /4096/ },
    { args: ['generate', '--prompt-file', join(nowhere, 'x.txt')], says: /no such file.*x\.txt/ },
    { args: ['generate', PROMPT, '--model', nowhere], says: /foretoken-no-such-folder/ },
    { args: ['generate', PROMPT, '--context', '4'], says: /5 tokens.*holds 4.*--context/ },
    { args: ['generate', PROMPT, '--model', broken], says: /config\.json/ },
    { args: ['generate', PROMPT, '--strategy', 'prompt-lokup'], says: /prompt-lokup.*prompt-lookup/ },
    { args: ['generate', PROMPT, '--strategy', '{"name":"prompt-lookup","maxNgrams":3}'], says: /maxNgrams.*maxNgram/ },
    { args: ['generate', PROMPT, '--strategy', '{"name":'], says: /--strategy.*JSON/ },
    { args: ['generate', PROMPT, '--strategy', 'prompt-lookup', '--draft', 'x'], says: /--draft is for the strategy draft-target/ },
    { args: ['generate', PROMPT, '--instruction-set', 'abacus'], says: /abacus/ },
    { args: ['bench', '--prompts', join(nowhere, 'x.jsonl')], says: /no such file.*x\.jsonl/ },
    { args: ['experiment', 'run'], says: /Name an experiment file, or the arms/ },
    { args: ['experiment', 'run', '--arm', 'plain'], says: /expected NAME=STRATEGY/ },
    { args: ['experiment', 'run', '--arm', 'a=off', '--arm', 'b=off', '--design', 'request', '--metric', 'tokensPerSecond'], says: /"request" cannot compare tokensPerSecond.*share the passes/ },
    { args: ['experiment', 'report', join(broken, 'config.json')], says: /config\.json is not JSON/ },
    { args: ['speculate'], says: /unknown command 'speculate'/ },
  ];

  it.each(cases.map(({ args, says }) => ({ line: args.join(' '), args, says })))('is told in a line, with exit code 2: $line', async ({ args, says }) => {
    const { code, stdout, stderr } = await cli(args);
    expect(stderr).toMatch(says);
    expect(code).toBe(2);
    expect(stdout).toBe('');
    expect(stderr).not.toMatch(/^\s+at /m);
  });

  it('is told with its stack when FORETOKEN_DEBUG=1', async () => {
    const { code, stderr } = await cli(['generate', PROMPT, '--model', nowhere], { env: { FORETOKEN_DEBUG: '1' } });
    expect(code).toBe(2);
    expect(stderr).toMatch(/^\s+at .*checkpoint/m);
  });
});

describe('foretoken', () => {
  it('tells its version and its commands', async () => {
    const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
    expect(await cli(['--version'])).toMatchObject({ code: 0, stdout: `${version}\n` });
    const { code, stdout } = await cli(['--help']);
    expect(code).toBe(0);
    for (const command of ['generate', 'bench', 'experiment', 'strategies']) expect(stdout).toContain(command);
  });

  it('lists the strategies with their options, and how to name one\'s own', async () => {
    const { code, stdout } = await cli(['strategies']);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^prompt-lookup: \S[\s\S]*^ {4}maxNgram +integer +\S.*Default \d+\./m);
    expect(stdout).toMatch(/^draft-target: \S[\s\S]*^ {4}draft +string +.*Required\./m);
    expect(stdout).toContain('--strategy ./my-strategy.ts');
    const listed = JSON.parse((await cli(['strategies', '--json'])).stdout) as { name: string; options: { properties: object } }[];
    expect(listed.map(({ name }) => name)).toEqual(expect.arrayContaining(['draft-target', 'prompt-lookup']));
    expect(listed.find(({ name }) => name === 'draft-target')?.options.properties).toHaveProperty('draft');
  });

  it('benches strategies against plain decoding', async () => {
    const file = join(mkdtempSync(join(tmpdir(), 'foretoken-bench-')), 'report.json');
    const { code, stdout, stderr } = await cli(['bench', '--strategies', 'prompt-lookup', '--count', '2', '--max-tokens', '24', '--passes', '2', '--json', file, '--no-measure']);
    expect(code, stderr).toBe(0);
    expect(stdout).toMatch(/^off .*1\.00x .*all$/m);
    expect(stdout).toMatch(/^prompt-lookup .*\d\.\d\dx .*all$/m);
    const report = JSON.parse(readFileSync(file, 'utf8')) as { machine: object; arms: { compared: number; equal: number; trials: object[] }[] };
    expect(report.machine).toMatchObject({ cpu: expect.any(String), instructionSet: expect.any(String), threads: expect.any(Number), dtype: 'bf16' });
    expect(report.arms.map(({ compared, equal, trials }) => [compared, equal, trials.length])).toEqual([[4, 4, 4], [4, 4, 4]]);
  });
});
