import { describeJson, type JsonObject } from '../checkpoint/strict-json.js';
import { CheckpointError, suggestion } from '../errors.js';
import type { Architecture } from './architecture.js';
import { gemma2 } from './gemma2.js';
import { gemma3 } from './gemma3.js';
import { granite } from './granite.js';
import { llama } from './llama.js';
import { mistral } from './mistral.js';
import { mixtral } from './mixtral.js';
import { olmo2 } from './olmo2.js';
import { phi3 } from './phi3.js';
import { qwen2 } from './qwen2.js';
import { qwen3 } from './qwen3.js';
import { qwen3Moe } from './qwen3-moe.js';
import { smollm3 } from './smollm3.js';

/** The families of models that are implemented, one file each. */
export const ARCHITECTURES: readonly Architecture[] = [llama, mistral, qwen2, qwen3, phi3, gemma2, gemma3, olmo2, granite, smollm3, mixtral, qwen3Moe];

/**
 * The family that a config.json names: by `model_type`, else by `architectures`. Where both are there they must agree.
 *
 * @throws CheckpointError listing the known ones
 */
export function architectureOf(config: JsonObject, source: string): Architecture {
  const type = config['model_type'] ?? undefined;
  const classes = Array.isArray(config['architectures']) ? config['architectures'] : [];
  if (type === undefined && classes.length === 0) throw new CheckpointError(`${source} has neither "model_type" nor "architectures"; known model types: ${typeNames().join(', ')}`);
  const known = (name: unknown): Architecture | undefined => ARCHITECTURES.find((architecture) => architecture.classes.some((one) => one === name));
  const architecture = type === undefined ? known(classes[0]) : ARCHITECTURES.find(({ name }) => name === type);
  if (architecture === undefined) {
    throw new CheckpointError(type === undefined
      ? `${source} has "architectures": ${describeJson(classes)}, which is not supported${suggestion(String(classes[0]), ARCHITECTURES.flatMap((one) => one.classes))}`
      : `${source} has "model_type": ${describeJson(type)}, which is not supported; known: ${typeNames().join(', ')}`);
  }
  const stranger = classes.find((name) => known(name) !== architecture);
  if (stranger !== undefined) {
    throw new CheckpointError(`${source} has "model_type": ${describeJson(architecture.name)}, but "architectures" names ${describeJson(stranger)}, which is not supported; expected ${architecture.classes[0]}`);
  }
  return architecture;
}

function typeNames(): string[] {
  return ARCHITECTURES.map(({ name }) => name);
}
