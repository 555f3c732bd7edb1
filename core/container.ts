// The composition root, and the only importer of tsyringe: one child container per engine, so that two engines never meet.
import 'reflect-metadata';
import { availableParallelism } from 'node:os';
import { container as root, type DependencyContainer, type InjectionToken, instanceCachingFactory } from 'tsyringe';
import { Batch } from './batch.js';
import { MEASURED_ROWS, NodeBudget, type PassTime } from './budget.js';
import { type Checkpoint, type DescribedCheckpoint, describeCheckpoint, readCheckpoint, summarise } from './checkpoint/checkpoint.js';
import { Engine, type EngineInfo } from './engine.js';
import { ConfigError } from './errors.js';
import { EngineEmitter } from './events.js';
import { pagesFor } from './host-model.js';
import { loadNative } from './native/binding.js';
import type { NativeModel, NativeRuntime } from './native/types.js';
import { type EngineOptions, parseEngineOptions, type RequestDefaults, type ResolvedEngineOptions } from './options.js';
import { StrategyRegistry } from './registry.js';
import { hasRoom } from './steps/room.js';
import type { CheckpointSummary, Strategy, StrategyConfig, TargetDescription } from './strategy.js';
import { StrategyLoader } from './strategy-loader.js';
import { Target } from './target.js';
import { loadTokenizer, missingTokenizer, type Tokenizer } from './tokenizer/tokenizer.js';
import { VerifierRegistry } from './verifiers/registry.js';

/** Sequences beside the running ones: texts that are being scored. */
const SCORE_SEQUENCES = 4;

const token = <T>(name: string): InjectionToken<T> => Symbol.for(`foretoken:${name}`);
const OPTIONS = token<ResolvedEngineOptions>('options');
const RUNTIME = token<NativeRuntime>('runtime');
const MODEL = token<NativeModel>('model');
const SUMMARY = token<CheckpointSummary>('summary');
const DESCRIBED = token<DescribedCheckpoint>('described');
const TOKENIZER = token<{ readonly tokenizer: Tokenizer | undefined; readonly why: string }>('tokenizer');
const TIMES = token<readonly PassTime[]>('times');
const INFO = token<EngineInfo>('info');
const EVENTS = token<EngineEmitter>('events');
const TARGET = token<Target>('target');
const BATCH = token<Batch>('batch');
const STRATEGIES = token<StrategyLoader>('strategies');
const ENGINE = token<Engine>('engine');

/**
 * Loads a model and makes an engine of it.
 *
 * @throws ConfigError for an option, CheckpointError for the folder, NativeMissingError without the addon
 */
export async function createEngine(options: EngineOptions): Promise<Engine> {
  const resolved = parseEngineOptions(options);
  const checkpoint = await readCheckpoint(resolved.model);
  const described = describeCheckpoint(checkpoint);
  const tokenizer = await loadTokenizer(checkpoint.path);
  const runtime = createRuntime(resolved);
  try {
    const info = describe(resolved, checkpoint, described, runtime);
    const model = await runtime.loadModel(described.description, described.tensors, info.dtype);
    const times = resolved.measure ? await measure(model) : [];
    const child = root.createChildContainer();
    const values = { tokenizer, why: tokenizer === undefined ? await missingTokenizer(checkpoint.path) : '' };
    child.register(OPTIONS, { useValue: resolved }).register(RUNTIME, { useValue: runtime }).register(MODEL, { useValue: model })
      .register(DESCRIBED, { useValue: described }).register(SUMMARY, { useValue: summarise(checkpoint, tokenizer?.fingerprint) }).register(TOKENIZER, { useValue: values }).register(TIMES, { useValue: times })
      .register(INFO, { useValue: { ...info, passTimes: times } });
    compose(child);
    const engine = child.resolve(ENGINE);
    // A strategy that cannot run is an error of the configuration, not of the first request.
    for (const name of engine.strategies.names()) await engine.prepare(name);
    return engine;
  } catch (error) {
    runtime.dispose();
    throw error;
  }
}

