// The original's recorded traces on its own tiny checkpoints, iteration by iteration. Those copied into this repository always run; all of
// them where the big test data is.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createEngine, type Engine } from '../../core/index.js';
import { usualTaps } from './capture.js';
import { staticTree } from './static-tree.js';

interface Iteration { readonly tokens: number[]; readonly parents?: number[]; readonly accepted_nodes: number[]; readonly committed: number[]; readonly bonus: number }
interface Run { readonly prompt: number[]; readonly sequence: number[]; readonly iterations: readonly Iteration[] }
interface Trace {
  readonly checkpoint: string;
  readonly target: string;
  readonly choices?: number[][];
  readonly options?: { readonly depth: number; readonly top_k: number; readonly total_token: number };
  readonly runs: readonly Run[];
}

const shared = fileURLToPath(new URL('../../../shared/golden/strategies/eagle', import.meta.url));
const copied = fileURLToPath(new URL('../../test/fixtures/golden-strategies/eagle', import.meta.url));
const hasShared = existsSync(shared);
const read = <T>(...path: string[]): T => JSON.parse(readFileSync(join(...path), 'utf8')) as T;

async function withEngine(model: string, use: (engine: Engine) => Promise<void>): Promise<void> {
  const engine = await createEngine({ model, dtype: 'f32', kvDtype: 'f32', threads: 1, measure: false, proposeBudgetMs: 60_000 });
  try {
    await use(engine);
  } finally {
    await engine.dispose();
  }
}

/** Our depth counts levels of nodes; the original's, passes of the draft after the first. */
function strategyOf({ choices, options }: Trace, head: string) {
  if (options === undefined) return { name: 'eagle', head, choices: choices! };
  return { name: 'eagle', head, tree: 'dynamic', depth: options.depth + 1, topK: options.top_k, maxNodes: options.total_token - 1 };
}

async function replay(folder: string, file: string, head?: string): Promise<void> {
  const trace = read<Trace>(folder, 'traces', file);
  const parents = trace.choices && [-1, ...staticTree(trace.choices).levels.flatMap((level) => [...level.parent])];
  await withEngine(join(folder, trace.target), async (engine) => {
    let compared = 0;
    for (const { prompt, sequence, iterations } of trace.runs) {
      // More tokens than the original made, so that the end of the text cuts none of its trees.
      const request = { promptTokens: prompt, maxTokens: sequence.length - prompt.length + 32, temperature: 0, ignoreEos: true, trace: true };
      const { trace: made, tokens } = await engine.generate({ ...request, strategy: strategyOf(trace, join(folder, head ?? trace.checkpoint)) }).result;
      iterations.forEach((want, i) => {
        expect(made![i], `iteration ${i}`).toMatchObject({ tokens: want.tokens, parents: want.parents ?? parents, accepted: want.accepted_nodes, next: want.bonus });
        compared++;
      });
      expect(tokens.slice(0, sequence.length - prompt.length)).toEqual(sequence.slice(prompt.length));
    }
    const all = trace.runs.reduce((sum, { iterations }) => sum + iterations.length, 0);
    console.log(`${file}: ${compared} of ${all} iterations as recorded`);
    expect(compared).toBe(all);
    expect(all).toBeGreaterThan(10);
  });
}

describe('the original does the same, iteration by iteration', () => {
  it.each(readdirSync(join(copied, 'traces')))('in %s, copied here', (file) => replay(copied, file));
  it.skipIf(!hasShared).each(hasShared ? readdirSync(join(shared, 'traces')) : [])('in %s', (file) => replay(shared, file), 60_000);
});

interface LayoutCase { readonly dir: string; readonly same_trace_as?: string; readonly must?: string; readonly why?: string; readonly target?: string }

describe.skipIf(!hasShared)('other layouts of the same layer', () => {
  const cases = hasShared ? read<LayoutCase[]>(shared, 'layouts', 'index.json') : [];

  it.each(cases.filter((one) => one.same_trace_as !== undefined))('$dir drafts the same trees', ({ dir, same_trace_as: trace }) => replay(shared, trace!.slice('traces/'.length), dir), 60_000);

  it.each(cases.filter(({ must }) => must === 'error'))('$dir is refused: $why', async ({ dir, target = '../models/llama-a8' }) => {
    await withEngine(join(shared, target), async (engine) => {
      const error = await engine.prepare({ name: 'eagle', head: join(shared, dir) }).then(() => undefined, (reason: Error) => reason);
      expect(error?.message).toContain('model.safetensors');
      expect(error?.message).toMatch(/"(d2t|midlayer\.hidden_norm\.weight|layers\.0\.hidden_norm\.weight)"/);
      expect(error?.message).toMatch(/expected/);
    });
  });
});

describe('tables of the original', () => {
  it('captures the same residual streams of targets of 1 to 40 layers', () => {
    const { rows } = read<{ rows: { layers: number; captured_inputs_of_layers: number[] }[] }>(copied, 'captured_layers.json');
    for (const { layers, captured_inputs_of_layers: captured } of rows) expect(usualTaps(layers)).toEqual(captured);
    expect(rows).toHaveLength(40);
  });

  it('lays out static trees alike', () => {
    const { cases } = read<{ cases: { name: string; choices: number[][]; parents: number[]; tree_indices: number[]; position_ids: number[] }[] }>(copied, 'static_buffers.json');
    for (const { choices, parents, tree_indices: indices, position_ids: depths } of cases) {
      const { levels, size } = staticTree(choices);
      expect([-1, ...levels.flatMap(({ parent }) => [...parent])]).toEqual(parents);
      expect([0, ...levels.flatMap(({ parent }, level) => [...parent].map(() => level + 1))]).toEqual(depths);
      // The original numbers the ten tokens of each inner node after those of the inner nodes before it, the root first.
      let innerBefore = 0;
      const places = levels.flatMap(({ group, rank }, level) => {
        const own = [...group].map((of, i) => 1 + rank[i]! + 10 * (innerBefore + of));
        innerBefore += level === 0 ? 1 : levels[level - 1]!.inner.length;
        return own;
      });
      expect([0, ...places]).toEqual(indices);
      expect(size).toBe(choices.length);
    }
    expect(cases.length).toBeGreaterThan(5);
  });
});

describe.skipIf(!hasShared)('a static tree whose inner nodes skip an inner node', () => {
  let engine: Engine;
  const gap = hasShared ? read<Trace & { runs: { prompt: number[]; expected_tokens: number[]; upstream_tokens: number[] }[] }>(shared, 'static_gap_tree.json') : undefined;
  beforeAll(async () => { engine = await createEngine({ model: join(shared, gap!.target), dtype: 'f32', kvDtype: 'f32', threads: 1, measure: false, proposeBudgetMs: 60_000 }); });
  afterAll(() => engine.dispose());

  it('is drafted from the right parents, which the original gets wrong', async () => {
    for (const { prompt, expected_tokens: expected, upstream_tokens: upstream } of gap!.runs) {
      const { trace } = await engine.generate({ promptTokens: prompt, maxTokens: 40, temperature: 0, ignoreEos: true, trace: true, strategy: { name: 'eagle', head: join(shared, gap!.checkpoint), choices: gap!.choices! } }).result;
      expect(trace![0]!.tokens).toEqual(expected);
      expect(upstream).not.toEqual(expected);
    }
    expect(gap!.runs.length).toBeGreaterThan(2);
  });
});
