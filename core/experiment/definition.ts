import { z } from 'zod';
import { ConfigError } from '../errors.js';
import { parseOptions, type RequestDefaults, requestDefaultsSchema, strategyChoice } from '../options.js';
import type { StrategyConfig } from '../strategy.js';
import { METRIC_NAMES, METRICS, type MetricName } from './metrics.js';

/** How arms meet their requests; see {@link ExperimentDefinition.design}. */
export type Design = 'paired' | 'switchback' | 'shadow' | 'request';

const DESIGNS = ['paired', 'switchback', 'shadow', 'request'] as const satisfies readonly Design[];

const armName = z.string().regex(/^[A-Za-z][\w.-]*$/, { error: 'expected an arm name: a letter, then letters, digits, "-", "_" or "."' });
const limit = (preset: number) => z.union([z.literal(false), z.number().positive()], { error: 'expected a positive number, or false' }).default(preset);
const share = (preset: number) => z.number().min(0).max(1).default(preset);

/** @internal The same, with its fields. */
export const definitionSchema = z.strictObject({
  name: z.string().min(1),
  version: z.string().min(1).default('1'),
  arms: z.record(armName, strategyChoice),
  control: z.string().optional(),
  design: z.enum(DESIGNS).default('paired'),
  metric: z.enum(METRIC_NAMES).optional(),
  weights: z.record(armName, z.number().positive()).optional(),
  salt: z.string().min(1).optional(),
  request: requestDefaultsSchema.default({}),
  repeats: z.int().min(1).default(2),
  concurrency: z.int().min(1).default(1),
  sliceMs: z.number().positive().default(30_000),
  washOutMs: z.number().min(0).default(5_000),
  confidence: z.number().gt(0.5).lt(1).default(0.95),
  smallestEffect: z.number().positive().lt(1).default(0.05),
  horizon: z.int().min(2).default(40),
  minimum: z.int().min(2).default(5),
  stop: z.enum(['never', 'decided']).default('never'),
  guardrails: z.strictObject({
    timeToFirstToken: limit(0.5),
    interTokenP99: limit(1),
    faults: z.union([z.literal(false), z.number().gt(0).lt(1)]).default(0.02),
    bypasses: z.union([z.literal(false), z.number().gt(0).lt(1)]).default(0.1),
    identity: share(0.05),
  }).prefault({}),
  mixGuarantees: z.boolean().default(false),
});

/** What a definition may hold, for configuration files: see {@link ExperimentDefinition}. Unknown keys are refused. */
export const experimentSchema: z.ZodType = definitionSchema;

/** Options of {@link defineExperiment}, `engine.experiment` and the `experiments` of a configuration file. */
export interface ExperimentDefinition {
  /** Echoed in results. */
  readonly name: string;
  /** Echoed in results and stored with every trial. Change it when an arm changes; trials of other versions are not analysed together. Default `'1'`. */
  readonly version?: string;
  /** Two or more strategies by a name of your own. `'off'` is plain decoding. */
  readonly arms: Readonly<Record<string, string | StrategyConfig>>;
  /** The arm that the others are compared with. Default: the first. */
  readonly control?: string;
  /**
   * `paired` (default): the same prompts on every arm, in ABBA order. `switchback`: arms alternate in time slices under live load. `shadow`: the
   * control serves; what the others would have had accepted is worked out from its text. `request`: every unit gets an arm by chance; arms share
   * passes, so only acceptance can be compared.
   */
  readonly design?: Design;
  /** Default: `tokensPerSecond`, and `acceptanceLength` for `shadow` and `request`, which cannot tell time. */
  readonly metric?: MetricName;
  /** Share of each arm in `request`, in any unit. Default: equal. */
  readonly weights?: Readonly<Record<string, number>>;
  /** Default: the name. Another salt deals the arms anew. */
  readonly salt?: string;
  /** Defaults of its requests. */
  readonly request?: RequestDefaults;
  /** `paired`: turns of every arm per prompt. Default 2, which makes A B B A of two arms. */
  readonly repeats?: number;
  /** `paired`: prompts that run at once on an arm; they make one cluster. `switchback`: how many requests `run` keeps under way. Default 1. */
  readonly concurrency?: number;
  /** `switchback`: length of a slice. Default 30 000. */
  readonly sliceMs?: number;
  /** `switchback`: untimed beginning of each slice, in which requests of the slice before may end. Default 5000. */
  readonly washOutMs?: number;
  /** Of all intervals. Default 0.95. */
  readonly confidence?: number;
  /** Relative effect below which arms count as equal. Default 0.05. */
  readonly smallestEffect?: number;
  /** Clusters at which the sequential interval is tightest; see `planSize`. Fixed before the first look. Default 40. */
  readonly horizon?: number;
  /** Clusters before any verdict. Default 5. */
  readonly minimum?: number;
  /** `decided`: `run` ends when every comparison has a verdict. Default `never`: all prompts are run. */
  readonly stop?: 'never' | 'decided';
  /** What stops an arm by itself. */
  readonly guardrails?: {
    /** Largest relative increase before an arm is stopped, or false. Default 0.5. */
    readonly timeToFirstToken?: number | false;
    /** The same for the p99 gap between tokens. Default 1: twice as long. */
    readonly interTokenP99?: number | false;
    /** Largest share of iterations in which the strategy failed. Default 0.02. */
    readonly faults?: number | false;
    /** Largest share of iterations decoded plainly because the strategy was given up. Default 0.1. */
    readonly bypasses?: number | false;
    /** Share of requests whose tokens are compared with those of plain decoding, for arms that promise identity. In `paired` every prompt is compared for free. One difference stops the arm. Default 0.05. */
    readonly identity?: number;
  };
  /** Whether arms of different guarantee levels may be compared: their outputs differ, so their speeds are those of different texts. Default false. */
  readonly mixGuarantees?: boolean;
}