function compose(child: DependencyContainer): void {
  const make = <T>(target: InjectionToken<T>, factory: (c: DependencyContainer) => T): void => {
    child.register(target, { useFactory: instanceCachingFactory(factory) });
  };
  make(EVENTS, () => new EngineEmitter());
  make(TARGET, (c) => {
    const { maxSequences, prefillChunk, proposeBudgetMs, kvPages } = c.resolve(OPTIONS);
    const { description, eosTokenIds, generation } = c.resolve(DESCRIBED);
    const { maxTokensPerSequence: maxTokens, kvDtype } = c.resolve(INFO);
    const model = c.resolve(MODEL);
    const sequences = maxSequences + SCORE_SEQUENCES;
    const session = model.createSession({ maxSequences: sequences, maxTokens, pages: kvPages ?? pagesFor(sequences, maxTokens), kvDtype });
    const settings = { prefillChunk, proposeBudgetMs, maxTokens, eosTokenIds: new Set(eosTokenIds), generation: generation.defaults };
    return new Target(c.resolve(RUNTIME), model, session, description, new NodeBudget(c.resolve(TIMES)), settings, c.resolve(EVENTS));
  });
  make(BATCH, (c) => new Batch(c.resolve(OPTIONS).maxSequences, () => c.resolve(TARGET).session.open(),
    ({ prompt, options }, members) => hasRoom(prompt.length, options.n, members, c.resolve(TARGET))));
  make(STRATEGIES, (c) => {
    const info = c.resolve(INFO);
    const target: TargetDescription = {
      path: info.model, model: info.description, vocabulary: c.resolve(TOKENIZER).tokenizer?.fingerprint ?? '', device: info.device, kvDtype: info.kvDtype,
      maxSequences: info.maxSequences, maxTokens: info.maxTokensPerSequence,
    };
    return new StrategyLoader(new StrategyRegistry(c.resolve(OPTIONS).plugins as Strategy[]), new VerifierRegistry(c.resolve(OPTIONS).verifiers), c.resolve(TARGET), target, c.resolve(SUMMARY), info.dtype, info.kvDtype);
  });
  make(ENGINE, (c) => {
    const { tokenizer, why } = c.resolve(TOKENIZER);
    return new Engine(c.resolve(INFO), c.resolve(EVENTS), c.resolve(TARGET), c.resolve(BATCH), c.resolve(STRATEGIES), tokenizer, why,
      choicesOf(c.resolve(OPTIONS)), () => c.resolve(RUNTIME).dispose());
  });
}

/** What requests get that say nothing else. The schema has checked what these types say. */
function choicesOf({ strategy, strategies, request }: ResolvedEngineOptions): ConstructorParameters<typeof Engine>[7] {
  return { strategy: strategy as string | StrategyConfig, strategies: strategies as Record<string, string | StrategyConfig>, request: request as RequestDefaults };
}

function createRuntime({ threads, instructionSet }: ResolvedEngineOptions): NativeRuntime {
  const native = loadNative();
  if (instructionSet !== undefined && !native.instructionSets.includes(instructionSet)) {
    throw new ConfigError(`Option \`instructionSet\`: "${instructionSet}" does not run on this machine; it executes ${native.instructionSets.join(', ')}.`);
  }
  return native.createRuntime({ threads: threads ?? availableParallelism(), ...(instructionSet === undefined ? {} : { isa: instructionSet }) });
}

function describe(options: ResolvedEngineOptions, checkpoint: Checkpoint, { description, storedDtype, generation }: DescribedCheckpoint, runtime: NativeRuntime): Omit<EngineInfo, 'passTimes'> {
  const dtype = options.dtype ?? (storedDtype === 'f32' ? 'f32' : 'bf16');
  const maxTokensPerSequence = options.maxTokensPerSequence ?? Math.min(description.maxPositions, 4096);
  if (maxTokensPerSequence > description.maxPositions) {
    throw new ConfigError(`Option \`maxTokensPerSequence\`: ${maxTokensPerSequence}; the model was made for at most ${description.maxPositions} positions.`);
  }
  return {
    model: checkpoint.path, description, dtype, kvDtype: options.kvDtype ?? dtype, device: options.device,
    instructionSet: runtime.isa, threads: runtime.threads, maxSequences: options.maxSequences, maxTokensPerSequence, generation,
  };
}

async function measure(model: NativeModel): Promise<PassTime[]> {
  const times = await model.measure(MEASURED_ROWS);
  return MEASURED_ROWS.map((rows, i) => ({ rows, ms: times[i]! }));
}
