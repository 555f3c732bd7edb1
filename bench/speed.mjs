#!/usr/bin/env node
// How fast this machine decodes: plain decoding, its share of the memory bandwidth, what extra rows cost, and what strategies bring on real prompts.
//   npm run build && node bench/speed.mjs [--threads 2] [--prompts ../shared/data/prompts] [--out bench/results]
// Run it on a quiet machine. Ratios of one run can be trusted, absolute numbers of a shared machine cannot.
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { bench, median } from '../dist/apps/bench/bench.js';
import { machineOf } from '../dist/apps/bench/machine.js';
import { readPrompts } from '../dist/apps/bench/prompts.js';
import { describeCheckpoint, readCheckpoint } from '../dist/core/checkpoint/checkpoint.js';
import { createEngine } from '../dist/core/index.js';
import { loadNative } from '../dist/core/native/binding.js';
import { SHAPE_135M, randomCheckpoint } from './random-checkpoint.mjs';
import { readBandwidth } from './read-bandwidth.mjs';

const DEMO = 'models/demo/target', ROWS = [1, 2, 4, 8, 16, 32], ROUNDS = 5;
const { values: flags } = parseArgs({ options: { threads: { type: 'string', default: '2' }, prompts: { type: 'string', default: '../shared/data/prompts' }, out: { type: 'string', default: 'bench/results' }, isa: { type: 'string' } } });
const threads = Number(flags.threads), common = { dtype: 'bf16', threads, ...(flags.isa === undefined ? {} : { instructionSet: flags.isa }) };

const folders = { 'demo (11 M)': DEMO, 'random Llama shape (135 M)': await randomCheckpoint('random-135m', SHAPE_135M) };
const passes = [];
for (const [name, folder] of Object.entries(folders)) passes.push({ name, ...await passTimes(folder), plain: await plainSpeed(folder) });
const bandwidth = readBandwidth(threads, [...passes.map(({ bytes }) => bytes), 1.2e9]);
for (const [i, model] of passes.entries()) {
  model.bytesPerSecond = model.bytes / (model.ms[1] / 1000) / 1e9;
  model.share = { ofDram: model.bytesPerSecond / bandwidth.at(-1).median, ofItsWorkingSet: model.bytesPerSecond / bandwidth[i].median };
  model.verify = Object.fromEntries(ROWS.map((rows) => [rows, model.ms[rows] / model.ms[1]]));
}
const { machine, strategies } = await strategySpeeds();
save({ date: new Date().toISOString(), machine, bandwidth, passes, strategies });

/** Milliseconds of a pass by number of rows: the least of several rounds, for other programs only ever add. */
async function passTimes(folder) {
  const { description, tensors } = describeCheckpoint(await readCheckpoint(folder));
  const { instructionSets, createRuntime } = loadNative();
  const runtime = createRuntime({ threads, isa: flags.isa ?? instructionSets[0] });
  const model = await runtime.loadModel(description, tensors, 'bf16'), rounds = [];
  for (let i = 0; i < ROUNDS; i++) rounds.push(await model.measure(ROWS));
  const ms = Object.fromEntries(ROWS.map((rows, column) => [rows, Math.min(...rounds.map((round) => round[column]))]));
  const { bytes } = model;
  model.dispose();
  runtime.dispose();
  return { bytes, ms };
}

/** Plain decoding of 96 tokens after 32, tokens per second: the median of several runs. */
async function plainSpeed(folder) {
  const engine = await createEngine({ ...common, model: folder, maxSequences: 1, maxTokensPerSequence: 256 });
  const runs = [];
  for (let i = 0; i < ROUNDS; i++) {
    const promptTokens = Array.from({ length: 32 }, (_, k) => 10 + ((k * 7 + i) % 500));
    runs.push(await decodeSpeed(engine.generate({ promptTokens, maxTokens: 96, ignoreEos: true, strategy: 'off' })));
  }
  await engine.dispose();
  return median(runs);
}

