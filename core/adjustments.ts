import type { NativeAdjustments } from './native/types.js';
import type { Sampling } from './strategy.js';

/**
 * What a text does to the logits of its next tokens: penalties by what it holds, bias, and end tokens that may not come yet. Native code adds
 * to the counts what the ancestors of a tree row hold, so that every row is treated as if its path were text.
 */
export class TextAdjustments {
  private readonly counts: TokenCounts | undefined;
  private readonly biasIds: Int32Array;
  private readonly biases: Float32Array;

  /** @param endTokens may not stand before position `endFrom` */
  private constructor(private readonly sampling: Sampling, prompt: Int32Array, private readonly endTokens: Int32Array, private readonly endFrom: number) {
    this.counts = penalises(sampling) ? new TokenCounts(prompt) : undefined;
    const bias = Object.entries(sampling.logitBias ?? {}).map(([token, value]) => [Number(token), value] as const);
    this.biasIds = Int32Array.from(bias, ([token]) => token);
    this.biases = Float32Array.from(bias, ([, value]) => value);
  }

  /** Undefined where the sampling asks for nothing of the kind: most texts. */
  static of(sampling: Sampling, prompt: Int32Array, endTokens: Int32Array): TextAdjustments | undefined {
    const { minTokens = 0, logitBias = {} } = sampling;
    const bans = minTokens > 0 && endTokens.length > 0;
    if (!penalises(sampling) && !bans && Object.keys(logitBias).length === 0) return undefined;
    return new TextAdjustments(sampling, prompt, bans ? endTokens : new Int32Array(0), prompt.length + minTokens);
  }

  /** The output has grown by a token. */
  append(token: number): void {
    this.counts?.add(token);
  }

  /** A copy of how things stand. */
  native(): NativeAdjustments {
    const { repetitionPenalty = 1, presencePenalty = 0, frequencyPenalty = 0 } = this.sampling;
    return {
      repetitionPenalty, presencePenalty, frequencyPenalty,
      seen: Int32Array.from(this.counts?.tokens ?? []), counts: Int32Array.from(this.counts?.inOutput ?? []),
      biasIds: this.biasIds, biases: this.biases, banned: this.endTokens, bannedBefore: this.endFrom,
    };
  }
}

function penalises({ repetitionPenalty = 1, presencePenalty = 0, frequencyPenalty = 0 }: Sampling): boolean {
  return repetitionPenalty !== 1 || presencePenalty !== 0 || frequencyPenalty !== 0;
}

/** The distinct tokens of a text, and how often each occurs in its output. */
class TokenCounts {
  readonly tokens: number[] = [];
  readonly inOutput: number[] = [];
  private readonly placeOf = new Map<number, number>();

  constructor(prompt: Int32Array) {
    for (const token of prompt) this.place(token);
  }

  add(token: number): void {
    const place = this.place(token);
    this.inOutput[place] = this.inOutput[place]! + 1;   // `place` made it
  }

  private place(token: number): number {
    let place = this.placeOf.get(token);
    if (place === undefined) {
      place = this.tokens.push(token) - 1;
      this.inOutput.push(0);
      this.placeOf.set(token, place);
    }
    return place;
  }
}
