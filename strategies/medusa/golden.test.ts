// The original's recorded traces on its own tiny checkpoints, iteration by iteration.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createEngine, type Engine, type StrategyConfig } from '../../core/index.js';
import { rankTree } from './tree.js';

interface Iteration { readonly tree_tokens: number[]; readonly accepted_nodes: number[]; readonly committed: number[]; readonly base_argmax: number[] }
interface Run { readonly prompt: number[]; readonly sequence: number[]; readonly iterations: readonly Iteration[] }
interface Trace {
  readonly title: string;
  readonly choices: number[][];
  readonly options: { readonly temperature?: number; readonly posterior_threshold?: number; readonly posterior_alpha?: number };
  readonly runs: readonly Run[];
}

const golden = fileURLToPath(new URL('../../../shared/golden/strategies/medusa', import.meta.url));
const read = <T>(...path: string[]): T => JSON.parse(readFileSync(join(golden, ...path), 'utf8')) as T;
const list = (folder: string): string[] => (existsSync(golden) ? readdirSync(join(golden, folder)) : []);

async function withEngine(model: string, use: (engine: Engine) => Promise<void>): Promise<void> {
  const engine = await createEngine({ model, dtype: 'f32', kvDtype: 'f32', threads: 1, measure: false, proposeBudgetMs: 60_000 });
  try {
    await use(engine);
  } finally {
    await engine.dispose();
  }
}

/** Replays one text; returns the iterations that were compared. */
async function replay(engine: Engine, { choices, options }: Trace, { prompt, sequence, iterations }: Run, strategy: Omit<StrategyConfig, 'name'>): Promise<number> {
  const { temperature = 0, posterior_threshold: posteriorThreshold, posterior_alpha: posteriorAlpha } = options;
  const verifier = temperature > 0 ? { verifier: { name: 'typical', posteriorThreshold, posteriorAlpha } } : {};
  // More tokens than the original made, so that the end of the text cuts none of its trees.
  const request = { promptTokens: prompt, maxTokens: sequence.length - prompt.length + 32, temperature, ignoreEos: true, trace: true };
  const { trace } = await engine.generate({ ...request, strategy: { name: 'medusa', choices, noise: false, ...verifier, ...strategy } }).result;
  const parents = [-1, ...rankTree(choices).parents];
  iterations.forEach(({ tree_tokens: tokens, accepted_nodes: accepted, committed, base_argmax: choicesAfter }, i) => {
    const next = temperature > 0 ? {} : { next: choicesAfter[accepted.at(-1)!] };
    expect(trace![i], `iteration ${i}`).toMatchObject({ tokens, parents, accepted, ...next });
    expect(accepted.map((node) => tokens[node])).toEqual(committed);
  });
  return iterations.length;
}

describe.skipIf(!existsSync(golden))('the original', () => {
  it.each(list('traces'))('does the same in %s', async (file) => {
    const trace = read<Trace>('traces', file);
    const head = join(golden, 'checkpoints', trace.title.split(/[ ,]/)[0]!);
    const { base_model_name_or_path: base } = JSON.parse(readFileSync(join(head, 'config.json'), 'utf8')) as { base_model_name_or_path?: string };
    await withEngine(base === undefined ? head : join(head, base), async (engine) => {
      let compared = 0;
      for (const run of trace.runs) compared += await replay(engine, trace, run, base === undefined ? {} : { head });
      const all = trace.runs.reduce((sum, { iterations }) => sum + iterations.length, 0);
      console.log(`${file}: ${compared} of ${all} iterations as recorded`);
      expect(compared).toBe(all);
      expect(all).toBeGreaterThan(10);
    });
  });

  const layouts = existsSync(golden) ? read<{ dir: string; target?: string; same_trace_as?: string; must?: string; why?: string }[]>('layouts', 'index.json') : [];

  it.each(layouts.filter(({ same_trace_as }) => same_trace_as !== undefined))('does the same with the heads as $dir', async ({ dir, target, same_trace_as }) => {
    const trace = read<Trace>(same_trace_as!);
    await withEngine(join(golden, target!), async (engine) => {
      for (const run of trace.runs) expect(await replay(engine, trace, run, target === dir ? {} : { head: join(golden, dir) })).toBe(run.iterations.length);
    });
  });

  it.each(layouts.filter(({ must }) => must === 'error'))('could not use $dir either: $why', async ({ dir }) => {
    await withEngine(join(golden, '../models/llama-a'), async (engine) => {
      await expect(engine.generate({ promptTokens: [256], maxTokens: 2, strategy: { name: 'medusa', head: join(golden, dir) } }).result)
        .rejects.toMatchObject({ code: 'STRATEGY_REFUSED', message: expect.stringContaining(join(golden, dir)) });
    });
  });
});
