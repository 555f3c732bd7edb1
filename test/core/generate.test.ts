import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createEngine, type Engine, type GenerateRequest } from '../../core/index.js';
import { demoPrompts } from '../identity/matrix.js';
import { oracle, plan, strategy } from './plugins.js';

const [prompt, other] = demoPrompts(2) as [number[], number[]];
const texts = new Map<string, readonly number[]>();
const foresight = strategy('foresight', () => oracle(texts, (token) => (token + 1) % 4096), plan(6));
let engine: Engine;

beforeAll(async () => {
  engine = await createEngine({ model: 'models/demo/target', plugins: [foresight], measure: false });
  const { tokens } = await engine.generate({ promptTokens: prompt, maxTokens: 64, ignoreEos: true }).result;
  texts.set(prompt.join(), tokens);
});
afterAll(async () => {
  expect(engine.pages().used).toBe(0);
  await engine.dispose();
});

describe('generate', () => {
  it('gives exactly maxTokens with ignoreEos, wherever the accepted blocks end', async () => {
    for (let maxTokens = 1; maxTokens <= 9; maxTokens++) {
      const { tokens, finishReason, stats, usage } = await engine.generate({ promptTokens: prompt, maxTokens, ignoreEos: true, strategy: 'foresight' }).result;
      expect(tokens).toEqual(texts.get(prompt.join())!.slice(0, maxTokens));
      expect(finishReason).toBe('length');
      expect(usage).toEqual({ promptTokens: prompt.length, completionTokens: maxTokens, totalTokens: prompt.length + maxTokens });
      expect(stats.accepted).toBeGreaterThanOrEqual(maxTokens - stats.iterations);
    }
  });

  it('takes what an oracle knows: four tokens a pass', async () => {
    const { stats } = await engine.generate({ promptTokens: prompt, maxTokens: 64, ignoreEos: true, strategy: 'foresight' }).result;
    expect(stats.acceptanceLength).toBeGreaterThan(3.9);
    expect(stats.acceptedPerPosition.length).toBe(3);
    expect(stats.drafted).toBe(16 * 6);
  });

  it('cuts an accepted block at the end token', async () => {
    const whole = texts.get(prompt.join())!;
    const eos = whole[9]!;
    const at = whole.indexOf(eos);
    const ending = await createEngine({ model: await withEos(eos), plugins: [foresight], measure: false });
    const { tokens, finishReason } = await ending.generate({ promptTokens: prompt, maxTokens: 64, strategy: 'foresight' }).result;
    expect(tokens).toEqual(whole.slice(0, at + 1));
    expect(finishReason).toBe('eos');
    expect(ending.pages().used).toBe(0);
    await ending.dispose();
  });

  it('cuts an accepted block at the first stop string and leaves the string out of the text', async () => {
    const whole = (await engine.generate({ promptTokens: prompt, maxTokens: 64, ignoreEos: true }).result).text;
    const stop = whole.slice(40, 46);
    for (const strategy of ['off', 'foresight']) {
      const chunks: string[] = [];
      const run = engine.generate({ promptTokens: prompt, maxTokens: 64, ignoreEos: true, stop: ['not in it', stop], strategy });
      for await (const { text } of run) chunks.push(text);
      const { text, finishReason, tokens } = await run.result;
      expect(text).toBe(whole.slice(0, whole.indexOf(stop)));
      expect(chunks.join('')).toBe(text);
      expect(finishReason).toBe('stop');
      expect(engine.decode(tokens)).toContain(stop);
    }
  });

  it('tells every iteration with trace: the tree, what was kept, the choices, times', async () => {
    const { trace, tokens } = await engine.generate({ promptTokens: prompt, maxTokens: 12, ignoreEos: true, trace: true, strategy: 'foresight' }).result;
    const text = texts.get(prompt.join())!;
    expect(tokens).toEqual(text.slice(0, 12));
    expect(trace!.length).toBe(3);
    for (const [i, { tokens: nodes, parents, accepted, next, choices, ms }] of trace!.entries()) {
      const at = i * 4;
      const wrong = (token: number): number => (token + 1) % 4096;
      expect(parents).toEqual([-1, 0, 0, 2, 2, 4, 4]);   // beside every right node stands a wrong one
      expect(nodes.slice(1)).toEqual([at, at + 1, at + 2].flatMap((k) => [wrong(text[k]!), text[k]!]));
      expect(accepted).toEqual([0, 2, 4, 6]);
      expect(next).toBe(text[at + 3]);
      expect(accepted.map((node) => choices[node])).toEqual(text.slice(at, at + 4));
      expect(ms.draft >= 0 && ms.verify > 0 && ms.commit >= 0).toBe(true);
    }
  });

  it('repeats itself for a seed and varies without one', async () => {
    const ask = (seed?: number): Promise<number[]> => engine.generate({ promptTokens: prompt, maxTokens: 24, temperature: 1, ...(seed === undefined ? {} : { seed }) }).result.then(({ tokens }) => tokens);
    expect(await ask(5)).toEqual(await ask(5));
    expect(await ask(5)).not.toEqual(await ask(6));
    expect(await ask()).not.toEqual(await ask());
  });

  it('reports the seed it drew, which gives the same tokens again', async () => {
    const first = await engine.generate({ promptTokens: prompt, maxTokens: 24, temperature: 1 }).result;
    const again = await engine.generate({ promptTokens: prompt, maxTokens: 24, temperature: 1, seed: first.stats.seed }).result;
    expect(again.tokens).toEqual(first.tokens);
  });

  it('makes n samples from one prompt, the first equal to a single one, each reproducible', async () => {
    const ask: GenerateRequest = { promptTokens: other, maxTokens: 16, temperature: 1, seed: 3, ignoreEos: true };
    const single = await engine.generate(ask).result;
    for (const strategy of ['off', 'foresight', 'prompt-lookup']) {
      const { samples } = await engine.generate({ ...ask, n: 3, strategy }).result;
      const again = await engine.generate({ ...ask, n: 3 }).result;
      expect(samples.map(({ tokens }) => tokens)).toEqual(again.samples.map(({ tokens }) => tokens));
      expect(samples[0]!.tokens).toEqual(single.tokens);
      expect(new Set(samples.map(({ tokens }) => tokens.join())).size).toBe(3);
    }
  });

  it('runs more requests than it has places for, in turn', async () => {
    const results = await Promise.all(Array.from({ length: 20 }, (_, i) => engine.generate({ promptTokens: i % 2 ? prompt : other, maxTokens: 5, ignoreEos: true }).result));
    expect(results.every(({ tokens }) => tokens.length === 5)).toBe(true);
    expect(Math.max(...results.map(({ stats }) => stats.maxConcurrent))).toBe(8);
  });

  it('ends at the context limit with length, and refuses a prompt that leaves no room', async () => {
    const small = await createEngine({ model: 'models/demo/target', maxTokensPerSequence: 64, measure: false });
    for (const strategy of ['off', 'prompt-lookup']) {
      const { tokens, finishReason } = await small.generate({ promptTokens: prompt, ignoreEos: true, strategy }).result;
      expect(finishReason).toBe('length');
      expect(tokens.length).toBe(64 - prompt.length);
    }
    await expect(small.generate({ promptTokens: new Array<number>(64).fill(5) }).result).rejects.toMatchObject({ code: 'CONTEXT_LENGTH' });
    expect(small.pages().used).toBe(0);
    await small.dispose();
  });

  it('refuses bad options by name, with the nearest known one', async () => {
    const refused = async (request: object, message: RegExp): Promise<void> => {
      await expect(engine.generate(request as GenerateRequest).result).rejects.toMatchObject({ code: 'CONFIG', message: expect.stringMatching(message) as string });
    };
    await refused({ prompt: 'x', temprature: 1 }, /Unknown option "temprature".*did you mean "temperature"/);
    await refused({ prompt: 'x', temperature: -1 }, /`temperature`.*got -1/);
    await refused({ prompt: 'x', topP: 0 }, /`topP`/);
    await refused({ prompt: 'x', maxTokens: 1.5 }, /`maxTokens`.*got 1.5/);
    await refused({ prompt: 'x', seed: -1 }, /`seed`.*got -1/);
    await refused({}, /`prompt` or `promptTokens`; neither/);
    await refused({ prompt: 'x', promptTokens: [1] }, /both/);
    await refused({ promptTokens: [] }, /no token/);
    await refused({ promptTokens: [4096] }, /4096 is outside/);
    await refused({ prompt: 'x', n: 9 }, /at most 8 sequences/);
    await refused({ prompt: 'x', stop: [''] }, /`stop/);
    await refused({ prompt: 'x', strategy: { name: 'prompt-lookup', lenght: 3 } }, /Unknown option "lenght" for strategy "prompt-lookup"; did you mean "length"/);
    await refused({ prompt: 'x', strategy: { name: 'prompt-lookup', verifier: 'exakt' } }, /Unknown verifier "exakt".*"exact"/);
    await refused({ prompt: 'x', strategy: { name: 'off', length: 3 } }, /takes no option/);
  });

  it('names the known strategies when one is unknown', async () => {
    await expect(engine.generate({ prompt: 'x', strategy: 'promt-lookup' }).result).rejects.toMatchObject({ code: 'STRATEGY_NOT_FOUND', message: expect.stringContaining('"prompt-lookup"') as string });
    await expect(engine.generate({ prompt: 'x', strategy: './nowhere.ts' }).result).rejects.toMatchObject({ code: 'STRATEGY_NOT_FOUND' });
  });
});

describe('score', () => {
  it('gives the rows asked for in the order asked for, whatever the chunks', async () => {
    const chunked = await createEngine({ model: 'models/demo/target', prefillChunk: 5, measure: false });
    const all = await engine.score({ tokens: prompt });
    const some = await chunked.score({ tokens: prompt, rows: [7, 0, 12] });
    expect(all.rows).toBe(prompt.length);
    expect(some.rows).toBe(3);
    for (const [i, row] of [7, 0, 12].entries()) {
      expect(some.logits.slice(i * some.vocabSize, (i + 1) * some.vocabSize)).toEqual(all.logits.slice(row * all.vocabSize, (row + 1) * all.vocabSize));
    }
    await chunked.dispose();
  });

  it('refuses what it cannot score', async () => {
    await expect(engine.score({ tokens: [] })).rejects.toMatchObject({ code: 'CONFIG' });
    await expect(engine.score({ tokens: [1], rows: [1] })).rejects.toMatchObject({ code: 'CONFIG' });
    await expect(engine.score({ tokens: [1], tree: { tokens: [1, 2], parents: [-1, 1] } })).rejects.toMatchObject({ code: 'CONFIG' });
  });
});

/** The demo model with another end token. */
async function withEos(eos: number): Promise<string> {
  const { mkdtemp, readFile, symlink, writeFile } = await import('node:fs/promises');
  const { tmpdir } = await import('node:os');
  const { join, resolve } = await import('node:path');
  const folder = await mkdtemp(join(tmpdir(), 'foretoken-eos-'));
  const config = JSON.parse(await readFile('models/demo/target/config.json', 'utf8')) as object;
  await writeFile(join(folder, 'config.json'), JSON.stringify({ ...config, eos_token_id: eos }));
  for (const file of ['model.safetensors', 'tokenizer.json', 'tokenizer_config.json']) await symlink(resolve('models/demo/target', file), join(folder, file));
  return folder;
}
