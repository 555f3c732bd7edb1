// The original's recorded traces: the proposer replayed from the target's recorded choices, and whole texts on its own model.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { createEngine, type Strategy } from '../../core/index.js';
import { batchOf, RecordedDraft, sequenceOf } from '../../core/testing/index.js';
import lookahead from './index.js';
import { NgramPool } from './ngram-pool.js';
import { Lookahead, type LookaheadSettings } from './proposer.js';
import { Window } from './window.js';

interface Step {
  readonly window_before: readonly (readonly number[] | null)[];
  readonly guesses: readonly (readonly number[])[] | null;
  readonly golden_argmax: number;
  readonly window_argmax: readonly number[];
  readonly committed: readonly number[];
  readonly pool_before?: Readonly<Record<string, readonly (readonly number[])[]>>;
  readonly pool_changed?: Readonly<Record<string, readonly (readonly number[])[]>>;
}
interface Run { readonly prompt: number[]; readonly seed_window: number[]; readonly sequence: number[]; readonly steps: readonly Step[] }
interface Trace {
  readonly target: string;
  readonly options: { readonly W: number; readonly N: number; readonly G: number; readonly POOL_FROM_PROMPT: 0 | 1; readonly eos: number | null };
  readonly runs: readonly Run[];
}
interface PoolEvent { readonly prompt?: number[]; readonly golden?: number; readonly window?: number[][]; readonly new?: number[]; readonly pool: Record<string, number[][]> }

const shared = fileURLToPath(new URL('../../../shared/golden/strategies/lookahead', import.meta.url));
const small = fileURLToPath(new URL('../../test/fixtures/golden-strategies/lookahead', import.meta.url));
const read = <T>(path: string): T => JSON.parse(readFileSync(path, 'utf8')) as T;

const settingsOf = ({ options: { W, N, G, POOL_FROM_PROMPT } }: Trace, seeds: ReadonlyMap<string, readonly number[]>): LookaheadSettings => ({
  window: W, ngram: N, guesses: G, stored: G, poolFromPrompt: POOL_FROM_PROMPT === 1, refreshes: true, guessInWarmUp: false,
  acceptWindow: false, shift: 'iteration', avoid: new Set(),
  firstWindow: ({ tokens, promptLength }) => seeds.get(tokens.slice(0, promptLength).join()) ?? [],
});
const seedsOf = ({ runs }: Trace): Map<string, number[]> => new Map(runs.map(({ prompt, seed_window }) => [prompt.join(), seed_window]));

/** Replays one text: window, guesses and pool before every step, from the choices that the original's target made. */
function replay(trace: Trace, { prompt, steps, sequence: whole }: Run): number {
  const proposer = new Lookahead(settingsOf(trace, seedsOf(trace)));
  const tokens = [...prompt];
  let compared = 0;
  let pool: Record<string, readonly (readonly number[])[]> = {};
  for (const step of steps) {
    const sequence = sequenceOf(tokens, { promptLength: prompt.length, budget: 1000 });
    const draft = new RecordedDraft();
    proposer.propose(batchOf([sequence]), draft);
    const nodes = draft.nodesOf(sequence);
    const text = proposer.textOf(sequence);
    expect(text.window.tokens()).toEqual(step.window_before.filter((level) => level !== null));
    const guesses = new Set((step.guesses ?? []).map((guess) => guess.join()));
    expect(new Set(pathsOf(nodes, false))).toEqual(guesses);
    pool = step.pool_before ?? { ...pool, ...step.pool_changed };
    for (const [key, ngrams] of Object.entries(pool)) expect(text.pool.after(Number(key)), `pool of ${key}`).toEqual(ngrams);

    const choices = new Int32Array(nodes.length + 1);   // what follows guesses is not asked for
    choices[0] = step.golden_argmax;
    const last = text.drafted!.rows;
    (last[0] === 0 ? last.slice(1) : last).forEach((row, i) => { choices[row] = step.window_argmax[i]!; });
    tokens.push(...step.committed);
    proposer.observe({
      sequences: [sequenceOf(tokens, { promptLength: prompt.length, budget: 1000 })], firstPosition: Int32Array.of(0), rowStart: Int32Array.of(0, step.committed.length),
      commits: [{ tokens: Int32Array.from(step.committed), path: Int32Array.of(0), proposed: nodes.filter(({ isProbe }) => !isProbe).length, choices }],
    });
    compared++;
  }
  expect(tokens.slice(0, whole.length)).toEqual(whole.slice(0, tokens.length));
  return compared;
}

/** Paths to leaves, of nodes or of probes. */
function pathsOf(nodes: ReturnType<RecordedDraft['nodesOf']>, isProbe: boolean): string[] {
  const paths = ['', ...nodes.map(() => '')];
  const inner = new Set<number>();
  nodes.forEach((node, i) => {
    if (node.isProbe !== isProbe) return;
    paths[i + 1] = node.parent === 0 ? `${node.token}` : `${paths[node.parent]},${node.token}`;
    inner.add(node.parent);
  });
  return paths.filter((path, i) => path !== '' && !inner.has(i));
}

