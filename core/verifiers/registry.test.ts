import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { createEngine, defineStrategy, defineVerifier, type DraftProposer, type Engine, type Plan, type Strategy, type Verifier } from '../index.js';
import { writeTinyModel } from '../testing/index.js';
import { VerifierRegistry } from './registry.js';

const plan = (drawn: Plan['drawn'], distributions?: boolean): Plan => ({
  maxNodes: 4, maxDepth: 4, budget: 'fixed', drawn, needs: { hidden: 'none', choices: false, gap: 'start-late' }, bytes: { weights: 0, perToken: 0, perSequence: 0 },
  ...(distributions === undefined ? {} : { distributions }),
});
const own = (name: string, values: Partial<Verifier> = {}): Verifier => defineVerifier({
  name, options: z.strictObject({ share: z.number().default(1) }), guarantee: 'lossy', accepts: ['deterministic'],
  verify: (scored, ops) => ops.acceptChosen(scored), ...values,
}) as unknown as Verifier;

describe('the registry', () => {
  it('knows the verifiers of this package and takes exact when none is named', () => {
    const registry = new VerifierRegistry();
    expect(registry.names()).toEqual(['exact', 'rejection', 'block', 'typical', 'threshold']);
    expect(registry.bind(undefined, undefined, 'off').verifier).toMatchObject({ name: 'exact', guarantee: 'identical' });
    expect(registry.names().map((name) => registry.bind(name, plan('deterministic'), 's').verifier.guarantee)).toEqual(['identical', 'distribution', 'distribution', 'lossy', 'lossy']);
  });

  it('fills in options, and gives equal verifiers one key', () => {
    const registry = new VerifierRegistry([own('mine')]);
    expect(registry.bind('typical', undefined, 's').options).toEqual({ posteriorThreshold: 0.09, posteriorAlpha: 0.3, next: 'likeliest' });
    expect(registry.bind({ name: 'typical', posteriorAlpha: 0.3 }, undefined, 's').key).toBe(registry.bind('typical', undefined, 's').key);
    expect(registry.bind({ name: 'mine', share: 2 }, undefined, 's').options).toEqual({ share: 2 });
  });

  it('names what it knows for a name that it does not, and the option that is wrong', () => {
    const registry = new VerifierRegistry([own('mine')]);
    expect(() => registry.bind('xyz', undefined, 's')).toThrow(/Unknown verifier "xyz" for strategy "s"; known: exact, rejection, block, typical, threshold, mine/);
    expect(() => registry.bind('rejektion', undefined, 's')).toThrow(/did you mean "rejection"/);
    expect(() => registry.bind({ name: 'typical', posteriorAlfa: 1 }, undefined, 's')).toThrow(/Unknown option "posteriorAlfa" for verifier "typical"; did you mean "posteriorAlpha"/);
    expect(() => registry.bind({ name: 'threshold', probability: 2 }, undefined, 's')).toThrow(/`probability` of verifier "threshold"/);
  });

  it('refuses pairs that would not keep their promise, with the reason', () => {
    const registry = new VerifierRegistry([own('mine')]);
    for (const name of ['rejection', 'block']) {
      expect(() => registry.bind(name, plan('independent', false), 's')).toThrow(/"s": its drafts are drawn independently, and its plan says that they do not come with what they were drawn from/);
      for (const drawn of ['deterministic', 'independent', 'without-replacement'] as const) expect(registry.bind(name, plan(drawn), 's').verifier.name).toBe(name);
      expect(registry.bind(name, plan('deterministic', false), 's').verifier.name).toBe(name);   // a fixed draft is drawn with certainty
    }
    expect(() => registry.bind('mine', plan('without-replacement'), 's')).toThrow(/its drafts are drawn without replacement, and this rule holds for drafts that are deterministic only/);
  });

  it('takes no verifier twice, and nothing that is none', () => {
    expect(() => new VerifierRegistry([own('exact')])).toThrow(/two verifiers "exact"/);
    expect(() => new VerifierRegistry([{ name: 'half' } as Verifier])).toThrow(/"half" is no verifier: it lacks options, guarantee, accepts, verify/);
  });
});