/** A definition after defaults and checks. */
export type ResolvedExperiment = Omit<z.output<typeof definitionSchema>, 'arms' | 'control' | 'metric' | 'weights' | 'salt'> & {
  readonly arms: ReadonlyMap<string, string | StrategyConfig>;
  readonly control: string;
  readonly treatments: readonly string[];
  readonly metric: MetricName;
  readonly weights: ReadonlyMap<string, number>;
  readonly salt: string;
};

/** Checks a definition at once and fixes its type; what it returns can be given to `engine.experiment` or stored as JSON. @throws ConfigError */
export function defineExperiment<const D extends ExperimentDefinition>(definition: D): D {
  resolveExperiment(definition);
  return definition;
}

/** @throws ConfigError naming the field, what came and what would do */
export function resolveExperiment(definition: unknown): ResolvedExperiment {
  const parsed = parseOptions(definitionSchema, definition, 'an experiment');
  const arms = new Map(Object.entries(parsed.arms) as [string, string | StrategyConfig][]);
  const names = [...arms.keys()];
  if (names.length < 2) throw new ConfigError(`Experiment "${parsed.name}" has ${names.length} arm${names.length === 1 ? '' : 's'}; a comparison needs two at least, such as { plain: 'off', other: { name: … } }.`);
  const control = parsed.control ?? names[0]!;   // there are two at least
  if (!arms.has(control)) throw new ConfigError(`Experiment "${parsed.name}": the control "${control}" is none of its arms: ${names.join(', ')}.`);
  const stranger = Object.keys(parsed.weights ?? {}).find((name) => !arms.has(name));
  if (stranger !== undefined) throw new ConfigError(`Experiment "${parsed.name}": weight of "${stranger}", which is none of its arms: ${names.join(', ')}.`);
  const isTimeless = parsed.design === 'shadow' || parsed.design === 'request';
  const metric = parsed.metric ?? (isTimeless ? 'acceptanceLength' : 'tokensPerSecond');
  if (isTimeless) refuseLatency(parsed.name, parsed.design, metric);
  if (parsed.design === 'switchback' && parsed.washOutMs >= parsed.sliceMs) {
    throw new ConfigError(`Experiment "${parsed.name}": a wash-out of ${parsed.washOutMs} ms leaves nothing of a slice of ${parsed.sliceMs} ms; make slices several times as long.`);
  }
  if (metric === 'acceptanceRate' && isPlain(arms.get(control)!)) {
    throw new ConfigError(`Experiment "${parsed.name}": the control "${control}" drafts nothing, so there is no acceptance rate to compare with; use the metric acceptanceLength, or a control that drafts.`);
  }
  return {
    ...parsed, arms, control, treatments: names.filter((name) => name !== control), metric, salt: parsed.salt ?? parsed.name,
    weights: new Map(names.map((name) => [name, parsed.weights?.[name] ?? 1])),
  };
}

/** Whether a strategy choice is plain decoding. */
export function isPlain(choice: string | StrategyConfig): boolean {
  return choice === 'off' || (typeof choice === 'object' && choice.name === 'off');
}

function refuseLatency(name: string, design: Design, metric: MetricName): void {
  if (!METRICS[metric].isLatency) return;
  const why = design === 'request'
    ? 'requests of both arms share the passes of the target, so each arm pays for the drafts of the other and their times cannot be told apart'
    : 'only the control is served, so the other arms have no time of their own';
  throw new ConfigError(`Experiment "${name}": the design "${design}" cannot compare ${metric}: ${why}. Use the design "paired" or "switchback", or the metric acceptanceLength or acceptanceRate.`);
}