function replayPool(cases: readonly { W: number; N: number; G: number; events: readonly PoolEvent[] }[]): number {
  let compared = 0;
  for (const { W, N, G, events } of cases) {
    const pool = new NgramPool(G, true);
    for (const event of events) {
      const { prompt = [] } = event;
      for (let i = 0; i + N <= prompt.length; i++) pool.insert(prompt[i]!, prompt.slice(i + 1, i + N));
      if (event.window !== undefined) windowOf(W, N, event.window).advance(event.new!, event.golden!, pool);
      for (const [key, ngrams] of Object.entries(event.pool)) expect(pool.after(Number(key))).toEqual(ngrams);
      compared++;
    }
  }
  return compared;
}

/** A full window with these levels: filled as a text would fill it. */
function windowOf(columns: number, ngram: number, levels: readonly (readonly number[])[]): Window {
  const depth = ngram - 1;
  const rest = (count: number): number[] => new Array<number>(count).fill(-1);
  const window = new Window(columns, depth, [...rest(depth - 1), ...levels[0]!]);
  for (let level = 1; level < depth; level++) window.advance([...rest(depth - level), ...levels[level]!], -1, new NgramPool(0, true));
  expect(window.tokens()).toEqual(levels);
  return window;
}

describe.each([{ where: 'the small set', folder: small }, { where: 'the whole set', folder: shared }])('$where of recorded traces', ({ folder }) => {
  const traces = (path: string): string[] => (existsSync(path) ? readdirSync(path).filter((name) => name.startsWith('W')).sort().map((name) => join(path, name)) : []);
  const files = [...traces(folder), ...traces(join(folder, 'traces'))];

  it.skipIf(files.length === 0)('gives the same window, guesses and pool at every step', () => {
    let texts = 0;
    let steps = 0;
    for (const file of files) {
      const trace = read<Trace>(file);
      for (const run of trace.runs) {
        steps += replay(trace, run);
        texts++;
      }
    }
    const recorded = files.flatMap((file) => read<Trace>(file).runs.flatMap((run) => run.steps)).length;
    console.log(`lookahead: ${steps} of ${recorded} recorded steps agree, in ${texts} texts of ${files.length} traces`);
    expect(steps).toBe(recorded);
    expect(steps).toBeGreaterThan(20);
  });

  it.skipIf(files.length === 0)('gives the same pool after every event', () => {
    const { cases } = read<{ cases: { W: number; N: number; G: number; events: PoolEvent[] }[] }>(join(folder, 'pool.json'));
    const events = cases.reduce((sum, one) => sum + one.events.length, 0);
    const compared = replayPool(cases);
    console.log(`lookahead pool: ${compared} of ${events} events agree, in ${cases.length} cases`);
    expect(compared).toBe(events);
  });

  const models = files.filter((file) => existsSync(join(folder, read<Trace>(file).target, 'config.json')));
  it.skipIf(models.length === 0)('commits the same blocks on the original\'s model', async () => {
    let blocks = 0;
    for (const file of models) blocks += await runWhole(read<Trace>(file), folder);
    const recorded = models.flatMap((file) => read<Trace>(file).runs.flatMap((run) => run.steps)).length;
    console.log(`lookahead end to end: ${blocks} of ${recorded} recorded blocks agree`);
    expect(blocks).toBe(recorded);
  });
});

async function runWhole(trace: Trace, folder: string): Promise<number> {
  const settings = settingsOf(trace, seedsOf(trace));
  const replayed: Strategy<object> = {
    ...lookahead as unknown as Strategy<object>, name: 'recorded',
    plan: (_options, target, checkpoints) => lookahead.plan(lookahead.options.parse({ window: settings.window, ngram: settings.ngram, guesses: settings.guesses }), target, checkpoints),
    create: async () => new Lookahead(settings),
  };
  const engine = await createEngine({ model: join(folder, trace.target), dtype: 'f32', kvDtype: 'f32', measure: false, proposeBudgetMs: 60_000, plugins: [replayed] });
  let blocks = 0;
  try {
    for (const { prompt, steps, sequence } of trace.runs) {
      const { tokens, trace: made = [], stats } = await engine.generate({
        promptTokens: prompt, maxTokens: sequence.length - prompt.length + 32, ignoreEos: true, trace: true, strategy: 'recorded',
      }).result;
      expect(stats.faults).toBe(0);
      expect(tokens.slice(0, sequence.length - prompt.length)).toEqual(sequence.slice(prompt.length));
      for (const [i, { committed }] of steps.entries()) {
        const { accepted, tokens: nodes, next } = made[i]!;
        expect([...accepted.slice(1).map((node) => nodes[node]!), next].slice(0, committed.length), `step ${i}`).toEqual(committed);
        if (i < steps.length - 1) expect(accepted.length, `step ${i}`).toBe(committed.length);   // the original cuts its last block
        blocks++;
      }
    }
  } finally {
    await engine.dispose();
  }
  return blocks;
}
