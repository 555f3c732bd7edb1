// The law of whole texts through an engine: drawn chains of a draft model, and drawn trees of a plugin with a vocabulary of its own.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { createEngine, defineStrategy, type DraftProposer, type Engine, type Plan, type Strategy, type StrategyConfig, type Tensor } from '../../core/index.js';
import { writeTinyModel } from '../../core/testing/index.js';
import { rejectionByHand } from './by-hand.js';
import { deviation } from './chi-square.js';
import { add, type Law } from './toy.js';

/** Standard deviations that chance reaches once in ten million tests. */
const CHANCE = 5.2;
const TEXTS = 8000;
/** Tokens counted per text: more than one round, so that what a round leaves behind for the next shows. */
const LENGTH = 3;
/** Filters of target and drafts: few enough texts that each is often seen. */
const SAMPLING = { temperature: 1.6, topK: 3 };
const PROMPT = [14, 15, 16, 17, 18];

/**
 * A tree of two levels: `width` children of the root and of its first child, drawn from fixed logits over every fifth token. Siblings without
 * replacement share one draw of several; independent ones have a stream each.
 */
function drawnTree(name: string, width: number, drawn: Exclude<Plan['drawn'], 'deterministic'>): Strategy<never> {
  return defineStrategy({
    name, version: '1.0.0', api: 1, options: z.strictObject({}),
    plan: (): Plan => ({
      maxNodes: 2 * width, maxDepth: 2, maxWidth: width, budget: 'fixed', drawn,
      needs: { hidden: 'none', choices: false, gap: 'start-late' }, bytes: { weights: 0, perToken: 0, perSequence: 0 },
    }),
    async create({ ops, target }): Promise<DraftProposer> {
      const columns = Math.floor(target.description.vocabSize / 3);
      const vocabMap = ops.fromArray(Int32Array.from({ length: columns }, (_, i) => 3 * i + 1), [columns]);
      const row = Float32Array.from({ length: columns }, (_, i) => 2 * Math.sin(i));
      return {
        propose({ sequences }, draft) {
          const n = sequences.length;
          const own = sequences.map((sequence) => ({ ...sequence, id: sequence.id, tokens: sequence.tokens, sampling: { temperature: 1, seed: sequence.sampling.seed } }));
          const logits = ops.fromArray(Float32Array.from({ length: n * columns }, (_, i) => row[i % columns]!), [n, columns]);
          const level = (depth: number): Tensor => {
            const at = { sequences: own, positions: Int32Array.from(sequences, ({ tokens }) => tokens.length + depth) };
            if (drawn === 'without-replacement') return ops.topK(logits, width, { ...at, stream: `level ${depth}` }).indices;
            return ops.concat(Array.from({ length: width }, (_, i) => ops.reshape(ops.choose(logits, { ...at, stream: `level ${depth}, ${i}` }), [n, 1])), 1);
          };
          const probs = ops.reshape(ops.probs(logits, { sequences: own, positions: new Int32Array(n), stream: 'any' }), [n, 1, columns]);
          draft.tensors(sequences, {
            tokens: ops.gather(vocabMap, ops.concat([level(0), level(1)], 1), 0),
            parents: ops.fromArray(Int32Array.from({ length: 2 * width }, (_, i) => (i < width ? 0 : 1)), [1, 2 * width]),
            distributions: ops.concat(Array.from({ length: 2 * width }, () => probs), 1), vocabMap,
          });
        },
      };
    },
  }) as unknown as Strategy<never>;
}

