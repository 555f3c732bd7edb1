import { writeFileSync } from 'node:fs';
import { type Command, Option } from 'commander';
import type { Engine, ExperimentDefinition, ExperimentReport, MetricName, StrategyConfig } from '../../core/index.js';
import { addConfigFlags, type ConfigFlags, configured } from './configuration.js';
import { addEngineFlags, type EngineFlags, shortPath } from './engine-flags.js';
import { EXIT, UsageError } from './errors.js';
import { addRequestFlags, type RequestFlags, requestOptions } from './request-flags.js';
import { interruptible } from './interrupt.js';
import { toJson } from './output.js';
import { packageVersion } from './package.js';
import { decimal, integer, strategy } from './values.js';

interface RunFlags extends ConfigFlags, EngineFlags, RequestFlags {
  readonly arm?: ReadonlyMap<string, string | StrategyConfig>;
  readonly design?: ExperimentDefinition['design'];
  readonly metric?: MetricName;
  readonly prompts?: string;
  readonly count?: number;
  readonly concurrency?: number;
  readonly repeats?: number;
  readonly rounds?: number;
  readonly slice?: number;
  readonly washOut?: number;
  readonly untilDecided?: true;
  readonly mixGuarantees?: true;
  readonly json?: string;
  readonly html?: string;
}

const DEFAULT_MAX_TOKENS = 64;

export function addExperimentCommand(program: Command): void {
  const command = program.command('experiment').description('compare strategies in an A/B experiment, with intervals and guardrails');
  const run = command.command('run')
    .description('run an experiment: a definition in a file, or arms named by flags')
    .argument('[file]', 'name of an experiment in the configuration, or a definition as .json, .yaml, or a .ts/.js module with a default export; flags go before it')
    .option('--arm <name=strategy>', 'an arm: a name of yours and a strategy (name, JSON, @file or "off"); repeat it, the first is the control', arm)
    .addOption(new Option('--design <name>', 'how arms meet their requests; default: paired').choices(['paired', 'switchback', 'shadow', 'request']))
    .addOption(new Option('--metric <name>', 'what is compared; default: tokensPerSecond, or acceptanceLength where time cannot be told').choices(['tokensPerSecond', 'timeToFirstTokenMs', 'interTokenP99Ms', 'acceptanceLength', 'acceptanceRate']))
    .option('--prompts <file>', 'JSON Lines with `prompt` or `turns`, and perhaps `category`; default: a few built-in ones')
    .option('--count <n>', 'how many of them, spread over the file', integer(1))
    .option('--repeats <n>', 'paired: turns of every arm per prompt', integer(1))
    .option('--concurrency <n>', 'requests at once', integer(1, 1024))
    .option('--rounds <n>', 'switchback: rounds of slices, one of each arm', integer(1))
    .option('--slice <ms>', 'switchback: length of a slice', decimal(0, Number.POSITIVE_INFINITY, { above: true }))
    .option('--wash-out <ms>', 'switchback: untimed beginning of a slice', decimal(0))
    .option('--until-decided', 'end as soon as every arm has a verdict')
    .option('--mix-guarantees', 'compare arms that promise different things of their tokens')
    .option('--json <file>', 'write measurements and report, for `experiment report` and `experiment plan`')
    .option('--html <file>', 'write the report as one page')
    .exitOverride();
  addEngineFlags(addConfigFlags(addRequestFlags(run))).action((file: string | undefined, flags: RunFlags) => runExperiment(file, flags));
  command.command('report')
    .description('report on what `experiment run --json` wrote, or on a record of your own')
    .argument('<file>', 'the JSON file')
    .option('--json', 'print the report as JSON')
    .option('--html <file>', 'write it as one page')
    .exitOverride()
    .action(report);
  command.command('plan')
    .description('how many prompts it takes to find an effect, going by a pilot')
    .argument('<file>', 'what `experiment run --json` wrote for a few prompts')
    .option('--effect <share>', 'the smallest relative effect to find, e.g. 0.05 for 5 %', decimal(-0.99, 100), 0.05)
    .option('--power <share>', 'probability to find it', decimal(0.01, 0.999), 0.8)
    .option('--once', 'for looking only at the end, at a moment fixed beforehand')
    .option('--json', 'print JSON')
    .exitOverride()
    .action(plan);
}

function arm(text: string, previous: ReadonlyMap<string, string | StrategyConfig> | undefined): ReadonlyMap<string, string | StrategyConfig> {
  const at = text.indexOf('=');
  if (at < 1) throw new UsageError(`--arm "${text}": expected NAME=STRATEGY, such as plain=off.`);
  const name = text.slice(0, at);
  if (previous?.has(name)) throw new UsageError(`--arm: there are two arms "${name}".`);
  return new Map([...(previous ?? []), [name, strategy(text.slice(at + 1))]]);
}

