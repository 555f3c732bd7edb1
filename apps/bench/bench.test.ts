import { EventEmitter } from 'eventemitter3';
import { describe, expect, it } from 'vitest';
import type { Engine, EngineEvents, GenerateRequest, RunResult, StrategyConfig } from '../../core/index.js';
import { bench, labelOf } from './bench.js';
import { median } from './median.js';
import { benchTable, partsTable } from './table.js';

const prompts = [{ id: 'a', text: 'one' }, { id: 'b', text: 'two' }];

/** An engine whose output is the prompt's and the seed's alone, but for a strategy named "wrong"; `block` tokens come at a time, one millisecond apart. */
class FakeEngine {
  readonly calls: string[] = [];
  readonly seeds: unknown[] = [];
  readonly events = new EventEmitter<EngineEvents>();

  generate(request: GenerateRequest) {
    const name = labelOf(request.strategy ?? '');
    this.calls.push(`${name} ${request.prompt}`);
    this.seeds.push(request.seed);
    const count = request.maxTokens ?? 12, block = name === 'off' ? 1 : 4;
    const tokens = Array.from({ length: count }, (_, i) => (name === 'wrong' && i === count - 1 ? -1 : i + Number(request.seed)));
    const { events } = this;
    async function* chunks() {
      for (let i = 0; i < count; i += block) {
        await new Promise((resolve) => setTimeout(resolve, 1));
        events.emit('verified', { sequences: 1, rows: block, refused: 0, draftMs: i === 0 ? 99 : 0.25, durationMs: i === 0 ? 99 : 0.5 });
        yield { text: '', tokens: tokens.slice(i, i + block), index: 0 };
      }
    }
    const iterations = Math.ceil(count / block);
    const stats = { guarantee: 'identical', iterations, commitMs: 0.125 * iterations, drafted: name === 'off' ? 0 : 3 * iterations, accepted: count - iterations };
    return Object.assign(chunks(), { result: Promise.resolve({ tokens, stats } as unknown as RunResult) });
  }
}

const run = (engine: FakeEngine, strategies: readonly (string | StrategyConfig)[], request = {}) => bench(engine as unknown as Engine, { prompts, strategies, request });

describe('bench', () => {
  it('warms every strategy up, then alternates them and turns the order round', async () => {
    const engine = new FakeEngine();
    await run(engine, ['fast']);
    expect(engine.calls).toEqual(['off one', 'fast one', 'off one', 'fast one', 'fast two', 'off two', 'fast one', 'off one', 'off two', 'fast two']);
  });

  it('compares with plain decoding in the same run', async () => {
    const [plain, fast] = await run(new FakeEngine(), ['off', 'fast']);
    expect(plain).toMatchObject({ strategy: 'off', speedup: 1, acceptanceLength: 1, drafted: 0, equal: 4, compared: 4 });
    expect(fast).toMatchObject({ strategy: 'fast', acceptanceLength: 4, drafted: 36, accepted: 36, equal: 4, compared: 4 });
    expect(fast?.speedup).toBeGreaterThan(1.5);
    expect(fast?.trials.map(({ prompt }) => prompt)).toEqual(['a', 'b', 'a', 'b']);
  });

  it('gives a prompt the same seed on every strategy, and each prompt its own', async () => {
    const engine = new FakeEngine();
    await run(engine, ['fast'], { seed: 5n });
    expect(engine.seeds.map(String)).toEqual(['5', '5', '5', '5', '6', '6', '5', '5', '6', '6']);
  });

  it('counts generations that differ from plain decoding', async () => {
    const [, wrong] = await run(new FakeEngine(), ['wrong']);
    expect(wrong).toMatchObject({ equal: 0, compared: 4 });
  });

  it('says where the time of an iteration goes, the first one left out', async () => {
    const engine = new FakeEngine();
    const arms = await run(engine, ['fast']);
    for (const { parts } of arms) {
      expect(parts).toMatchObject({ draftMs: 0.25, verifyMs: 0.5, commitMs: 0.125 });
      expect(parts.hostMs).toBeGreaterThan(0.2);
      expect(parts.hostMs + 0.75).toBeCloseTo(parts.iterationMs, 6);
    }
    expect(engine.events.listenerCount('verified')).toBe(0);
    expect(partsTable(arms).split('\n')[2]).toMatch(/^off +0\.\d\d +0\.\d\d +0\.\d\d +0\.\d\d +1\.00 +\d+$/);
  });

  it('tells all of it in a table', async () => {
    const arms = await run(new FakeEngine(), [{ name: 'fast', length: 3 }, 'wrong']);
    const lines = benchTable(arms).split('\n');
    expect(lines).toHaveLength(5);
    expect(lines[3]).toMatch(/^fast \{"length":3\} +\d+\.\d +\d+\.\d\dx +4\.00 +36 +100 % +\d+ ms +all$/);
    expect(lines[4]).toMatch(/0 of 4$/);
  });
});

it('takes the middle value as the median, or the mean of the middle two', () => {
  expect(median([3, 1, 2])).toBe(2);
  expect(median([4, 1, 2, 3])).toBe(2.5);
  expect(median([])).toBeNaN();
});
