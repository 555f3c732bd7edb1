import { ConfigError } from '../errors.js';
import type { NativeForward, NativeTensor } from '../native/types.js';
import type { Needs } from '../strategy.js';
import { EngineEmitter } from '../events.js';
import { Target } from '../target.js';

/**
 * A target whose last pass is a whole text: row i is position i. The steps of the loop that look for hidden rows in the last pass find those of
 * any position in it; they are the same bits as those of the passes that served the text.
 */
export class WholeText extends Target {
  /** Rows that were computed for it. */
  readonly rows: number;

  private constructor(target: Target, private readonly whole: Pick<NativeForward, 'hidden' | 'taps'> | undefined, private readonly wholeTaps: readonly number[], length: number) {
    super(target.runtime, target.model, target.session, target.description, target.budget, target.settings, new EngineEmitter());
    this.rows = whole === undefined ? 0 : length;
  }

  /** Computes what the needs ask for, prompt chunk by prompt chunk, in a place of its own that is free again afterwards. @throws ConfigError for a text that one table cannot hold */
  static async of(text: Int32Array, needs: Needs | undefined, target: Target): Promise<WholeText> {
    if (needs === undefined || needs.hidden === 'none') return new WholeText(target, undefined, [], 0);
    const { session, settings, description: { longFrom = Infinity } } = target;
    if (text.length > longFrom) {
      throw new ConfigError(`A text of ${text.length} tokens outgrows the rotary table that this model changes after ${longFrom}: its hidden states were not all made with one table, so a shadow cannot have them again. Score shorter texts.`);
    }
    const taps = [...new Set(needs.taps ?? [])].sort((a, b) => a - b);
    const chunks: Pick<NativeForward, 'hidden' | 'taps'>[] = [];
    const length = text.length - 1;   // nobody asks for the state after the last token
    const slot = session.open();
    try {
      for (let from = 0; from < length; from += settings.prefillChunk) {
        const tokens = text.slice(from, Math.min(length, from + settings.prefillChunk));
        const rows = { sequences: new Int32Array(tokens.length).fill(slot), tokens, known: new Uint8Array(tokens.length).fill(1) };
        const { hidden, taps: streams, ...others } = taps.length === 0 ? session.forward(rows) : session.forward(rows, taps);
        for (const tensor of [others.tokens, others.positions, others.refused]) tensor.dispose();
        chunks.push({ hidden, ...(streams === undefined ? {} : { taps: streams }) });
      }
    } finally {
      session.close(slot);
    }
    const hidden = joined(chunks.map((chunk) => chunk.hidden), target);
    const streams = chunks.flatMap((chunk) => chunk.taps ?? []);
    return new WholeText(target, { hidden, ...(streams.length === 0 ? {} : { taps: joined(streams, target) }) }, taps, length);
  }

  override get lastForward(): Pick<NativeForward, 'hidden' | 'taps'> | undefined {
    return this.whole;
  }

  override get lastTaps(): readonly number[] {
    return this.wholeTaps;
  }

  close(): void {
    this.whole?.hidden.dispose();
    this.whole?.taps?.dispose();
    this.release();
  }
}

function joined(parts: readonly NativeTensor[], { runtime }: Target): NativeTensor {
  const [only] = parts;
  if (parts.length === 1 && only !== undefined) return only;
  const whole = runtime.ops.concat([...parts], 0);
  for (const part of parts) part.dispose();
  return whole;
}
