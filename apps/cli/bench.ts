import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Command } from 'commander';
import type { StrategyConfig } from '../../core/index.js';
import { addEngineFlags, type EngineFlags, shortPath } from './engine-flags.js';
import { EXIT } from './errors.js';
import { addRequestFlags, type RequestFlags } from './request-flags.js';
import { addConfigFlags, type ConfigFlags, configured } from './configuration.js';
import { interruptible } from './interrupt.js';
import { toJson } from './output.js';
import { packageRoot, packageVersion } from './package.js';
import { integer, strategies } from './values.js';

interface BenchFlags extends ConfigFlags, EngineFlags, RequestFlags {
  readonly strategies?: readonly (string | StrategyConfig)[];
  readonly prompts?: readonly string[];
  readonly count?: number;
  readonly passes: number;
  readonly json?: string;
}

const DEFAULT_MAX_TOKENS = 96;

export function addBenchCommand(program: Command): void {
  const command = program.command('bench')
    .description('compare strategies with plain decoding: the same prompts, alternating, in one run')
    .option('-s, --strategies <list>', 'names separated by commas, a JSON list of names and objects, or @file; default: what the model has', strategies)
    .option('--prompts <files>', 'JSON Lines with `prompt` or `turns`, several separated by commas; default: a few built-in ones', (list: string) => list.split(','))
    .option('--count <n>', 'how many of them, spread over each file', integer(1))
    .option('--passes <n>', 'times over all prompts, every other one in reverse order', integer(1), 2)
    .option('--json <file>', 'write all measurements, with the machine and versions');
  addEngineFlags(addConfigFlags(addRequestFlags(command))).action(runBench);
}

async function runBench(flags: BenchFlags): Promise<void> {
  const { engine: options, isDemo } = await configured(flags, { engine: { maxSequences: 1 }, request: { maxTokens: DEFAULT_MAX_TOKENS } });
  const { model, request = {} } = options;
  const [{ bench, labelOf }, { BUILT_IN_PROMPTS, readPrompts }, { benchTable, partsTable }, { ProgressBar }, { machineOf }, { createEngine }] = await Promise.all([
    import('../bench/bench.js'), import('../bench/prompts.js'), import('../bench/table.js'), import('../bench/progress.js'), import('../bench/machine.js'), import('../../core/index.js'),
  ]);
  const prompts = flags.prompts === undefined ? BUILT_IN_PROMPTS.slice(0, flags.count) : flags.prompts.flatMap((file) => readPrompts(file, flags.count));
  const compared = flags.strategies ?? defaultStrategies(isDemo);
  if (isDemo) process.stderr.write(`No --model: using the demo model, ${shortPath(model)}.\n`);
  const progress = new ProgressBar();
  await interruptible(async (signal) => {
    await using engine = await createEngine({ ...options, strategy: 'off' });
    const onProgress = (done: number, total: number, label: string) => progress.show(done, total, label);
    const arms = await bench(engine, { prompts, strategies: compared, passes: flags.passes, request, signal, onProgress }).finally(() => progress.clear());
    process.stdout.write(`${benchTable(arms)}\n\n${partsTable(arms)}\n`);
    const machine = machineOf(engine);
    process.stderr.write(`${prompts.length} prompts x ${flags.passes}, at most ${request.maxTokens} tokens, ${machine.cpu}, ${machine.instructionSet}, ${machine.threads} threads, ${machine.dtype}\n`);
    if (flags.json !== undefined) {
      const report = { foretoken: packageVersion(), date: new Date().toISOString(), model, machine, prompts: flags.prompts ?? 'built-in', request, arms };
      writeFileSync(flags.json, `${toJson(report, 2)}\n`);
    }
    const broken = arms.filter(({ guarantee, equal, compared: all }) => guarantee === 'identical' && equal < all);
    for (const arm of broken) process.stderr.write(`error: ${labelOf(arm.strategy)} gave other tokens than plain decoding in ${arm.compared - arm.equal} of ${arm.compared} generations\n`);
    if (broken.length > 0) process.exitCode = EXIT.failed;
  });
}

/** What works without naming anything; the demo model has a draft model beside it. */
function defaultStrategies(isDemo: boolean): (string | StrategyConfig)[] {
  return isDemo ? ['prompt-lookup', { name: 'draft-target', draft: shortPath(fileURLToPath(new URL('models/demo/draft', packageRoot()))) }] : ['prompt-lookup'];
}
