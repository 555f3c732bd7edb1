import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { ExperimentDefinition } from '../../core/index.js';
import { type Behaviour, fakeExperiment } from './fake-host.js';

/** Time goes on only where a fake engine spends it; what is spent varies a little, as it does. */
class Clock {
  now = 0;
  private noise = 1;

  async advance(ms: number): Promise<void> {
    this.noise = (this.noise * 16807) % 2147483647;
    this.now += ms * (0.95 + (0.1 * this.noise) / 2147483647);
  }
}

let clock: Clock;
beforeEach(() => {
  clock = new Clock();
  vi.spyOn(performance, 'now').mockImplementation(() => clock.now);
});
afterEach(() => vi.restoreAllMocks());

const prompts = Array.from({ length: 40 }, (_, i) => ({ id: `p${i}`, text: 'x', category: i % 2 === 0 ? 'even' : 'odd' }));
const arms = { plain: 'off', fast: { name: 'fast' } };
const run = async (definition: Partial<ExperimentDefinition>, behaviours: Record<string, Behaviour>, options = {}) => {
  const { experiment, requests } = fakeExperiment({ name: 't', arms, ...definition }, behaviours, clock);
  return { report: await experiment.run(prompts, options), requests, experiment };
};

describe('a paired experiment', () => {
  it('finds the effect that is there, with an interval around it, in every part', async () => {
    const { report } = await run({}, { fast: { msPerCommit: 0.8 } });
    const [comparison] = report.comparisons;
    expect(comparison).toMatchObject({ arm: 'fast', metric: 'tokensPerSecond', clusters: 40, verdict: 'better' });
    expect(comparison!.effect).toBeCloseTo(0.25, 1.5);
    expect(comparison!.sequential!.low).toBeLessThan(0.25);
    expect(comparison!.sequential!.high).toBeGreaterThan(0.25);
    expect(report.breakdown.map(({ by, group, comparisons: [part] }) => [by, group, part!.clusters, part!.verdict])).toEqual([['category', 'even', 20, 'better'], ['category', 'odd', 20, 'better']]);
    expect(report.arms.map(({ trials, identity }) => [trials, identity])).toEqual([[80, { compared: 0, equal: 0 }], [80, { compared: 80, equal: 80 }]]);
    expect(report.path.fast!.at(-1)!.effect).toBeCloseTo(comparison!.effect!, 12);
    expect(report.warnings).toEqual([]);
  });

  it('gives every arm the same prompts and seeds, in ABBA order', async () => {
    const { requests } = await run({ request: { seed: 100, maxTokens: 9 } }, {});
    const order = requests.slice(2, 10).map(({ strategy, seed, maxTokens }) => [typeof strategy === 'object' ? strategy.name : strategy, seed, maxTokens]);
    expect(order).toEqual([['off', 100n, 9], ['fast', 100n, 9], ['fast', 100n, 9], ['off', 100n, 9], ['fast', 101n, 9], ['off', 101n, 9], ['off', 101n, 9], ['fast', 101n, 9]]);
  });

  it('says that arms are equal where they are, and that data is lacking where it is', async () => {
    expect((await run({}, {})).report.comparisons[0]!.verdict).toBe('equal');
    const { experiment } = fakeExperiment({ name: 't', arms }, {}, clock);
    const few = await experiment.run(prompts.slice(0, 3));
    expect(few.comparisons[0]).toMatchObject({ verdict: 'not enough data', why: '3 of at least 5' });
    const noisy = await run({ smallestEffect: 0.001 }, {});
    expect(noisy.report.comparisons[0]).toMatchObject({ verdict: 'not enough data', why: expect.stringMatching(/which includes no effect at all; an effect of 0.1 % would take about \d+$/) });
  });

  it('ends when it is decided, if asked to', async () => {
    const { report } = await run({ stop: 'decided' }, { fast: { msPerCommit: 0.5 } });
    expect(report.comparisons[0]).toMatchObject({ verdict: 'better' });
    expect(report.comparisons[0]!.clusters).toBeLessThan(10);
  });

  it('stops an arm at the first token that differs, and says where', async () => {
    const { report } = await run({ arms: { ...arms, wrong: { name: 'wrong' } } }, { wrong: { tokens: [1, 2, 3] } });
    const wrong = report.arms.find(({ name }) => name === 'wrong')!;
    expect(wrong.stopped).toMatchObject({ guardrail: 'identity', afterTrials: 2, reason: expect.stringContaining('differ from plain decoding\'s for "p0"') });
    expect(report.warnings.join()).toMatch(/Arm "wrong" was stopped by the guardrail identity after 2 requests/);
    expect(report.comparisons.find(({ arm }) => arm === 'fast')!.clusters, 'the others go on').toBe(40);
  });

  it.each([
    ['timeToFirstToken', { firstTokenMs: 3 }, /time to first token is at least .* longer/],
    ['interTokenP99', { msPerCommit: 4, tokensPerCommit: 4, firstTokenMs: 1 }, /p99 gap between tokens/],
    ['faults', { faults: 3 }, /of its iterations failed; the limit is 2.0 %/],
    ['bypasses', { bypassed: 9 }, /decoded plainly because the strategy had been given up/],
  ] as const)('stops an arm that breaks the guardrail %s by itself, before the prompts are through', async (guardrail, behaviour, reason) => {
    const { report } = await run({}, { fast: behaviour });
    const { stopped, trials } = report.arms[1]!;
    expect(stopped).toMatchObject({ guardrail, reason: expect.stringMatching(reason) });
    expect(trials).toBeLessThan(80);
    const free = await run({ guardrails: { [guardrail]: false } }, { fast: behaviour });
    expect(free.report.arms[1]!.trials, 'a guardrail that is off').toBe(80);
  });

  it('refuses to mix guarantees unless asked to, and then says so', async () => {
    await expect(run({}, { fast: { guarantee: 'lossy' } })).rejects.toThrow(/promise different things of their tokens \(plain: identical, fast: lossy\).*mixGuarantees/);
    const { report } = await run({ mixGuarantees: true }, { fast: { guarantee: 'lossy', tokens: [1, 2, 3] } });
    expect(report.warnings.join()).toMatch(/promise different things/);
    expect(report.arms[1]!.stopped, 'no identity was promised').toBeUndefined();
  });

  it('is not for live requests', () => {
    const { experiment } = fakeExperiment({ name: 't', arms }, {}, clock);
    expect(() => experiment.generate({ prompt: 'x' })).toThrow(/is paired: it runs the same prompts on every arm/);
  });
});

