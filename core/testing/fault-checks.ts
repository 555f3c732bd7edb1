import assert from 'node:assert/strict';
import type { Strategy } from '../strategy.js';
import { type ContractBench, PROMPTS } from './bench.js';
import type { ContractCheck } from './contract.js';
import { requestOf } from './identity-checks.js';
import { forgetfulVariant, nonsenseVariant, slowVariant, throwingVariant } from './variants.js';

/** Callbacks that take longer than this, in milliseconds, count as slow in these checks. */
const PROPOSE_BUDGET_MS = 4;

/** A fault costs its sequence the speed-up: never a token, never a neighbour. */
export function faultChecks(bench: ContractBench): ContractCheck[] {
  const check = (name: string, make: (strategy: Strategy) => Strategy, mustFault = true): ContractCheck =>
    ({ name, run: async () => survives(bench, make(await bench.strategy()), mustFault) });
  return [
    check('keeps its tokens when propose throws now and then', (strategy) => throwingVariant(strategy, 3)),
    check('keeps its tokens when propose always throws', (strategy) => throwingVariant(strategy, 1)),
    check('keeps its tokens when observe throws', (strategy) => forgetfulVariant(strategy, 4)),
    check('keeps its tokens when it is slow', (strategy) => slowVariant(strategy, 2 * PROPOSE_BUDGET_MS)),
    check('keeps its tokens when it drafts nonsense', nonsenseVariant, false),
  ];
}

async function survives(bench: ContractBench, variant: Strategy, mustFault: boolean): Promise<string> {
  const healthy = await bench.strategy();
  const faulty = await bench.config(variant.name);
  const strategy = await bench.config();
  return bench.withEngine({ proposeBudgetMs: PROPOSE_BUDGET_MS }, [healthy, variant], async (engine) => {
    let faults = 0;
    let refused = 0;
    engine.events.on('drafted', (event) => { if (event.strategy === variant.name) refused += event.refused; });
    const request = requestOf(1, 0.8);
    const alone = await engine.generate({ ...request, strategy: faulty }).result;
    await bench.expectPlain(alone, request);
    faults += alone.stats.faults;

    const requests = [...PROMPTS.keys()].map((prompt) => requestOf(prompt, 0));
    const runs = requests.map((one, i) => engine.generate({ ...one, strategy: [faulty, strategy, 'off'][i]! }));
    for (const [i, result] of (await Promise.all(runs.map((run) => run.result))).entries()) {
      await bench.expectPlain(result, requests[i]!);
      if (i === 0) faults += result.stats.faults;
    }
    if (mustFault) assert.ok(faults > 0, 'the planted fault was not counted');
    else assert.ok(refused > 0, 'the planted nonsense was not counted');
    return `alone and beside healthy neighbours; ${faults} faults, ${refused} nodes refused`;
  });
}
