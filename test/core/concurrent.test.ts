import { describe, expect, it } from 'vitest';
import { createEngine } from '../../core/index.js';
import { MixedLoad, unreliablePlugins } from './mixed-load.js';

describe('64 concurrent requests', () => {
  it('of random strategies, with cancels and faults, each get plain decoding\'s tokens or end as they were told to', async () => {
    await using reference = await createEngine({ model: 'models/demo/target', measure: false });
    await using engine = await createEngine({ model: 'models/demo/target', maxSequences: 64, maxTokensPerSequence: 512, kvPages: 160, measure: false, proposeBudgetMs: 5000, plugins: unreliablePlugins(5) });
    const load = new MixedLoad(engine, reference, 17, 24);
    await load.run(64, 64);
    const { finished, cancelled, faults, failures, different, compared } = load.figures;
    console.log(`64 concurrent requests: ${finished} finished, ${cancelled} cancelled, failures ${JSON.stringify(failures)}, ${faults} faults of plugins, ${compared} tokens equal to plain decoding's`);
    expect(different).toEqual([]);
    expect(Object.keys(failures).filter((code) => code !== 'CONFIG')).toEqual([]);
    expect(finished + cancelled + (failures['CONFIG'] ?? 0)).toBe(64);
    expect(Math.min(finished, cancelled, faults)).toBeGreaterThan(0);
    expect(engine.pages().used).toBe(0);
  });
});
