/**
 * Foretoken: speculative decoding for Node.js. {@link createEngine} loads a model; `engine.generate` runs it, with a strategy or without,
 * and gives the same tokens either way.
 *
 * @packageDocumentation
 */
export { createEngine } from './container.js';
export type { Engine, EngineInfo } from './engine.js';
export type { NamedStrategies, SetStrategyOptions } from './named-strategies.js';
export type { EngineOptions, GenerateRequest, RequestDefaults, ResolvedSampling, ScoreRequest } from './options.js';
export type { Chunk, Run, RunResult, RunStats, SampleResult } from './run.js';
export type { ChosenLogprob, LogprobStage, TokenLogprob } from './logprobs.js';
export type { GenerationConfig, GenerationDefaults } from './checkpoint/generation-config.js';
export type { Scores } from './score.js';
export { Experiment, type ExperimentHost, type ExperimentPrompt, type ExperimentRequest, type ExperimentRunOptions } from './experiment/experiment.js';
export { defineExperiment, type Design, type ExperimentDefinition, experimentSchema } from './experiment/definition.js';
export { analyse } from './experiment/analyse.js';
export type { ArmReport, Breakdown, Comparison, ExperimentRecord, ExperimentReport, PathPoint, SampleRatio, Conclusion } from './experiment/report.js';
export type { Interval } from './experiment/intervals.js';
export type { Stop } from './experiment/guardrails.js';
export { type Metric, type MetricName, METRICS } from './experiment/metrics.js';
export { planSize, type SizeQuestion } from './experiment/plan-size.js';
export type { ExperimentTag } from './experiment/measured-run.js';
export type { Trial, TrialTiming } from './experiment/trial.js';
export type { ShadowBlock, ShadowRequest, ShadowScore } from './experiment/shadow-score.js';
export type { TraceEntry } from './trace.js';
export type { EngineEmitter, EngineEvents } from './events.js';
export * from './errors.js';
export * from './strategy.js';
export type { DType, ExpertsDescription, LayerDescription, ModelDescription, Rope } from './description.js';
export { describeDecoderLayers } from './architectures/decoder-layers.js';
export { checkpoint } from './checkpoint-option.js';
export { convertCheckpoint, type Conversion } from './checkpoint/convert.js';
export { inspectCheckpoint, type Inspection, type InspectedModel, type InspectedTokenizer, type InspectedWeights } from './checkpoint/inspect.js';
export type { StrategyFit } from './strategy-fit.js';
export { shippedStrategies, STRATEGY_API } from './registry.js';
export { StrategyRegistry } from './registry.js';
export { packageVersion } from './package-root.js';
export { defineConfig, type ExperimentConfig, type ForetokenConfig } from './config/schema.js';
export { loadConfig, type LoadConfigOptions, type LoadedConfig } from './config/load.js';
export type { ConfigLayer, ConfigValue } from './config/layers.js';
export { configJsonSchema } from './config/json-schema.js';
export { environmentNames } from './config/environment.js';
export { loadPlugins, type Plugins } from './plugin-modules.js';