describe('in an engine', () => {
  let folder: string;
  let engine: Engine;

  /** Drafts on the device, with or without saying from what. */
  const drawing = (name: string, says: boolean): Strategy<never> => defineStrategy({
    name, version: '1.0.0', api: 1, options: z.strictObject({}), plan: () => plan('independent'),
    create: async ({ ops, target }): Promise<DraftProposer> => ({
      propose({ sequences }, draft) {
        const [n, vocab] = [sequences.length, target.description.vocabSize];
        const logits = ops.fromArray(new Float32Array(n * vocab), [n, vocab]);
        const noise = { sequences, positions: Int32Array.from(sequences, ({ tokens }) => tokens.length), stream: 'even' };
        draft.tensors(sequences, {
          tokens: ops.reshape(ops.choose(logits, noise), [n, 1]), parents: ops.fromArray(Int32Array.of(0), [1, 1]),
          ...(says ? { distributions: ops.reshape(ops.probs(logits, noise), [n, 1, vocab]) } : {}),
        });
      },
    }),
  }) as unknown as Strategy<never>;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'foretoken-verifiers-'));
    await writeTinyModel(folder);
    engine = await createEngine({ model: folder, measure: false, threads: 1, plugins: [drawing('says', true), drawing('mute', false)], verifiers: [own('mine', { accepts: ['deterministic', 'independent'] })] });
  });
  afterAll(async () => {
    await engine.dispose();
    await rm(folder, { recursive: true });
  });

  const run = (strategy: object) => engine.generate({ promptTokens: [14, 15, 16, 17, 18, 19, 20, 14, 15], maxTokens: 24, temperature: 0.8, seed: 3, strategy: strategy as { name: string } }).result;

  it.each([['exact', 'identical'], ['rejection', 'distribution'], ['block', 'distribution'], ['typical', 'lossy'], ['threshold', 'lossy'], ['mine', 'lossy']])('a result of %s says %s', async (verifier, guarantee) => {
    for (const name of ['prompt-lookup', 'says']) {
      const { stats, tokens } = await run({ name, verifier });
      expect(stats).toMatchObject({ guarantee, faults: 0 });
      expect(tokens).toHaveLength(24);
    }
  });

  it.each(['rejection', 'block'])('drafts that do not say what they were drawn from cost the speed-up under %s, nothing else', async (verifier) => {
    const reasons: unknown[] = [];
    engine.events.on('faulted', ({ reason }) => reasons.push(reason));
    const { stats, tokens } = await run({ name: 'mute', verifier });
    expect(stats.drafted).toBe(0);
    expect(stats.faults).toBeGreaterThan(0);
    expect(String(reasons[0])).toMatch(/give `tensors` the `distributions`/);
    expect(tokens).toHaveLength(24);
    expect((await run({ name: 'mute', verifier: 'exact' })).stats).toMatchObject({ faults: 0 });
    engine.events.removeAllListeners('faulted');
  });

  it.each(['rejection', 'block', 'typical', 'threshold'])('%s gives the most likely tokens at temperature 0, drafted or not', async (verifier) => {
    const request = { promptTokens: [14, 15, 16, 17, 18, 19, 20, 14, 15], maxTokens: 40, temperature: 0 };
    const plain = await engine.generate({ ...request, strategy: 'off' }).result;
    const drafted = await engine.generate({ ...request, strategy: { name: 'prompt-lookup', verifier } }).result;
    expect(drafted.tokens).toEqual(plain.tokens);
    expect(drafted.stats.accepted).toBeGreaterThan(0);
  });

  it('the same request gives the same tokens in any company', async () => {
    for (const verifier of ['rejection', 'block']) {
      const alone = await run({ name: 'says', verifier });
      const [together] = await Promise.all([run({ name: 'says', verifier }), run({ name: 'prompt-lookup', verifier }), run({ name: 'says', verifier: 'typical' }), engine.generate({ promptTokens: [1], maxTokens: 20, temperature: 1 }).result]);
      expect(together.tokens).toEqual(alone.tokens);
    }
  });

  it('refuses what is no verifier when it is made', async () => {
    await expect(createEngine({ model: folder, verifiers: [{ name: 'half' } as Verifier] })).rejects.toThrow(/`verifiers/);
  });
});
