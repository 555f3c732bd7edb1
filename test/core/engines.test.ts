import { pathToFileURL } from 'node:url';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import { createEngine, type Engine } from '../../core/index.js';
import { demoPrompts } from '../identity/matrix.js';

const prompts = demoPrompts(3);
const ask = (i: number) => ({ promptTokens: prompts[i]!, maxTokens: 24, temperature: 0.7, seed: i, ignoreEos: true });

describe('several engines', () => {
  it('in one process run at once, keep apart and go one by one', async () => {
    const engines: Engine[] = [];
    for (const dtype of ['f32', 'bf16', 'f32'] as const) engines.push(await createEngine({ model: 'models/demo/target', dtype, threads: 1, measure: false }));
    const alone: (readonly number[])[] = [];
    for (const [i, engine] of engines.entries()) alone.push((await engine.generate({ ...ask(i), strategy: 'off' }).result).tokens);
    const runs = engines.map((engine, i) => engine.generate({ ...ask(i), strategy: ['prompt-lookup', { name: 'draft-target', draft: 'models/demo/draft' }, 'lookahead'][i]! }).result);
    expect((await Promise.all(runs)).map(({ tokens }) => tokens)).toEqual(alone);
    await engines[1]!.dispose();
    expect((await engines[0]!.generate(ask(0)).result).tokens).toEqual(alone[0]);
    await expect(engines[1]!.generate(ask(1)).result).rejects.toMatchObject({ code: 'DISPOSED' });
    expect(engines[2]!.pages().used).toBe(0);
    for (const engine of engines) await engine.dispose();
  });

  it('in worker threads give the tokens of the main thread, and a worker may be ended in mid-work', async () => {
    await using engine = await createEngine({ model: 'models/demo/target', dtype: 'f32', threads: 1, measure: false });
    const want = await Promise.all(prompts.map(async (_, i) => (await engine.generate(ask(i)).result).tokens));
    const library = pathToFileURL(join(import.meta.dirname, '../../dist/core/index.js')).href;
    const body = `const { parentPort, workerData: { library, request, endless } } = require('node:worker_threads');
      import(library).then(async ({ createEngine }) => {
        const engine = await createEngine({ model: 'models/demo/target', dtype: 'f32', threads: 1, measure: false });
        const run = engine.generate(endless ? { ...request, maxTokens: 2000 } : request);
        if (endless) for await (const _ of run) parentPort.postMessage('running');
        else { parentPort.postMessage((await run.result).tokens); await engine.dispose(); }
      });`;
    const start = (i: number, endless: boolean): Worker => new Worker(body, { eval: true, workerData: { library, request: { ...ask(i), strategy: 'prompt-lookup' }, endless } });
    const answer = (worker: Worker): Promise<unknown> => new Promise((resolve, reject) => { worker.once('message', resolve); worker.once('error', reject); });
    const doomed = start(0, true);
    const workers = prompts.map((_, i) => start(i, false));
    const answers = Promise.all(workers.map(answer));   // listening from the start: what nobody hears is lost
    expect(await answer(doomed)).toBe('running');
    await doomed.terminate();
    expect(await answers).toEqual(want);
    await Promise.all(workers.map((worker) => worker.terminate()));
    expect((await engine.generate(ask(0)).result).tokens).toEqual(want[0]);
  });
});
