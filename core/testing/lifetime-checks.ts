import assert from 'node:assert/strict';
import { ForetokenError } from '../errors.js';
import { type ContractBench, PROMPTS, settled } from './bench.js';
import type { ContractCheck } from './contract.js';
import { expectNoFault, requestOf } from './identity-checks.js';

/** Runs can end, and strategies change, at any moment; nothing stays behind. */
export function lifetimeChecks(bench: ContractBench): ContractCheck[] {
  return [
    { name: 'can be cancelled after every iteration', run: () => cancels(bench) },
    { name: 'can be disposed of in flight', run: () => disposes(bench) },
    { name: 'can be chosen per request', run: () => swaps(bench) },
    { name: 'can take over a text in the middle, and hand it over', run: () => takesOver(bench) },
  ];
}

async function cancels(bench: ContractBench): Promise<string> {
  const strategy = await bench.config();
  const commits = [1, 2, 3, 4, 6, 8];
  await bench.withEngine({}, undefined, async (engine) => {
    for (const last of commits) {
      const controller = new AbortController();
      const reason = new Error(`cancelled after ${last} commits`);
      let seen = 0;
      const count = (): void => { if (++seen === last) controller.abort(reason); };
      engine.events.on('committed', count);
      const request = requestOf(1, 0, { maxTokens: 200 });
      const run = engine.generate({ ...request, strategy, signal: controller.signal });
      await assert.rejects(run.result, (error) => error === reason, 'the result rejects with the reason of the signal');
      engine.events.off('committed', count);
      await settled(engine);
    }
    const request = requestOf(1, 0);
    await bench.expectPlain(await engine.generate({ ...request, strategy }).result, request);
  });
  return `after ${commits.join(', ')} commits; the engine goes on`;
}

async function disposes(bench: ContractBench): Promise<string> {
  const strategy = await bench.config();
  const commits = [0, 1, 4];
  for (const last of commits) {
    const engine = await bench.engine();
    const reached = new Promise<void>((resolve) => {
      let seen = 0;
      if (last === 0) resolve();
      engine.events.on('committed', () => { if (++seen === last) resolve(); });
    });
    const runs = [...PROMPTS.keys()].map((prompt) => engine.generate({ ...requestOf(prompt, 0, { maxTokens: 150 }), strategy }));
    await reached;
    const outcomes = Promise.allSettled(runs.map(({ result }) => result));
    await engine.dispose();
    for (const outcome of await outcomes) {
      const isDisposed = outcome.status === 'rejected' && ForetokenError.isInstance(outcome.reason) && outcome.reason.code === 'DISPOSED';
      assert.ok(isDisposed, `after ${last} commits a run ended with ${outcome.status === 'rejected' ? String(outcome.reason) : 'a result'}, not with a DisposedError`);
    }
  }
  return `after ${commits.join(', ')} commits, three texts running`;
}

/** The strategy meets text whose rows it never saw: the gap of its plan. */
async function takesOver(bench: ContractBench): Promise<string> {
  const strategy = await bench.config();
  const moves = await bench.withEngine({}, undefined, async (engine) => {
    let moved = 0;
    for (const temperature of [0, 0.8]) {
      for (const prompt of PROMPTS.keys()) {
        const request = requestOf(prompt, temperature);
        await engine.strategies.set('default', 'off');
        const run = engine.generate(request);
        let seen = 0;
        for await (const _ of run) {
          if (++seen % 3 !== 0) continue;
          await engine.strategies.set('default', moved++ % 2 === 0 ? strategy : 'off', { running: 'move' });
        }
        const result = await run.result;
        await bench.expectPlain(result, request);
        expectNoFault(result);
      }
    }
    return moved;
  });
  return `${moves} times between passes`;
}

async function swaps(bench: ContractBench): Promise<string> {
  const strategy = await bench.config();
  const choices = ['off', strategy, 'off', strategy, strategy] as const;
  await bench.withEngine({}, undefined, async (engine) => {
    for (const [i, choice] of choices.entries()) {
      const request = requestOf(i % PROMPTS.length, 0.8);
      const result = await engine.generate({ ...request, strategy: choice }).result;
      await bench.expectPlain(result, request);
      expectNoFault(result);
      if (choice === 'off') assert.equal(result.stats.drafted, 0, 'nodes drafted with strategy "off"');
    }
  });
  return `${choices.length} requests on one engine`;
}
