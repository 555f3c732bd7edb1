import { execFile } from 'node:child_process';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { cli } from './run-cli.js';

const PROMPT = 'Once upon a time';
const SHORT = ['--max-tokens', '24', '--no-measure'];

interface Printed {
  readonly text: string;
  readonly tokens: readonly number[];
  readonly finishReason: string;
  readonly usage: { readonly promptTokens: number; readonly completionTokens: number };
  readonly stats: { readonly strategy: string; readonly drafted: number; readonly seed: number | string };
}

/** The one object that `--json` prints. */
async function generated(...args: readonly string[]): Promise<Printed> {
  const { code, stdout, stderr } = await cli(['generate', ...SHORT, '--json', ...args]);
  expect(code, stderr).toBe(0);
  return JSON.parse(stdout) as Printed;
}

describe('foretoken generate', () => {
  it('continues a prompt with the demo model, and says which model and what it did', async () => {
    const { code, stdout, stderr } = await cli(['generate', PROMPT, '--max-tokens', '40']);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^\S*[\s\S]*[a-z]{3}[\s\S]*\n$/);
    expect(stderr).toMatch(/^No --model: using the demo model, models\/demo\/target/);
    expect(stderr.trimEnd().split('\n').at(-1)).toMatch(/ tok\/s · .* · acceptance length \d\.\d\d · accepted \d+ of \d+ drafted · ended by \w+ · seed \d+$/);
    expect(stdout + stderr).not.toContain('\x1b');
  });

  it('prints one object with --json, and the same text with and without streaming', async () => {
    const { text, tokens, finishReason, usage, stats } = await generated(PROMPT);
    expect(tokens).toHaveLength(24);
    expect(finishReason).toBe('length');
    expect(usage).toMatchObject({ completionTokens: 24 });
    expect(stats.strategy).toBe('prompt-lookup');
    for (const flags of [[], ['--no-stream']]) {
      const { stdout } = await cli(['generate', PROMPT, ...SHORT, ...flags]);
      expect(stdout).toBe(text.endsWith('\n') && flags.length === 0 ? text : `${text}\n`);
    }
  });

  it('gives the same tokens with every strategy, and from every source of the prompt', async () => {
    const file = join(mkdtempSync(join(tmpdir(), 'foretoken-e2e-')), 'prompt.txt');
    writeFileSync(file, `${PROMPT}\n`);
    const strategyFile = join(mkdtempSync(join(tmpdir(), 'foretoken-e2e-')), 'strategy.json');
    writeFileSync(strategyFile, '{"name":"prompt-lookup","maxNgram":2}');
    const sampled = ['--temperature', '0.9', '--seed', '18446744073709551615'];
    const plain = await generated(PROMPT, ...sampled, '--strategy', 'off');
    expect(plain.stats).toMatchObject({ drafted: 0, seed: '18446744073709551615' });
    const others = await Promise.all([
      generated(PROMPT, ...sampled),
      generated('--prompt-file', file, ...sampled, '--strategy', `@${strategyFile}`, '--threads', '1'),
      generated(PROMPT, ...sampled, '--strategy', '{"name":"prompt-lookup","length":3}'),
      generated(PROMPT, ...sampled, '--draft', 'models/demo/draft'),
      cli(['generate', ...SHORT, ...sampled, '--json'], { input: `${PROMPT}\n` }).then(({ stdout }) => JSON.parse(stdout) as Printed),
      cli(['generate', '-', ...SHORT, ...sampled, '--json'], { input: PROMPT }).then(({ stdout }) => JSON.parse(stdout) as Printed),
    ]);
    for (const other of others) expect(other.tokens).toEqual(plain.tokens);
    expect(others[3]?.stats.strategy).toBe('draft-target');
  });

  it('draws a seed when none is given, and reports it so that the run can be repeated', async () => {
    const hot = ['--temperature', '1.2'];
    const [first, second] = [await generated(PROMPT, ...hot), await generated(PROMPT, ...hot)];
    expect(first.stats.seed).not.toBe(second.stats.seed);
    expect(first.tokens).not.toEqual(second.tokens);
    expect((await generated(PROMPT, ...hot, '--seed', String(first.stats.seed))).tokens).toEqual(first.tokens);
  });

  it('ends before a stop string', async () => {
    const { text } = await generated(PROMPT);
    const word = / (\w+) /.exec(text.slice(10))?.[0] ?? '';
    const stopped = await generated(PROMPT, '--stop', 'zzzz', '--stop', word);
    expect(stopped.finishReason).toBe('stop');
    expect(stopped.text).toBe(text.slice(0, text.indexOf(word)));
    expect(stopped.tokens.length).toBeLessThan(24);
  });

  it('takes penalties, biases and minimum lengths, and prints log-probabilities and the prompt', async () => {
    const plain = await generated(PROMPT);
    const first = plain.tokens[0]!;
    const { code, stdout, stderr } = await cli(['generate', PROMPT, ...SHORT, '--json', '--logit-bias', `${first}=-inf`, '--repetition-penalty', '1.2', '--presence-penalty', '0.6',
      '--frequency-penalty', '0.4', '--min-tokens', '5', '--stop-tokens', `${first},${plain.tokens[1]}`, '--logprobs', '2', '--logprob-stage', 'processed', '--echo']);
    expect(code, stderr).toBe(0);
    const { text, tokens, sampling, logprobs } = JSON.parse(stdout) as Printed & { sampling: object; logprobs: { token: number; logprob: number; top: object[] }[] };
    expect(text.startsWith(PROMPT)).toBe(true);
    expect(tokens).not.toContain(first);
    expect(sampling).toMatchObject({ repetitionPenalty: 1.2, presencePenalty: 0.6, frequencyPenalty: 0.4, minTokens: 5, logitBias: { [first]: '-inf' }, fromModel: [] });
    expect(logprobs.map(({ token }) => token)).toEqual(tokens);
    const refused = await cli(['generate', PROMPT, '--logprobs', '2']);
    expect([refused.code === 0, refused.stderr]).toEqual([false, expect.stringContaining('--json only')]);
  });

  it('takes token ids as they are', async () => {
    const { usage, tokens } = await generated('--prompt-tokens', '0,5,9');
    expect(usage.promptTokens).toBe(3);
    expect(tokens).toHaveLength(24);
  });

  it('ends cleanly at Ctrl-C in mid-stream', async () => {
    let isTold = false;   // a second Ctrl-C would end the process at once
    const { code, stdout, stderr } = await cli(['generate', PROMPT, '--ignore-eos', '--max-tokens', '1900'], {
      onOutput: (text, child) => { if (text.length > 20 && !isTold) isTold = child.kill('SIGINT'); },
    });
    expect(code).toBe(130);
    expect(stdout).toMatch(/\n$/);
    expect(stderr).not.toMatch(/error|at .*\.js|tok\/s/);
  });

  it('ends without a word when its reader has seen enough', async () => {
    const { stdout, stderr } = await new Promise<{ stdout: string; stderr: string }>((resolve) => {
      execFile('bash', ['-c', `${process.execPath} dist/apps/cli/main.js generate '${PROMPT}' --ignore-eos --max-tokens 1900 | head -c 20`], (_error, stdout, stderr) => resolve({ stdout, stderr }));
    });
    expect(Buffer.byteLength(stdout)).toBe(20);
    expect(stderr).not.toMatch(/EPIPE|error/i);
  });
});
