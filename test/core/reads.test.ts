// Nothing waits for the device but the one read of an iteration. Whatever waits goes through the runtime (`core/native/types.ts`): it is
// counted there, at the boundary to the addon, for every strategy.
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { createEngine, type Engine, type StrategyConfig } from '../../core/index.js';
import type { NativeRuntime } from '../../core/native/types.js';
import { demoPrompts } from '../identity/matrix.js';

const waits = vi.hoisted(() => ({ reads: [] as number[], loads: 0 }));

vi.mock('../../core/native/binding.js', async (original) => {
  const binding = await original<typeof import('../../core/native/binding.js')>();
  return { ...binding, loadNative: () => {
    const native = binding.loadNative();
    return { ...native, createRuntime: (options: Parameters<typeof native.createRuntime>[0]) => counted(native.createRuntime(options)) };
  } };
});

/** The same runtime, which notes how many tensors each read asks for, and every load. */
function counted(runtime: NativeRuntime): NativeRuntime {
  return {
    isa: runtime.isa, threads: runtime.threads, ops: runtime.ops,
    createModel: (...args) => runtime.createModel(...args),
    loadModel: (...args) => { waits.loads++; return runtime.loadModel(...args); },
    loadTensors: (...args) => { waits.loads++; return runtime.loadTensors(...args); },
    read: (tensors) => { waits.reads.push(tensors.length); return runtime.read(tensors); },
    dispose: () => runtime.dispose(),
  };
}

/** Of each pass without a prompt: what the device refused, path, next token and tokens of the trees, three marks of the clock. */
const CORE_READS = 7;

const STRATEGIES: readonly { readonly strategy: StrategyConfig; readonly more?: number }[] = [
  { strategy: { name: 'prompt-lookup' } },
  { strategy: { name: 'lookahead' }, more: 1 },   // asks for the target's choice after every row, on the same read
  { strategy: { name: 'draft-target', draft: 'models/demo/draft' } },
  { strategy: { name: 'draft-target', draft: 'models/demo/draft', draw: true, verifier: 'rejection' }, more: 3 },   // trees under its own verifier, beside prompts under the usual one
  { strategy: { name: 'medusa', head: 'models/demo/medusa', choices: [[0, 0, 0], [1, 0], [2]] } },
  { strategy: { name: 'redrafter', head: 'models/demo/redrafter', beams: 3, beamLength: 4 } },
  { strategy: { name: 'eagle', head: 'models/demo/eagle', choices: [[0, 0, 0], [1, 0], [2]] } },
  { strategy: { name: 'eagle', head: 'models/demo/eagle', depth: 4, topK: 4, maxNodes: 12 } },
  { strategy: { name: 'eagle', head: 'models/demo/eagle3', tree: 'chain', depth: 4 } },
];

describe('an iteration reads once from the device', () => {
  const prompts = demoPrompts(2).map((tokens) => tokens.slice(0, 20));
  let engine: Engine;
  let passes = 0;
  let drafted = 0;
  beforeAll(async () => {
    engine = await createEngine({ model: 'models/demo/target', measure: false, proposeBudgetMs: 60_000, maxSequences: 4, maxTokensPerSequence: 256, prefillChunk: 9 });
    engine.events.on('verified', () => { passes++; });
    engine.events.on('drafted', ({ nodes }) => { drafted += nodes; });
  });
  afterAll(() => engine.dispose());
  beforeEach(() => {
    [passes, drafted, waits.loads] = [0, 0, 0];
    waits.reads.length = 0;
  });

  async function run(strategy: 'off' | StrategyConfig, temperature: number): Promise<void> {
    if (strategy !== 'off') await engine.prepare(strategy);
    [waits.loads, waits.reads.length] = [0, 0];   // weights are loaded, and may be read, before a strategy runs
    const runs = prompts.map((promptTokens) => engine.generate({ promptTokens, maxTokens: 16, ignoreEos: true, temperature, strategy }).result);
    for (const { stats } of await Promise.all(runs)) expect(stats.faults).toBe(0);
    expect(waits.reads).toHaveLength(passes);
    expect(waits.loads).toBe(0);
    expect(passes).toBeGreaterThan(4);
  }

  it('without a strategy', async () => {
    await run('off', 0);
    expect(Math.max(...waits.reads)).toBe(CORE_READS);
  });

  it.each(STRATEGIES.flatMap((one) => [0, 0.8].map((temperature) => ({ ...one, temperature, label: JSON.stringify(one.strategy) }))))('with $label at $temperature', async ({ strategy, more = 0, temperature }) => {
    await run(strategy, temperature);
    expect(drafted).toBeGreaterThan(0);
    expect(Math.max(...waits.reads)).toBeLessThanOrEqual(CORE_READS + more);
  });

  it('with several strategies in one batch', async () => {
    const strategies = STRATEGIES.slice(2, 6).map(({ strategy }) => strategy);
    for (const strategy of strategies) await engine.prepare(strategy);
    [waits.loads, waits.reads.length] = [0, 0];
    await Promise.all(strategies.map((strategy) => engine.generate({ promptTokens: prompts[0]!, maxTokens: 16, ignoreEos: true, temperature: 0.8, strategy }).result));
    expect(waits.reads).toHaveLength(passes);
    expect(waits.loads).toBe(0);
  });
});

it('what is counted is what waits: scores read too', async () => {
  const engine = await createEngine({ model: 'models/demo/target', measure: false, proposeBudgetMs: 60_000, maxTokensPerSequence: 64 });
  const before = waits.reads.length;
  await engine.score({ tokens: [0, 980, 471, 15] });
  expect(waits.reads.length).toBeGreaterThan(before);
  await engine.dispose();
});
