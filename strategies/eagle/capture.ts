/** Which residual streams of the target a draft reads, by the layer that each enters. */
export interface Capture {
  readonly taps: readonly number[];
  /** How that is known, for reports. */
  readonly why: string;
}

/**
 * The streams that the original captures where nothing else is said: those entering layer 2, the middle and the last but two. In small
 * targets these coincide and are captured once.
 */
export function usualTaps(layers: number): number[] {
  const ids = [2, Math.floor(layers / 2), layers - 3].filter((id) => id >= 0 && id < layers);
  return [...new Set(ids)].sort((a, b) => a - b);
}

/**
 * Reads the ids that config.json gives. Formats count differently: some name the layer whose input is taken, some the one whose output.
 *
 * @param isSpeculators whether the format is vLLM's speculators
 * @returns an id that is no layer of the target as it stands: the caller refuses it
 */
export function captureOf(config: Readonly<Record<string, unknown>>, layers: number, isSpeculators: boolean): Capture {
  const nested = config['eagle_config'];
  const inner = idsIn(typeof nested === 'object' && nested !== null ? (nested as Record<string, unknown>) : {});
  const outer = idsIn(config);
  if (inner !== undefined && !isSpeculators) {
    // ModelOpt, SpecForge and TensorRT-LLM name outputs. Files whose first id is 2 were written by the other rule.
    return inner[0] === 2
      ? { taps: inner, why: 'eagle_config names layers whose input is taken (its first id is 2)' }
      : { taps: inner.map((id) => id + 1), why: 'eagle_config names layers whose output is taken' };
  }
  const given = outer ?? inner;
  if (given !== undefined) return { taps: given, why: 'config.json names layers whose input is taken' };
  return { taps: usualTaps(layers), why: 'config.json names no layers: the usual ones' };
}

function idsIn(config: Readonly<Record<string, unknown>>): number[] | undefined {
  const ids = config['eagle_aux_hidden_state_layer_ids'];
  return Array.isArray(ids) && ids.length > 0 && ids.every((id) => Number.isInteger(id)) ? (ids as number[]) : undefined;
}
