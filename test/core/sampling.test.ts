import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createEngine, type Engine, type GenerateRequest } from '../../core/index.js';
import { demoPrompts } from '../identity/matrix.js';

const [prompt] = demoPrompts(1) as [number[]];
const LOOKUP = { name: 'prompt-lookup', length: 6 };
let engine: Engine;
let folder: string;

beforeAll(async () => {
  engine = await createEngine({ model: 'models/demo/target', measure: false });
  folder = await mkdtemp(join(tmpdir(), 'foretoken-sampling-'));
});
afterAll(async () => {
  expect(engine.pages().used).toBe(0);
  await engine.dispose();
  await rm(folder, { recursive: true });
});

const generate = (request: Partial<GenerateRequest>) => engine.generate({ promptTokens: prompt, maxTokens: 24, ignoreEos: true, ...request } as GenerateRequest).result;

describe('logit bias', () => {
  it('of -Infinity bans a token, and a large one forces it', async () => {
    const { tokens: [first] } = await generate({});
    expect((await generate({ logitBias: { [first!]: -Infinity } })).tokens).not.toContain(first);
    expect(new Set((await generate({ logitBias: { 77: 1000 }, strategy: LOOKUP })).tokens)).toEqual(new Set([77]));
  });

  it('that leaves no token ends the run with an error that says so, and no other run', async () => {
    const all = Object.fromEntries(Array.from({ length: engine.info.description.vocabSize }, (_, token) => [token, -Infinity]));
    const neighbour = generate({ n: 2 });
    await expect(generate({ logitBias: all, n: 2 })).rejects.toThrow(/No token could be chosen after 0 generated ones.*logitBias/);
    expect((await neighbour).samples.map(({ tokens }) => tokens.length)).toEqual([24, 24]);
  });
});

describe('what ends a text', () => {
  it('stop tokens do: tokens hold them, text does not', async () => {
    const whole = await generate({});
    const at = whole.tokens.findIndex((token, i) => i > 4 && whole.tokens.indexOf(token) === i);
    for (const strategy of ['off', LOOKUP]) {
      const { tokens, text, finishReason } = await generate({ stopTokens: [whole.tokens[at]!], strategy });
      expect({ tokens, text, finishReason }).toEqual({ tokens: whole.tokens.slice(0, at + 1), text: engine.decode(whole.tokens.slice(0, at)), finishReason: 'stop' });
    }
  });

  it('nothing does before minTokens', async () => {
    const whole = await generate({});
    const stopTokens = [...new Set(whole.tokens)].slice(0, 3);
    const { tokens, finishReason } = await generate({ stopTokens, minTokens: 10, logitBias: Object.fromEntries(stopTokens.map((token) => [token, 1000])) });
    expect(tokens.length).toBe(11);
    expect(tokens.slice(0, 10).some((token) => stopTokens.includes(token))).toBe(false);
    expect(finishReason).toBe('stop');
    const stop = whole.text.slice(1, 4);
    const later = await generate({ stop: [stop], minTokens: 12 });
    expect(later.tokens.length).toBeGreaterThan(12);
    expect(later.text.startsWith(engine.decode(whole.tokens.slice(0, 12)))).toBe(true);
  });
});

describe('log-probabilities', () => {
  it('are the model\'s own, of every token and of the likeliest in its place, in results and chunks', async () => {
    const run = engine.generate({ promptTokens: prompt, maxTokens: 12, temperature: 0.8, seed: 3, logprobs: 3, ignoreEos: true, strategy: LOOKUP });
    const streamed = [];
    for await (const { logprobs } of run) streamed.push(...logprobs!);
    const { tokens, logprobs } = await run.result;
    expect(streamed).toEqual(logprobs);
    expect(logprobs!.map(({ token }) => token)).toEqual(tokens);
    const { logits, vocabSize } = await engine.score({ tokens: [...prompt, ...tokens] });
    logprobs!.forEach(({ token, logprob, top }, i) => {
      const row = Array.from(logits.subarray((prompt.length - 1 + i) * vocabSize, (prompt.length + i) * vocabSize));
      const most = Math.max(...row), total = Math.log(row.reduce((sum, x) => sum + Math.exp(x - most), 0));
      expect(logprob).toBeCloseTo(row[token]! - most - total, 4);
      expect(top.map((each) => each.token)).toEqual(row.map((_, id) => id).sort((a, b) => row[b]! - row[a]! || a - b).slice(0, 3));
    });
  });

  it('after processing are those of what was drawn from', async () => {
    const { logprobs } = await generate({ temperature: 1, topK: 2, logprobs: 5, logprobStage: 'processed', seed: 9 });
    for (const { token, logprob, top } of logprobs!) {
      expect(top.length).toBe(2);
      expect(top.reduce((sum, each) => sum + Math.exp(each.logprob), 0)).toBeCloseTo(1, 5);
      expect(top).toContainEqual({ token, logprob });
    }
    const greedy = await generate({ logprobs: 5, logprobStage: 'processed' });
    greedy.logprobs!.forEach(({ token, logprob, top }) => expect({ logprob, top }).toEqual({ logprob: 0, top: [{ token, logprob: 0 }] }));
  });

  it('are absent unless asked for', async () => {
    expect(await generate({})).not.toHaveProperty('logprobs');
  });
});

