import { expect } from 'vitest';
import { blocksOf } from '../../core/experiment/shadow-score.js';
import type { Engine, GenerateRequest, StrategyConfig } from '../../core/index.js';

/** Every deterministic strategy, with the heads of the demo model. */
export const STRATEGIES: readonly StrategyConfig[] = [
  { name: 'prompt-lookup', length: 6, branches: 2 },
  { name: 'draft-target', draft: 'models/demo/draft', length: 4 },
  { name: 'medusa', head: 'models/demo/medusa', choices: 'mc_sim_7b_63' },
  { name: 'redrafter', head: 'models/demo/redrafter', beams: 3, beamLength: 4 },
  { name: 'eagle', head: 'models/demo/eagle', depth: 3, topK: 4, maxNodes: 12 },
  { name: 'eagle', head: 'models/demo/eagle3', tree: 'chain', depth: 4 },
  { name: 'lookahead' },
];

/** Serves a prompt plainly, scores a strategy on that text, and compares with a run that the strategy serves: trees, paths and counts. Returns the nodes accepted. */
export async function shadowEqualsDirect(engine: Engine, strategy: StrategyConfig, request: GenerateRequest): Promise<number> {
  const served = await engine.generate(request).result;
  const seed = served.stats.seed;
  const direct = await engine.generate({ ...request, seed, strategy, trace: true }).result;
  const shadow = await engine.shadow({ ...request, seed, strategy, output: served.tokens });
  const { iterations, drafted, accepted, acceptanceLength } = direct.stats;
  const trace = direct.trace ?? [];
  expect(direct.tokens).toEqual(served.tokens);
  expect(shadow.blocks).toEqual(blocksOf(trace, direct.tokens.length - (iterations - trace.length)));
  expect(shadow.stats).toEqual({ iterations, drafted, accepted, acceptanceLength, faults: 0, bypassed: 0 });
  return accepted;
}