async function decodeSpeed(run) {
  let first, last, count = 0;
  for await (const { tokens } of run) { last = performance.now(); first ??= last; count += tokens.length; }
  return ((count - 1) / (last - first)) * 1000;
}

/** Strategies against plain decoding on 20 prompts each, alternating. */
async function strategySpeeds() {
  const engine = await createEngine({ ...common, model: DEMO, maxSequences: 1 }), strategies = [];
  const sets = [['eagle_sum', 'prompt-lookup'], ['tinystories_prefix', { name: 'draft-target', draft: 'models/demo/draft' }]];
  for (const [set, strategy] of sets) {
    const file = join(flags.prompts, `${set}.jsonl`);
    if (!existsSync(file)) { console.error(`skipped: ${file} is not there`); continue; }
    const prompts = readPrompts(file, 20).map(({ id, text }) => ({ id, text: [...text].slice(0, 1200).join('') }));
    const arms = await bench(engine, { prompts, strategies: [strategy], passes: 2, request: { maxTokens: 96 } });
    strategies.push({ set, arms });
  }
  const machine = machineOf(engine);
  await engine.dispose();
  return { machine, strategies };
}

function save(report) {
  const isa = report.machine.instructionSet, name = join(flags.out, `${report.date.slice(0, 10)}-${isa}`);
  mkdirSync(flags.out, { recursive: true });
  writeFileSync(`${name}.json`, `${JSON.stringify(report, null, 1)}\n`);
  const text = markdown(report);
  writeFileSync(`${name}.md`, text);
  console.log(text);
}

function markdown({ date, machine, bandwidth, passes, strategies }) {
  const percent = (share) => `${(100 * share).toFixed(0)} %`;
  const table = (head, rows) => [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
  const gigabytes = bandwidth.map(({ bytes, median: rate, best }) => [`${(bytes / 1e6).toFixed(0)} MB`, rate.toFixed(1), best.toFixed(1)]);
  const speeds = passes.map(({ name, bytes, plain, ms, bytesPerSecond, share, verify }) => [
    name, `${(bytes / 1e6).toFixed(0)} MB`, plain.toFixed(1), ms[1].toFixed(2), bytesPerSecond.toFixed(1), percent(share.ofDram), percent(share.ofItsWorkingSet), ...[8, 16, 32].map((rows) => verify[rows].toFixed(2)),
  ]);
  const arms = strategies.flatMap(({ set, arms: [plain, arm] }) => [[
    arm.strategy.name ?? arm.strategy, set, plain.tokensPerSecond.toFixed(1), arm.tokensPerSecond.toFixed(1), `${arm.speedup.toFixed(2)}x`, arm.acceptanceLength.toFixed(2), `${arm.equal} of ${arm.compared}`,
  ]]);
  return `# Speed, ${date.slice(0, 10)}

${machine.cpu}, ${machine.cores} cores, ${machine.platform}, Node ${machine.node}; kernels ${machine.instructionSet}, ${machine.threads} threads, ${machine.dtype} weights, ${machine.kvDtype} keys and values.

## Passes
${table(['model', 'weights', 'plain tok/s', 'ms at one row', 'GB/s at one row', 'of DRAM read bandwidth', 'of bandwidth at its size', 'verify(8)', 'verify(16)', 'verify(32)'], speeds)}

verify(n) is the time of a pass of n rows over that of one row. Times are the least of ${ROUNDS} rounds; plain tok/s is a whole decode, median.

## Read bandwidth, ${machine.threads} threads
${table(['working set', 'GB/s median', 'GB/s best'], gigabytes)}

## Strategies, demo model, 20 prompts of each set, greedy, at most 96 tokens, alternating
${table(['strategy', 'prompts', 'plain tok/s', 'tok/s', 'speed-up (median over prompts)', 'acceptance length', 'same tokens as plain'], arms)}
`;
}
