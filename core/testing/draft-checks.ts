import assert from 'node:assert/strict';
import { type ContractBench, PROMPTS } from './bench.js';
import type { ContractCheck } from './contract.js';
import { requestOf } from './identity-checks.js';
import { silentVariant } from './variants.js';
import { type Complaints, watchedVariant } from './watched-draft.js';

/** It begins, keeps to its plan, and drafts trees that need no repair. */
export function draftChecks(bench: ContractBench): ContractCheck[] {
  return [
    { name: 'begins with one token of text', run: () => begins(bench) },
    { name: 'proposes valid trees, within its plan', run: () => proposes(bench) },
    { name: 'may draft nothing, always or now and then', run: () => stopsDrafting(bench) },
  ];
}

async function begins(bench: ContractBench): Promise<string> {
  const strategy = await bench.config();
  return bench.withEngine({}, undefined, async (engine) => {
    const { stats } = await engine.generate({ ...requestOf(0, 0), strategy }).result;
    assert.equal(stats.strategy, strategy.name, 'the strategy of the result');
    assert.equal(stats.faults, 0, 'iterations in which the strategy failed');
    return `guarantee: ${stats.guarantee}`;
  });
}

async function proposes(bench: ContractBench): Promise<string> {
  const complaints: Complaints = [];
  const strategy = await bench.config();
  return bench.withEngine({}, [watchedVariant(await bench.strategy(), complaints)], async (engine) => {
    let nodes = 0;
    engine.events.on('drafted', (event) => { nodes += event.nodes; });
    engine.events.on('verified', ({ refused }) => { if (refused > 0) complaints.push(`drafts ${refused} nodes on the device that do not exist`); });
    engine.events.on('faulted', ({ reason }) => complaints.push(`fails: ${reason instanceof Error ? reason.message : String(reason)}`));
    const runs = [...PROMPTS.keys()].map((prompt) => engine.generate({ ...requestOf(prompt, 0.8), strategy }));
    const results = await Promise.all(runs.map(({ result }) => result));
    assert.ok(complaints.length === 0, [...new Set(complaints)].join('; '));
    assert.ok(nodes > 0, 'it drafted nothing at all, so nothing was tested');
    const accepted = results.reduce((sum, { stats }) => sum + stats.accepted, 0);
    return `${nodes} nodes, ${accepted} accepted`;
  });
}

async function stopsDrafting(bench: ContractBench): Promise<string> {
  const variants = [silentVariant(await bench.strategy(), 1e9), silentVariant(await bench.strategy(), 3)];
  return bench.withEngine({}, variants, async (engine) => {
    const drafted: number[] = [];
    for (const { name } of variants) {
      const request = requestOf(1, 0);
      const result = await engine.generate({ ...request, strategy: await bench.config(name) }).result;
      await bench.expectPlain(result, request);
      drafted.push(result.stats.drafted);
    }
    assert.equal(drafted[0], 0, 'nodes drafted by a strategy that never drafts');
    return `0 and ${drafted[1]} nodes`;
  });
}
