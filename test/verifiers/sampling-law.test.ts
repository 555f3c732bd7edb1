// The law of texts under penalties, bias and minimum lengths: what an engine writes against what its logits say, by chi-square.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createEngine, type Engine, type GenerateRequest, type StrategyConfig } from '../../core/index.js';
import { writeTinyModel } from '../../core/testing/index.js';
import { adjusted, type Asked } from '../native/adjusted.js';
import { processed } from '../native/reference.js';
import { deviation, draw, generator } from './chi-square.js';
import { add, type Law } from './toy.js';

/** Standard deviations that chance reaches once in ten million tests. */
const CHANCE = 5.2;
const TEXTS = 1500;
const LENGTH = 3;
const PROMPT = [14, 15, 16, 17, 18, 14, 15, 16];
/** Two tokens that come again and again, so that penalties matter; one that would end the text at once. */
const [OFTEN, END] = [20, 21];
const ASKED = { repetitionPenalty: 1.2, presencePenalty: 0.6, frequencyPenalty: 0.4, minTokens: 2 };
const BIAS = { [OFTEN]: 8, [END]: 7.5 };
const FILTERS = { temperature: 1.6, topK: 4 };
const REQUEST = { promptTokens: PROMPT, maxTokens: LENGTH + 1, ...FILTERS, ...ASKED, logitBias: BIAS, stopTokens: [END] };

let folder: string;
let engine: Engine;
let law: Law;
/** Of a sampler that sees the prompt only: tokens that it has written itself are not penalised. */
let forgetful: Law;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'foretoken-law-'));
  await writeTinyModel(join(folder, 'target'));
  await writeTinyModel(join(folder, 'draft'), { seed: 2 });
  engine = await createEngine({ model: join(folder, 'target'), measure: false, threads: 1, maxSequences: 64, maxTokensPerSequence: 32, proposeBudgetMs: 60_000 });
  law = await textLaw((output) => output);
  forgetful = await textLaw((output) => output.map(() => -1));   // as long, so that minTokens counts
});
afterAll(async () => {
  await engine.dispose();
  await rm(folder, { recursive: true });
});

/** The law of texts by the model's logits, enumerated; `seen` is the output that penalties see. */
async function textLaw(seen: (output: number[]) => number[]): Promise<Law> {
  const asked: Asked = { prompt: PROMPT, ...ASKED, bias: new Map(Object.entries(BIAS).map(([token, bias]) => [Number(token), bias])), ends: [END] };
  let texts: { tokens: number[]; probability: number }[] = [{ tokens: [], probability: 1 }];
  for (let depth = 0; depth < LENGTH; depth++) {
    const longer: typeof texts = [];
    for (const { tokens, probability } of texts) {
      if (tokens.at(-1) === END) { longer.push({ tokens, probability }); continue; }
      const text = [...PROMPT, ...tokens];
      const { logits } = await engine.score({ tokens: text, rows: [text.length - 1] });
      const chances = processed(adjusted(logits, asked, seen(tokens)), { ...FILTERS, topP: 1, minP: 0 });
      chances.forEach((chance, token) => { if (chance !== undefined) longer.push({ tokens: [...tokens, token], probability: probability * chance }); });
    }
    texts = longer;
  }
  return new Map(texts.map(({ tokens, probability }) => [tokens.join(), probability]));
}

async function drawTexts(strategy: StrategyConfig | 'off', first: number, changes: Partial<GenerateRequest> = {}): Promise<{ counts: Law; accepted: number }> {
  const counts: Law = new Map();
  let kept = 0;
  for (let done = 0; done < TEXTS; done += 60) {
    const runs = Array.from({ length: 20 }, (_, i) => engine.generate({ ...REQUEST, ...changes, n: 3, seed: first + done + i, strategy }).result);
    for (const { samples } of await Promise.all(runs)) for (const { tokens, stats } of samples) {
      add(counts, tokens.slice(0, LENGTH), 1);
      kept += stats.accepted;
    }
  }
  return { counts, accepted: kept };
}

/** Chance that texts of another law exceed the threshold: chi-square with that non-centrality, as a normal variable. */
function power(other: Law): number {
  let excess = 0, cells = 0;
  for (const [text, p] of law) {
    if (TEXTS * p < 5) continue;
    cells++;
    excess += TEXTS * ((other.get(text) ?? 0) - p) ** 2 / p;
  }
  const freedom = cells - 1, spread = 2 / (9 * freedom);
  const critical = freedom * (1 - spread + CHANCE * Math.sqrt(spread)) ** 3;
  const z = (freedom + excess - critical) / Math.sqrt(2 * freedom + 4 * excess);
  return 1 / (1 + Math.exp(-1.702 * z));   // the logistic function for the normal one: within 0.01
}

describe('texts with penalties, bias and a minimum length', () => {
  const strategies: [string, StrategyConfig | 'off'][] = [
    ['plain decoding', 'off'],
    ['copied drafts under rejection', { name: 'prompt-lookup', length: 3, minNgram: 1, verifier: 'rejection' }],
    ['drawn drafts under block verification', { name: 'draft-target', draft: '', length: 3, draw: true, verifier: 'block' }],
  ];
  it.each(strategies)('have the law of the processed logits, by %s', async (label, strategy) => {
    const own = typeof strategy === 'object' && 'draft' in strategy ? { ...strategy, draft: join(folder, 'draft') } : strategy;
    const { counts, accepted } = await drawTexts(own, 7000);
    const { z, cells } = deviation(counts, law);
    console.log(`${label}: ${z.toFixed(2)} standard deviations over ${cells} texts, ${accepted} drafts kept; a sampler that forgets what it wrote would be caught with probability ${power(forgetful).toFixed(4)}`);
    expect(z).toBeLessThan(CHANCE);
    expect(power(forgetful)).toBeGreaterThan(0.99);
    if (strategy !== 'off') expect(accepted).toBeGreaterThan(50);
  });

  it('of wrong samplers fail the same test: one that forgets what it wrote, one without the frequency penalty', async () => {
    const random = generator(5);
    const texts = [...forgetful.keys()], weights = [...forgetful.values()];
    const counts: Law = new Map();
    for (let i = 0; i < TEXTS; i++) add(counts, texts[draw(weights, random)]!.split(',').map(Number), 1);
    expect(deviation(counts, law).z).toBeGreaterThan(CHANCE);
    const without = await drawTexts('off', 7000, { frequencyPenalty: 0 });
    expect(deviation(without.counts, law).z).toBeGreaterThan(CHANCE);
  });
});
