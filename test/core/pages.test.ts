// Too few pages for everybody: requests wait, give way or fail, and what they get is what they would have got alone.
import { describe, expect, it } from 'vitest';
import { createEngine, type GenerateRequest, type RunResult } from '../../core/index.js';
import { demoPrompts } from '../identity/matrix.js';
import { copycat, plan, strategy } from './plugins.js';

const prompts = demoPrompts(12).map((prompt) => prompt.slice(0, 50));
const plugins = [strategy('copycat', copycat), strategy('reader', copycat, plan(6, { hidden: 'all', gap: 'rerun' }))];
const ask = (i: number, strategy = 'off', maxTokens = 60 + 17 * (i % 5)): GenerateRequest => ({
  promptTokens: prompts[i % prompts.length]!, maxTokens, temperature: i % 2, seed: i, ignoreEos: true, strategy, ...(i % 4 === 3 ? { n: 2 } : {}),
});
const texts = ({ samples }: RunResult): (readonly number[])[] => samples.map(({ tokens }) => tokens);

describe('out of pages', () => {
  it('under load every request gets its text in the end, and every page comes back', async () => {
    await using roomy = await createEngine({ model: 'models/demo/target', measure: false, plugins });
    await using narrow = await createEngine({ model: 'models/demo/target', measure: false, plugins, kvPages: 7, prefillChunk: 40 });
    const want: (readonly number[])[][] = [];
    for (const i of prompts.keys()) want.push(texts(await roomy.generate(ask(i)).result));
    const results = await Promise.all(prompts.map((_, i) => narrow.generate(ask(i, ['off', 'copycat', 'reader'][i % 3])).result));
    expect(results.map(texts)).toEqual(want);
    expect(Math.max(...results.map(({ stats }) => stats.maxConcurrent)), 'requests in one pass').toBeGreaterThan(1);
    expect(results.reduce((sum, { stats }) => sum + stats.faults, 0)).toBe(0);
    expect(narrow.pages()).toEqual({ used: 0, total: 7 });
  });

  it('a text that does not fit alone fails with what to do, and its neighbours go on', async () => {
    await using engine = await createEngine({ model: 'models/demo/target', measure: false, plugins, kvPages: 3 });
    const want = await engine.generate(ask(0, 'off', 40)).result;
    const [small, large] = await Promise.allSettled([engine.generate(ask(0, 'copycat', 40)).result, engine.generate(ask(1, 'off', 400)).result]);
    expect(small.status === 'fulfilled' && small.value.tokens).toEqual(want.tokens);
    expect(large).toMatchObject({ status: 'rejected', reason: { code: 'CAPACITY' } });
    expect(String((large as PromiseRejectedResult).reason.message)).toMatch(/more pages of KV memory .* create the session with more pages/);
    expect(engine.pages().used).toBe(0);
    expect((await engine.generate(ask(0, 'off', 40)).result).tokens).toEqual(want.tokens);
  });
});
