#!/usr/bin/env node
// How fast this machine decodes: plain decoding, its share of the memory bandwidth, what extra rows cost, and what strategies bring on real prompts.
//   npm run build && node bench/speed.mjs [--threads 2] [--prompts ../shared/data/prompts] [--count 20] [--isa avx2] [--out bench/results]
// Run it on a quiet machine. Ratios of one run can be trusted, absolute numbers of a shared machine cannot.
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { bench } from '../dist/apps/bench/bench.js';
import { median } from '../dist/apps/bench/median.js';
import { machineOf } from '../dist/apps/bench/machine.js';
import { readPrompts } from '../dist/apps/bench/prompts.js';
import { describeCheckpoint, readCheckpoint } from '../dist/core/checkpoint/checkpoint.js';
import { createEngine } from '../dist/core/index.js';
import { loadNative } from '../dist/core/native/binding.js';
import { SHAPE_135M, randomCheckpoint } from './random-checkpoint.mjs';
import { readBandwidth } from './read-bandwidth.mjs';

const DEMO = 'models/demo/target', ROWS = [1, 2, 4, 8, 16, 32], ROUNDS = 5;
const { values: flags } = parseArgs({ options: { threads: { type: 'string', default: '2' }, prompts: { type: 'string', default: '../shared/data/prompts' }, out: { type: 'string', default: 'bench/results' }, isa: { type: 'string' }, count: { type: 'string', default: '20' } } });
const threads = Number(flags.threads), common = { dtype: 'bf16', threads, ...(flags.isa === undefined ? {} : { instructionSet: flags.isa }) };

const folders = { 'demo (11 M)': DEMO, 'random Llama shape (135 M)': await randomCheckpoint('random-135m', SHAPE_135M) };
const passes = [];
for (const [name, folder] of Object.entries(folders)) passes.push({ name, ...await passTimes(folder), plain: await plainSpeed(folder) });
const { machine, strategies } = await strategySpeeds();
save({ date: new Date().toISOString(), machine, passes, strategies });

/**
 * Milliseconds of a pass by number of rows, and the read bandwidth (GB/s) of a working set of its size and of one that no cache holds: the best of
 * several rounds in turn, for other programs only ever take away.
 */
async function passTimes(folder) {
  const { description, tensors } = describeCheckpoint(await readCheckpoint(folder));
  const { instructionSets, createRuntime } = loadNative();
  const runtime = createRuntime({ threads, isa: flags.isa ?? instructionSets[0] });
  const model = await runtime.loadModel(description, tensors, 'bf16');
  // All weights but the embedding, of which a pass reads the rows of its tokens only (a tied one is there once more as the head).
  const bytes = model.bytes - description.vocabSize * description.hiddenSize * 2;
  const rounds = [], bandwidth = { own: 0, dram: 0 };
  for (let i = 0; i < ROUNDS; i++) {
    rounds.push(await model.measure(ROWS));
    const [own, dram] = readBandwidth(threads, [bytes, 1.2e9]);
    bandwidth.own = Math.max(bandwidth.own, own.best);
    bandwidth.dram = Math.max(bandwidth.dram, dram.best);
  }
  model.dispose();
  runtime.dispose();
  const ms = Object.fromEntries(ROWS.map((rows, column) => [rows, Math.min(...rounds.map((round) => round[column]))]));
  const rate = bytes / (ms[1] / 1000) / 1e9, verify = Object.fromEntries(ROWS.map((rows) => [rows, ms[rows] / ms[1]]));
  return { bytes, ms, verify, bandwidth, rate, share: { ofOwnSize: rate / bandwidth.own, ofDram: rate / bandwidth.dram } };
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
    const prompts = readPrompts(file, Number(flags.count)).map(({ id, text }) => ({ id, text: [...text].slice(0, 1200).join('') }));
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

function markdown({ date, machine, passes, strategies }) {
  const percent = (share) => `${(100 * share).toFixed(0)} %`;
  const table = (head, rows) => [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
  const speeds = passes.map(({ name, bytes, plain, ms, rate, bandwidth, share, verify }) => [
    name, `${(bytes / 1e6).toFixed(0)} MB`, plain.toFixed(1), ms[1].toFixed(2), rate.toFixed(1), `${percent(share.ofDram)} of ${bandwidth.dram.toFixed(1)}`,
    `${percent(share.ofOwnSize)} of ${bandwidth.own.toFixed(1)}`, ...[8, 16, 32].map((rows) => verify[rows].toFixed(2)),
  ]);
  const arms = strategies.flatMap(({ set, arms: [plain, arm] }) => [[
    arm.strategy.name ?? arm.strategy, set, plain.tokensPerSecond.toFixed(1), arm.tokensPerSecond.toFixed(1), `${arm.speedup.toFixed(2)}x`, arm.acceptanceLength.toFixed(2), `${arm.equal} of ${arm.compared}`,
  ]]);
  return `# Speed, ${date.slice(0, 10)}

${machine.cpu}, ${machine.cores} cores, ${machine.platform}, Node ${machine.node}; kernels ${machine.instructionSet}, ${machine.threads} threads, ${machine.dtype} weights, ${machine.kvDtype} keys and values.

## Passes
${table(['model', 'weights read', 'plain tok/s', 'ms at one row', 'GB/s at one row', 'of DRAM bandwidth', 'of bandwidth at its size', 'verify(8)', 'verify(16)', 'verify(32)'], speeds)}

verify(n) is the time of a pass of n rows over that of one row. Times and bandwidths (reads, ${machine.threads} threads) are the best of ${ROUNDS} rounds in turn; plain tok/s is a whole decode, median.

## Strategies, demo model, ${flags.count} prompts of each set, greedy, at most 96 tokens, alternating
${table(['strategy', 'prompts', 'plain tok/s', 'tok/s', 'speed-up (median over prompts)', 'acceptance length', 'same tokens as plain'], arms)}
`;
}
