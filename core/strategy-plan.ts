import { resolve } from 'node:path';
import type { z } from 'zod';
import { readCheckpoint, summarise } from './checkpoint/checkpoint.js';
import { ConfigError, StrategyRefusedError, suggestion } from './errors.js';
import { parseOptions } from './options.js';
import type { CheckpointSummary, Plan, Strategy, TargetDescription } from './strategy.js';
import { loadTokenizer } from './tokenizer/tokenizer.js';

/** More nodes than this no plan may ask for: rows of one sequence in one pass. */
const MAX_NODES = 1000;

/**
 * What a strategy would do on a target: its options parsed and checked, and its plan. Reads headers of the checkpoints that the options name,
 * and loads no weights.
 *
 * @param own the summary of the target's own folder
 * @throws ConfigError for an option, CheckpointError for a checkpoint, StrategyRefusedError where the strategy cannot run
 */
export async function planStrategy(strategy: Strategy, input: Record<string, unknown>, target: TargetDescription, own: CheckpointSummary): Promise<{ readonly options: Record<string, unknown>; readonly plan: Plan }> {
  const options = readOptions(strategy, input);
  const checkpoints = new Map([[target.path, own]]);
  for (const path of checkpointPaths(strategy, options)) checkpoints.set(path, await summaryOf(path));
  return { options, plan: checkedPlan(strategy, options, target, checkpoints) };
}

function readOptions(strategy: Strategy, input: Record<string, unknown>): Record<string, unknown> {
  const known = Object.keys(shapeOf(strategy));
  const unknown = Object.keys(input).find((key) => known.length > 0 && !known.includes(key));
  const what = `strategy "${strategy.name}"`;
  if (unknown !== undefined) throw new ConfigError(`Unknown option "${unknown}" for ${what}${suggestion(unknown, [...known, 'verifier'])}`);
  const options = parseOptions(strategy.options, input, what) as Record<string, unknown>;
  for (const key of checkpointKeys(strategy)) if (typeof options[key] === 'string') options[key] = resolve(options[key]);
  return options;
}

/** Fields of an object schema; empty where the schema is of another kind. */
function shapeOf(strategy: Strategy): Record<string, z.ZodType> {
  return (strategy.options as unknown as { readonly shape?: Record<string, z.ZodType> }).shape ?? {};
}

/** Options that were declared with `checkpoint()`. */
export function checkpointKeys(strategy: Strategy): string[] {
  return Object.entries(shapeOf(strategy)).filter(([, schema]) => isCheckpoint(schema)).map(([key]) => key);
}

function isCheckpoint(schema: z.ZodType): boolean {
  if (schema.meta?.()?.['checkpoint'] === true) return true;
  return 'unwrap' in schema && typeof schema.unwrap === 'function' && isCheckpoint(schema.unwrap());
}

function checkpointPaths(strategy: Strategy, options: Record<string, unknown>): string[] {
  return checkpointKeys(strategy).map((key) => options[key]).filter((path): path is string => typeof path === 'string');
}

async function summaryOf(path: string): Promise<CheckpointSummary> {
  return summarise(await readCheckpoint(path), (await loadTokenizer(path))?.fingerprint);
}

function checkedPlan(strategy: Strategy, options: Record<string, unknown>, target: TargetDescription, checkpoints: ReadonlyMap<string, CheckpointSummary>): Plan {
  const plan = strategy.plan(options, target, checkpoints);
  if ('refused' in plan) {
    const reasons = plan.refused.map(({ path, message, remedy }) => `${path === '' ? '' : `\`${path}\`: `}${message} ${remedy}`);
    throw new StrategyRefusedError(`Strategy "${strategy.name}" cannot run here: ${reasons.join(' ')}`);
  }
  if (!Number.isInteger(plan.maxNodes) || plan.maxNodes < 0 || plan.maxNodes > MAX_NODES) {
    throw new StrategyRefusedError(`Strategy "${strategy.name}" plans ${plan.maxNodes} nodes; expected an integer from 0 to ${MAX_NODES}. Ask for a smaller tree.`);
  }
  const taps = plan.needs.taps ?? [];
  const badTap = taps.find((tap) => !Number.isInteger(tap) || tap < 0 || tap > target.model.layers);
  if (badTap !== undefined) throw new StrategyRefusedError(`Strategy "${strategy.name}" wants residual stream ${badTap}; the target has 0 to ${target.model.layers}.`);
  return plan;
}