describe('echo', () => {
  it('puts the prompt\'s text before every sample, in the stream too', async () => {
    const text = 'Once upon a time';
    const plain = await engine.generate({ prompt: text, maxTokens: 8, n: 2, temperature: 1, seed: 4 }).result;
    const run = engine.generate({ prompt: text, maxTokens: 8, n: 2, temperature: 1, seed: 4, echo: true });
    const streamed = ['', ''];
    for await (const chunk of run) streamed[chunk.index] += chunk.text;
    const { samples } = await run.result;
    expect(samples.map((sample) => sample.text)).toEqual(plain.samples.map((sample) => text + sample.text));
    expect(samples.map(({ tokens }) => tokens)).toEqual(plain.samples.map(({ tokens }) => tokens));
    expect(streamed).toEqual(samples.map((sample) => sample.text));
  });
});

describe('options that cannot be', () => {
  it.each([
    [{ repetitionPenalty: 0 }, /repetitionPenalty/],
    [{ presencePenalty: Number.NaN }, /presencePenalty/],
    [{ logitBias: { 99999: 1 } }, /logitBias.*token 99999 is outside of the vocabulary/],
    [{ logitBias: { the: 1 } as never }, /logitBias/],
    [{ stopTokens: [4096] }, /stopTokens.*token 4096 is outside of the vocabulary/],
    [{ minTokens: 30 }, /minTokens.*30 tokens at least, but at most 24/],
    [{ logprobs: -1 }, /logprobs/],
    [{ logprobStage: 'raw' as const }, /logprobStage.*say how many with `logprobs`/],
  ])('%o are refused', async (request, message) => {
    await expect(generate(request)).rejects.toThrow(message);
  });
});

describe('generation_config.json', () => {
  const open = async (config: object): Promise<Engine> => {
    const model = await mkdtemp(join(folder, 'model-'));
    await cp('models/demo/target', model, { recursive: true });
    await writeFile(join(model, 'generation_config.json'), JSON.stringify(config));
    return createEngine({ model, measure: false });
  };

  it('gives what a request does not say, and the result tells', async () => {
    await using own = await open({ do_sample: true, temperature: 0.6, top_p: 0.9, top_k: 0, repetition_penalty: 1.1, max_new_tokens: 9, no_repeat_ngram_size: 3, num_beams: 1, eos_token_id: 0 });
    expect(own.info.generation).toEqual({ defaults: { temperature: 0.6, topP: 0.9, repetitionPenalty: 1.1, maxTokens: 9 }, ignored: ['no_repeat_ngram_size'] });
    const ask = (request: Partial<GenerateRequest>) => own.generate({ promptTokens: prompt, seed: 5, ignoreEos: true, ...request } as GenerateRequest).result;
    const silent = await ask({});
    expect(silent.sampling).toEqual({ temperature: 0.6, topP: 0.9, repetitionPenalty: 1.1, seed: 5n, fromModel: ['temperature', 'topP', 'repetitionPenalty', 'maxTokens'] });
    expect(silent.tokens).toEqual((await generate({ temperature: 0.6, topP: 0.9, repetitionPenalty: 1.1, seed: 5, maxTokens: 9 })).tokens);
    const own1 = await ask({ temperature: 0, maxTokens: 12 });
    expect(own1.sampling).toMatchObject({ temperature: 0, fromModel: ['topP', 'repetitionPenalty'] });
    const without = await ask({ generationConfig: false, maxTokens: 12 });
    expect(without.sampling).toEqual({ temperature: 0, seed: 5n, fromModel: [] });
    expect(without.tokens).toEqual((await generate({ maxTokens: 12 })).tokens);
  });

  it('without do_sample names no temperature; filters count when a request names one', async () => {
    await using own = await open({ temperature: 0.6, top_p: 0.9, min_new_tokens: 5, stop_strings: '.' });
    const { sampling } = await own.generate({ promptTokens: prompt, maxTokens: 3 }).result;
    expect(sampling).toMatchObject({ temperature: 0, topP: 0.9, minTokens: 3, fromModel: ['topP', 'minTokens', 'stop'] });
  });

  it('is refused where it makes no sense', async () => {
    await expect(open({ top_p: 'all' })).rejects.toThrow(/generation_config\.json has "top_p": "all"; expected a number above 0/);
    await expect(open({ repetition_penalty: -1 })).rejects.toThrow(/"repetition_penalty": -1/);
  });
});