async function runExperiment(file: string | undefined, flags: RunFlags): Promise<void> {
  const { engine: options, isDemo, experiments } = await configured(flags);
  const { model } = options;
  const [{ createEngine, defineExperiment }, { readDefinition }, { BUILT_IN_PROMPTS, readPrompts }, { ProgressBar }, { machineOf }] = await Promise.all([
    import('../../core/index.js'), import('../experiment/definition-file.js'), import('../bench/prompts.js'), import('../bench/progress.js'), import('../bench/machine.js'),
  ]);
  const definition = defineExperiment(withFlags(file === undefined ? undefined : experiments[file] ?? await readDefinition(file), flags));
  const prompts = flags.prompts === undefined ? BUILT_IN_PROMPTS.slice(0, flags.count) : readPrompts(flags.prompts, flags.count);
  if (isDemo) process.stderr.write(`No --model: using the demo model, ${shortPath(model)}.\n`);
  const progress = new ProgressBar();
  await interruptible(async (signal) => {
    await using engine: Engine = await createEngine(options);
    const experiment = engine.experiment(definition);
    const onProgress = (done: number, total: number): void => progress.show(done, total || done, total === 0 ? 'requests' : 'prompts');
    const made = await experiment.run(prompts, { signal, onProgress, ...(flags.rounds === undefined ? {} : { rounds: flags.rounds }) }).finally(() => progress.clear());
    const machine = machineOf(engine);
    await show(made, flags.html, `${machine.cpu}, ${machine.instructionSet}, ${machine.threads} threads, ${machine.dtype}`);
    if (flags.json !== undefined) {
      const content = { foretoken: packageVersion(), date: new Date().toISOString(), model, machine, prompts: flags.prompts ?? 'built-in', record: experiment.record(), report: made };
      writeFileSync(flags.json, `${toJson(content, 1)}\n`);
    }
    if (made.arms.some(({ stopped }) => stopped?.guardrail === 'identity')) process.exitCode = EXIT.failed;
  });
}

/** Flags over the file: only what was given. */
function withFlags(base: ExperimentDefinition | undefined, flags: RunFlags): ExperimentDefinition {
  const { arm: arms, design, metric, concurrency, repeats, slice: sliceMs, washOut: washOutMs, untilDecided, mixGuarantees } = flags;
  if (base === undefined && arms === undefined) throw new UsageError('Name an experiment file, or the arms: --arm plain=off --arm other=NAME.');
  const given = { design, metric, concurrency, repeats, sliceMs, washOutMs, mixGuarantees, arms: arms && Object.fromEntries(arms), stop: untilDecided && 'decided' };
  const request = { maxTokens: DEFAULT_MAX_TOKENS, ...base?.request, ...requestOptions(flags) };
  return { ...(base ?? { name: 'cli' }), ...Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)), request } as ExperimentDefinition;
}

async function report(path: string, { json, html }: { readonly json?: true; readonly html?: string }): Promise<void> {
  const [{ analyse }, { readExperimentFile }] = await Promise.all([import('../../core/index.js'), import('../experiment/record-file.js')]);
  const { record, machine } = readExperimentFile(path);
  const made = analyse(record);
  if (json) process.stdout.write(`${toJson(made, 2)}\n`);
  await show(made, html, machine === undefined ? '' : `${machine.cpu}, ${machine.instructionSet}, ${machine.threads} threads, ${machine.dtype}`, json === undefined);
}

async function show(made: ExperimentReport, html: string | undefined, where: string, isTold = true): Promise<void> {
  const [{ textReport }, { reportPage }] = await Promise.all([import('../experiment/text-report.js'), import('../experiment/page.js')]);
  if (isTold) process.stdout.write(`${textReport(made)}\n`);
  if (isTold && where !== '') process.stderr.write(`${where}\n`);
  if (html === undefined) return;
  writeFileSync(html, reportPage(made, where));
  process.stderr.write(`${html}\n`);
}

async function plan(path: string, { effect, power, once, json }: { readonly effect: number; readonly power: number; readonly once?: true; readonly json?: true }): Promise<void> {
  const [{ analyse, planSize, METRICS }, { readExperimentFile }, { CLUSTER_WORDS }] = await Promise.all([import('../../core/index.js'), import('../experiment/record-file.js'), import('../experiment/words.js')]);
  const { record } = readExperimentFile(path);
  const { comparisons, confidence, design } = analyse(record);
  const plans = comparisons.map(({ arm: name, metric, deviation, clusters }) => {
    if (deviation === undefined) throw new UsageError(design === 'request' ? 'The planner goes by pairs; the design "request" has none.' : `The pilot has too few ${CLUSTER_WORDS[design]} (${clusters}); run some more.`);
    const size = planSize({ deviation, pilotSize: clusters, effect, power, confidence: 1 - (1 - confidence) / comparisons.length, looks: once ? 'once' : 'any' });
    return { arm: name, metric, pilot: clusters, deviation, effect, power, looks: once ? 'once' : 'any', size };
  });
  if (json) process.stdout.write(`${toJson(plans, 2)}\n`);
  else for (const { arm: name, metric, pilot, deviation, size } of plans) {
    process.stdout.write(`${name}: ${size} ${CLUSTER_WORDS[design]} to find a change of ${(100 * effect).toFixed(1)} % in ${METRICS[metric].label} with probability ${power}, looking ${once ? 'once, at the end' : 'whenever you like'} (deviation ${(100 * deviation).toFixed(1)} % over ${pilot}). Set "horizon": ${size}.\n`);
  }
}