describe('whole texts', () => {
  let folder: string;
  let engine: Engine;
  let law: Law;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'foretoken-law-'));
    await writeTinyModel(join(folder, 'target'));
    await writeTinyModel(join(folder, 'draft'), { seed: 2 });
    await writeTinyModel(join(folder, 'small'), { seed: 3, vocabSize: 60 });
    await writeTinyModel(join(folder, 'large'), { seed: 4, vocabSize: 120 });
    engine = await createEngine({
      model: join(folder, 'target'), measure: false, proposeBudgetMs: 60_000, threads: 1, maxSequences: 64, maxTokensPerSequence: 32,
      plugins: [drawnTree('tree-1', 1, 'independent'), drawnTree('tree-2', 2, 'independent'), drawnTree('tree-3', 3, 'without-replacement')],
      verifiers: [rejectionByHand('no-residual'), rejectionByHand()],
    });
    law = await textLaw(engine);
  });
  afterAll(async () => {
    await engine.dispose();
    await rm(folder, { recursive: true });
  });

  /** Counts texts of many seeds, 64 at a time. */
  async function drawTexts(strategy: StrategyConfig | 'off', first: number): Promise<{ counts: Law; accepted: number; drafted: number }> {
    const counts: Law = new Map();
    const totals = { accepted: 0, drafted: 0 };
    for (let done = 0; done < TEXTS; done += 64) {
      const runs = Array.from({ length: 64 }, (_, i) => engine.generate({ promptTokens: PROMPT, maxTokens: LENGTH + 2, ...SAMPLING, seed: first + done + i, strategy }).result);
      for (const { tokens, stats } of await Promise.all(runs)) {
        add(counts, tokens.slice(0, LENGTH), 1);
        totals.accepted += stats.accepted;
        totals.drafted += stats.drafted;
        expect(stats.faults).toBe(0);
      }
    }
    return { counts, ...totals };
  }

  it.each(['off', 'rejection', 'block', 'exact', 'by-hand-right'])('of a drawn chain of a draft model have the target\'s law under %s', async (verifier) => {
    const strategy = verifier === 'off' ? verifier : { name: 'draft-target', draft: join(folder, 'draft'), length: 3, draw: true, verifier };
    const { counts, accepted, drafted } = await drawTexts(strategy, 1000);
    const { z, cells } = deviation(counts, law);
    console.log(`${verifier}: ${z.toFixed(2)} standard deviations over ${cells} texts; ${accepted} of ${drafted} drafts kept`);
    expect(z).toBeLessThan(CHANCE);
    if (verifier !== 'off') expect(accepted).toBeGreaterThan(TEXTS / 4);
  });

  it.each(['small', 'large'])('of a drawn chain of a draft model with another vocabulary, %s, have the target\'s law', async (draft) => {
    const { counts, accepted } = await drawTexts({ name: 'draft-target', draft: join(folder, draft), length: 2, draw: true, verifier: 'rejection' }, 50_000);
    expect(deviation(counts, law).z).toBeLessThan(CHANCE);
    expect(accepted).toBeGreaterThan(0);
  });

  it.each(['tree-1', 'tree-2', 'tree-3'].flatMap((name) => ['rejection', 'block'].map((verifier) => ({ name, verifier }))))('of $name have the target\'s law under $verifier', async (strategy) => {
    const { counts, accepted, drafted } = await drawTexts(strategy, 90_000);
    const { z, cells } = deviation(counts, law);
    console.log(`${strategy.name}, ${strategy.verifier}: ${z.toFixed(2)} standard deviations over ${cells} texts; ${accepted} of ${drafted} drafts kept`);
    expect(z).toBeLessThan(CHANCE);
    expect(accepted).toBeGreaterThan(20);
  });

  it('under a rule that is wrong fail the same test', async () => {
    const { counts } = await drawTexts({ name: 'draft-target', draft: join(folder, 'draft'), length: 3, draw: true, verifier: 'by-hand-no-residual' }, 1000);
    expect(deviation(counts, law).z).toBeGreaterThan(2 * CHANCE);
  });
});

/** The target's own law of texts, from its logits. */
async function textLaw(engine: Engine): Promise<Law> {
  let texts: { tokens: number[]; probability: number }[] = [{ tokens: [], probability: 1 }];
  for (let depth = 0; depth < LENGTH; depth++) {
    const longer: typeof texts = [];
    for (const { tokens, probability } of texts) {
      const text = [...PROMPT, ...tokens];
      const { logits } = await engine.score({ tokens: text, rows: [text.length - 1] });
      processed(Array.from(logits)).forEach((chance, token) => { if (chance > 0) longer.push({ tokens: [...tokens, token], probability: probability * chance }); });
    }
    texts = longer;
  }
  return new Map(texts.map(({ tokens, probability }) => [tokens.join(), probability]));
}

/** Softmax of the `topK` largest logits over the temperature. */
function processed(logits: readonly number[]): number[] {
  const least = [...logits].sort((a, b) => b - a)[SAMPLING.topK - 1]!;
  const most = Math.max(...logits);
  const weights = logits.map((logit) => (logit >= least ? Math.exp((logit - most) / SAMPLING.temperature) : 0));
  const total = weights.reduce((a, b) => a + b, 0);
  return weights.map((weight) => weight / total);
}