describe('live requests', () => {
  it('are dealt by unit, stick to their arm, and say so in the result', async () => {
    const { experiment } = fakeExperiment({ name: 't', version: '3', arms, design: 'request' }, { fast: { tokensPerCommit: 2 } }, clock);
    const results = [];
    for (let i = 0; i < 60; i++) results.push(await experiment.generate({ prompt: 'x', unit: `user-${i % 30}` }).result);
    await experiment.settled();
    const tags = results.map(({ experiment: tag }) => tag);
    expect(tags.slice(0, 30)).toEqual(tags.slice(30));
    expect(tags[0]).toEqual({ name: 't', version: '3', arm: expect.stringMatching(/plain|fast/), isForced: false });
    const report = experiment.report();
    expect(report.comparisons[0]).toMatchObject({ metric: 'acceptanceLength', verdict: 'better', effect: expect.closeTo(1, 6) });
    expect(report.secondary.map(({ metric }) => metric), 'no latency').toEqual([]);
    expect(report.arms.every(({ values }) => values.tokensPerSecond === undefined)).toBe(true);
    expect(report.sampleRatio!.isPlausible).toBe(true);
  });

  it('can be forced to an arm, and are then kept apart', async () => {
    const { experiment } = fakeExperiment({ name: 't', arms, design: 'request' }, {}, clock);
    for (let i = 0; i < 30; i++) await experiment.generate({ prompt: 'x', arm: 'fast' }).result;
    await experiment.settled();
    const report = experiment.report();
    expect(report.arms[1]).toMatchObject({ trials: 0, forced: 30 });
    expect(report.sampleRatio).toBeUndefined();
    expect(() => experiment.generate({ prompt: 'x', arm: 'slow' })).toThrow(/has no arm "slow"; known: plain, fast/);
  });

  it('go to the control in place of an arm that was stopped', async () => {
    const { experiment } = fakeExperiment({ name: 't', arms, design: 'request', guardrails: { identity: 1 } }, { fast: { tokens: [7] } }, clock);
    for (let i = 0; i < 40; i++) {
      await experiment.generate({ prompt: 'x', unit: `u${i}` }).result;
      await experiment.settled();
    }
    const report = experiment.report();
    expect(report.arms[1]).toMatchObject({ trials: 1, stopped: { guardrail: 'identity' } });
    expect(report.arms[0]!.forced).toBeGreaterThan(5);
  });

  it('take turns in time slices: arms are timed within theirs, after the wash-out', async () => {
    const { report, experiment } = await run({ design: 'switchback', sliceMs: 200, washOutMs: 30, horizon: 20 }, { fast: { msPerCommit: 0.7 } }, { rounds: 20 });
    expect(report.comparisons[0]).toMatchObject({ metric: 'tokensPerSecond', verdict: 'better', clusters: expect.any(Number) });
    expect(report.comparisons[0]!.clusters).toBeGreaterThanOrEqual(18);
    expect(report.comparisons[0]!.effect).toBeCloseTo(1 / 0.7 - 1, 1);
    expect(experiment.record().overlap).toBe(0);
    const { trials } = experiment.record();
    expect(trials.some(({ timing }) => timing === undefined), 'requests of the wash-out are not timed').toBe(true);
  });

  it('are scored for the other arms in a shadow, without serving them', async () => {
    const { report, requests } = await run({ design: 'shadow' }, { fast: { tokensPerCommit: 3 } });
    expect(requests.every(({ strategy }) => strategy === 'off')).toBe(true);
    expect(report.comparisons[0]).toMatchObject({ metric: 'acceptanceLength', clusters: 40, effect: expect.closeTo(2, 6), verdict: 'better' });
    const { experiment } = fakeExperiment({ name: 't', arms, design: 'shadow' }, {}, clock);
    expect(() => experiment.generate({ prompt: 'x', n: 2 })).toThrow(/one sample at a time; 2 were asked for/);
  });
});
