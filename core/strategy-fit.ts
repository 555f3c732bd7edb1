import { describeCheckpoint, readCheckpoint, summarise } from './checkpoint/checkpoint.js';
import { ForetokenError } from './errors.js';
import { shippedStrategies, StrategyRegistry } from './registry.js';
import type { CheckpointSummary, StrategyConfig, TargetDescription } from './strategy.js';
import { checkpointKeys, planStrategy } from './strategy-plan.js';
import { loadTokenizer } from './tokenizer/tokenizer.js';

/** Whether a strategy runs on a target, by its own plan. */
export interface StrategyFit {
  /** What would be asked of an engine. */
  readonly config: StrategyConfig;
  /** Of the plan: drafted tokens of an iteration at most, and the longest path. Absent where it is refused. */
  readonly maxNodes?: number;
  readonly maxDepth?: number;
  /** Why it does not run. */
  readonly refused?: string;
}

/** Context and batch for which plans are made; they decide no more than how much memory is asked for. */
const SEQUENCES = 1;
const TOKENS = 4096;

/**
 * Asks every shipped strategy for its plan on a target, with default options. No weights are loaded.
 *
 * @param target folder of a model
 * @param checkpoint a folder for the options that name one, such as a draft head; strategies without such an option are then left out.
 *   Absent: strategies that need no folder besides the target's
 * @throws CheckpointError when the target does not run
 */
export async function fittingStrategies(target: string, checkpoint?: string): Promise<StrategyFit[]> {
  const { description, own } = await describeTarget(target);
  const registry = new StrategyRegistry([]);
  const fits: StrategyFit[] = [];
  for (const name of shippedStrategies()) {
    const strategy = await registry.resolve(name);
    const inputs = checkpoint === undefined ? [{}] : checkpointKeys(strategy).map((key) => ({ [key]: checkpoint }));
    for (const input of inputs) {
      const config = { name, ...input };
      try {
        const { maxNodes, maxDepth } = (await planStrategy(strategy, input, description, own)).plan;
        fits.push({ config, maxNodes, maxDepth });
      } catch (error) {
        if (!ForetokenError.isInstance(error)) throw error;
        fits.push({ config, refused: error.message });
      }
    }
  }
  return fits;
}

async function describeTarget(folder: string): Promise<{ readonly description: TargetDescription; readonly own: CheckpointSummary }> {
  const checkpoint = await readCheckpoint(folder);
  const { description: model, storedDtype } = describeCheckpoint(checkpoint);
  const vocabulary = (await loadTokenizer(checkpoint.path))?.fingerprint;
  const description: TargetDescription = {
    path: checkpoint.path, model, vocabulary: vocabulary ?? '', device: 'cpu', kvDtype: storedDtype === 'f32' ? 'f32' : 'bf16',
    maxSequences: SEQUENCES, maxTokens: Math.min(TOKENS, model.maxPositions),
  };
  return { description, own: summarise(checkpoint, vocabulary) };
}
