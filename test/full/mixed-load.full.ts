import { describe, expect, it } from 'vitest';
import { createEngine } from '../../core/index.js';
import { MixedLoad, unreliablePlugins } from '../core/mixed-load.js';

const REQUESTS = 5000;
const STEP = 500;
/** What the process may grow by after the first thousand requests, in MiB: room for the garbage collector's moods, not for a leak of a page or a tensor per request. */
const GROWTH = 48;

describe(`${REQUESTS} mixed requests with faults`, () => {
  it('leave no page and no memory behind, and every finished one has plain decoding\'s tokens', async () => {
    await using reference = await createEngine({ model: 'models/demo/target', measure: false, threads: 1 });
    await using engine = await createEngine({ model: 'models/demo/target', maxSequences: 32, maxTokensPerSequence: 512, kvPages: 96, measure: false, proposeBudgetMs: 5000, plugins: unreliablePlugins(3) });
    const load = new MixedLoad(engine, reference, 23, 16);
    const rss: number[] = [];
    const started = performance.now();
    for (let done = 0; done < REQUESTS; done += STEP) {
      await load.run(STEP, 40);
      expect(engine.pages().used, `pages after ${done + STEP} requests`).toBe(0);
      rss.push(Math.round(process.memoryUsage().rss / 2 ** 20));
      console.log(`${done + STEP} requests, ${((performance.now() - started) / 1000).toFixed(0)} s: ${rss.at(-1)} MiB`);
    }
    const { finished, cancelled, faults, failures, different, compared } = load.figures;
    console.log(`${REQUESTS} mixed requests in ${((performance.now() - started) / 1000).toFixed(0)} s: ${finished} finished, ${cancelled} cancelled, failures by code ${JSON.stringify(failures)}, `
      + `${faults} faults of plugins, ${compared} tokens equal to plain decoding's; memory ${rss.join(', ')} MiB; pages in use 0`);
    expect(different).toEqual([]);
    expect(Object.keys(failures).filter((code) => code !== 'CONFIG')).toEqual([]);
    expect(finished + cancelled + (failures['CONFIG'] ?? 0)).toBe(REQUESTS);
    expect(Math.max(...rss.slice(2)) - Math.max(...rss.slice(0, 2))).toBeLessThan(GROWTH);
  }, 3_600_000);
});
