// The original's recorded traces on its own tiny checkpoints, iteration by iteration.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { createEngine, type Engine, type RunResult } from '../../core/index.js';

interface Iteration { readonly beams: number[][]; readonly committed: number[]; readonly next_g0: number }
interface Run { readonly prompt: number[]; readonly sequence: number[]; readonly iterations: readonly Iteration[] }
/** Of a batch: every field by sequence. */
interface BatchRun { readonly prompts: number[][]; readonly iterations: readonly { readonly beams: number[][][]; readonly committed: number[][]; readonly next_g0: number[] }[] }
interface Trace { readonly checkpoint: string; readonly target: string; readonly options: { readonly beam_width: number; readonly beam_length: number }; readonly runs: readonly (Run | BatchRun)[] }
type TraceEntry = NonNullable<RunResult['trace']>[number];

const golden = fileURLToPath(new URL('../../../shared/golden/strategies/redrafter', import.meta.url));
const read = <T>(...path: string[]): T => JSON.parse(readFileSync(join(golden, ...path), 'utf8')) as T;

/** Paths of a tree from the root, as words. */
function pathsOf({ tokens, parents }: TraceEntry): string[] {
  const paths: string[] = [];
  for (const [node, token] of tokens.entries()) paths.push(parents[node]! < 0 ? `${token}` : `${paths[parents[node]!]} ${token}`);
  return paths;
}

function compare(entry: TraceEntry | undefined, { beams, committed, next_g0: next }: Iteration): void {
  const prefixes = new Set(beams.flatMap((beam) => beam.map((_, n) => beam.slice(0, n + 1).join(' '))));
  expect(pathsOf(entry!).toSorted()).toEqual([...prefixes].toSorted());
  expect(entry!.accepted.map((node) => entry!.tokens[node])).toEqual(committed);
  expect(entry!.next).toBe(next);
}

async function replay(trace: Trace, checkpoint: string): Promise<number> {
  const { beam_width: beams, beam_length: beamLength } = trace.options;
  const engine = await createEngine({ model: join(golden, trace.target), dtype: 'f32', kvDtype: 'f32', threads: 1, measure: false, proposeBudgetMs: 60_000 });
  const generate = (promptTokens: number[], iterations: number): ReturnType<Engine['generate']>['result'] => engine.generate({
    // Enough tokens that the end of the text cuts no tree that was recorded.
    promptTokens, maxTokens: iterations * beamLength + 32, ignoreEos: true, trace: true, strategy: { name: 'redrafter', head: join(golden, checkpoint), beams, beamLength },
  }).result;
  let compared = 0;
  try {
    for (const run of trace.runs) {
      const texts = 'prompt' in run
        ? [{ prompt: run.prompt, iterations: run.iterations }]
        : run.prompts.map((prompt, i) => ({ prompt, iterations: run.iterations.map(({ beams: of, committed, next_g0 }) => ({ beams: of[i]!, committed: committed[i]!, next_g0: next_g0[i]! })) }));
      const results = await Promise.all(texts.map(({ prompt, iterations }) => generate(prompt, iterations.length)));
      for (const [t, { iterations }] of texts.entries()) {
        for (const [i, iteration] of iterations.entries()) {
          compare(results[t]!.trace![i], iteration);
          compared++;
        }
      }
    }
  } finally {
    await engine.dispose();
  }
  return compared;
}

describe.skipIf(!existsSync(golden))('the original', () => {
  const files = existsSync(golden) ? readdirSync(join(golden, 'traces')) : [];

  it.each(files)('does the same in %s', async (file) => {
    const trace = read<Trace>('traces', file);
    const compared = await replay(trace, trace.checkpoint);
    const all = trace.runs.reduce((sum, run) => sum + run.iterations.length * ('prompts' in run ? run.prompts.length : 1), 0);
    console.log(`${file}: ${compared} of ${all} iterations as recorded`);
    expect(compared).toBe(all);
  });

  const layouts = existsSync(golden) ? read<{ dir: string; same_trace_as: string }[]>('layouts', 'index.json') : [];
  it.each(layouts)('does the same with the drafter as $dir', async ({ dir, same_trace_as }) => {
    expect(await replay(read<Trace>(same_trace_as), dir)).toBeGreaterThan(10);
  });
});
