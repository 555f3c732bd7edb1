#!/usr/bin/env node
// What an iteration of each strategy costs by part, beside one plain pass, and what its drafter's weights alone must cost at the rates of the same run.
//   npm run build && node bench/drafters.mjs [--threads 2] [--isa avx2] [--rounds 7] [--only demo] [--out bench/results]
// Run it on a quiet machine. Ratios of one run can be trusted, absolute numbers of a shared machine cannot.
import { readFileSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { machineOf } from '../dist/apps/bench/machine.js';
import { median } from '../dist/apps/bench/median.js';
import { mediansOf, PartsRecorder } from '../dist/apps/bench/parts.js';
import { describeCheckpoint, readCheckpoint } from '../dist/core/checkpoint/checkpoint.js';
import { createEngine } from '../dist/core/index.js';
import { loadNative } from '../dist/core/native/binding.js';
import { randomCheckpoint, SHAPE_135M } from './random-checkpoint.mjs';
import { randomHeads } from './random-heads.mjs';

const ROWS = [1, 2, 4, 8, 16];
const { values: flags } = parseArgs({ options: { threads: { type: 'string', default: '2' }, out: { type: 'string', default: 'bench/results' }, isa: { type: 'string' }, rounds: { type: 'string', default: '7' }, only: { type: 'string', default: '' } } });
const ROUNDS = Number(flags.rounds), threads = Number(flags.threads), common = { dtype: 'bf16', threads, ...(flags.isa === undefined ? {} : { instructionSet: flags.isa }) };

const demo = Object.fromEntries(['draft', 'medusa', 'redrafter', 'eagle', 'eagle3'].map((head) => [head, `models/demo/${head}`]));
const models = [
  { name: 'demo (11 M)', folder: 'models/demo/target', heads: demo, tokens: 384 },
  { name: 'random Llama shape (135 M), random heads', folder: await randomCheckpoint('random-135m', SHAPE_135M), heads: await randomHeads('random-135m', SHAPE_135M), tokens: 64 },
];
const results = [];
let machine;
for (const { name, folder, heads, tokens } of models.filter(({ name }) => name.includes(flags.only))) results.push({ name, ...await compare(folder, heads, tokens) });
save({ date: new Date().toISOString(), machine, results });

/** Every strategy in turn, several rounds long enough for the host's code to be compiled, with trees of fixed shape, so that the products of an iteration are known. */
async function compare(folder, heads, tokens) {
  const rates = await passRates(folder);
  const arms = [{ strategy: 'off', products: [] }, ...armsOf(folder, heads)].map((arm) => ({ ...arm, parts: [], lengths: [] }));
  const engine = await createEngine({ ...common, model: folder, maxSequences: 1, maxTokensPerSequence: 512, measure: false });
  machine = machineOf(engine);
  for (let round = 0; round <= ROUNDS; round++) {
    for (const { strategy, parts, lengths } of round % 2 === 0 ? arms : arms.toReversed()) {
      const one = await partsOf(engine, strategy, round, tokens);
      if (round > 0) { parts.push(one.parts); lengths.push(one.length); }   // the first warms up
    }
  }
  await engine.dispose();
  return { rates, arms: arms.map(({ strategy, products, parts, lengths }) => ({ strategy, length: median(lengths), parts: mediansOf(parts), floorMs: floorOf(products, rates) })) };
}

async function partsOf(engine, strategy, round, maxTokens) {
  const promptTokens = Array.from({ length: 32 }, (_, i) => 10 + ((i * 7 + round) % 500));
  const recorder = new PartsRecorder(engine.events);
  const run = engine.generate({ promptTokens, maxTokens, ignoreEos: true, strategy });
  for await (const { tokens } of run) if (tokens.length > 0) recorder.chunk(performance.now());
  const { stats } = await run.result;
  recorder[Symbol.dispose]();
  return { parts: recorder.medians(stats.commitMs / stats.iterations), length: stats.acceptanceLength };
}

/** The strategies, and the weight matrices that one of their iterations multiplies: bytes in bf16 and rows of each product. */
function armsOf(folder, heads) {
  const matrices = Object.fromEntries(Object.entries(heads).map(([head, path]) => [head, matricesOf(path)]));
  const head = bytes(matricesOf(folder), /embed_tokens/);
  const each = (times, sets) => Array.from({ length: times }, () => sets).flat();
  const { draft, medusa, redrafter, eagle, eagle3 } = matrices;
  const cell = bytes(redrafter, /^rnn_/), exit = bytes(redrafter, /^input_proj|lm_head/);
  const layer = bytes(eagle, /layers|fc/), layer3 = bytes(eagle3, /layers/), taps = bytes(eagle3, /^fc/), head3 = bytes(eagle3, /lm_head/);
  return [
    { strategy: 'prompt-lookup', products: [] },
    { strategy: 'lookahead', products: [] },
    { strategy: { name: 'draft-target', draft: heads.draft, length: 4 }, products: each(4, [[bytes(draft, /./), 1]]) },
    { strategy: { name: 'medusa', head: heads.medusa, choices: [[0], [0, 0], [0, 0, 0]] }, products: [[bytes(medusa, /./), 1]] },
    { strategy: { name: 'redrafter', head: heads.redrafter, beams: 1, beamLength: 5 }, products: each(4, [[cell + exit, 1]]) },
    { strategy: { name: 'redrafter', head: heads.redrafter, beams: 4, beamLength: 5 }, products: [[cell + exit, 1], ...each(3, [[cell + exit, 4]])] },
    { strategy: { name: 'eagle', head: heads.eagle, tree: 'chain', depth: 4 }, products: each(4, [[layer, 1], [head, 1]]) },
    { strategy: { name: 'eagle', head: heads.eagle, depth: 3, topK: 4, maxNodes: 12 }, products: [[layer, 1], [head, 1], ...each(2, [[layer, 4], [head, 4]])] },
    { strategy: { name: 'eagle', head: heads.eagle3, tree: 'chain', depth: 4 }, products: [[taps, 1], ...each(4, [[layer3, 1], [head3, 1]])] },
  ];
}

/** bf16 bytes of every matrix of a folder. */
function matricesOf(folder) {
  return readdirSync(folder).filter((file) => file.endsWith('.safetensors')).flatMap((file) => {
    const data = readFileSync(join(folder, file)), header = JSON.parse(data.subarray(8, 8 + Number(data.readBigUInt64LE(0))));
    return Object.entries(header).filter(([, { shape }]) => shape?.length === 2).map(([name, { shape }]) => [name, 2 * shape[0] * shape[1]]);
  });
}

function bytes(matrices, pattern) {
  return matrices.filter(([name]) => pattern.test(name)).reduce((sum, [, size]) => sum + size, 0);
}

/** Milliseconds of a pass of the target by rows, the median of several rounds, and the bytes of its matrices. */
async function passRates(folder) {
  const { description, tensors } = describeCheckpoint(await readCheckpoint(folder));
  const { instructionSets, createRuntime } = loadNative();
  const runtime = createRuntime({ threads, isa: flags.isa ?? instructionSets[0] });
  const model = await runtime.loadModel(description, tensors, 'bf16');
  const rounds = [];
  for (let i = 0; i < ROUNDS; i++) rounds.push(await model.measure(ROWS));
  const weights = model.bytes - description.vocabSize * description.hiddenSize * 2;   // the embedding is looked up, not multiplied
  model.dispose();
  runtime.dispose();
  return { bytes: weights, ms: Object.fromEntries(ROWS.map((rows, i) => [rows, median(rounds.map((round) => round[i]))])) };
}

/** What products cost at the target's own rate for as many rows. */
function floorOf(products, { bytes: weights, ms }) {
  return products.reduce((sum, [size, rows]) => sum + (size / weights) * ms[rows], 0);
}

function save({ date, machine, results }) {
  const name = join(flags.out, `${date.slice(0, 10)}-${machine.instructionSet}-drafters`);
  mkdirSync(flags.out, { recursive: true });
  writeFileSync(`${name}.json`, `${JSON.stringify({ date, machine, results }, null, 1)}\n`);
  const head = ['strategy', 'draft', 'verify', 'host', 'of it commit', 'iteration = break-even length', 'length here', 'host µs', 'draft ÷ its weights'];
  const text = [`# Iterations by part, ${date.slice(0, 10)}`, `${machine.cpu}, ${machine.cores} cores, ${machine.platform}, Node ${machine.node}; kernels ${machine.instructionSet}, ${machine.threads} threads, ${machine.dtype}, one sequence.`,
    ...results.flatMap(({ name: model, arms, rates }) => [`## ${model}`, table(head, arms.map((arm) => rowOf(arm, arms[0].parts.iterationMs)), rates)]),
    'Shares are of one plain iteration (its pass and its host time). A strategy wins where its acceptance length is above the break-even length. "draft ÷ its weights" is the time of drafting over what the products with the drafter\'s weights cost at the rate at which the target\'s own are read in the same run, for as many rows.'].join('\n\n');
  writeFileSync(`${name}.md`, `${text}\n`);
  console.log(text);
}

function rowOf({ strategy, length, parts, floorMs }, plain) {
  const { name = strategy, head: _, draft: __, choices, ...rest } = typeof strategy === 'string' ? {} : strategy;
  const label = [name, /eagle3/.test(strategy.head ?? '') ? '(3)' : '', ...Object.entries(rest).map(([key, value]) => `${key} ${value}`), choices === undefined ? '' : `chain of ${choices.length}`].filter(Boolean).join(' ');
  const share = (ms) => (ms / plain).toFixed(2);
  return [label, share(parts.draftMs), share(parts.verifyMs), share(parts.hostMs), share(parts.commitMs), share(parts.iterationMs), length.toFixed(2), (1000 * parts.hostMs).toFixed(0), floorMs === 0 ? '-' : (parts.draftMs / floorMs).toFixed(2)];
}

function table(head, rows, { ms }) {
  const passes = ROWS.map((rows) => `${rows}: ${ms[rows].toFixed(2)} ms`).join(', ');
  return `A pass of the target by rows: ${passes}.\n\n${[head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n')}`;
}
