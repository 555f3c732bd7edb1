import { ConfigError, type ForetokenError } from '../errors.js';
import type { ChosenLogprob } from '../logprobs.js';
import type { SampleResult } from '../run.js';
import type { Target } from '../target.js';
import type { Outcome } from './read.js';

/** What of an outcome stays: tokens up to the first that ends the text, and the rows that they stand on. */
export interface Block {
  readonly outcome: Outcome;
  readonly tokens: readonly number[];
  /** Rows to commit: the root and the accepted nodes before the last token, which is pending. */
  readonly path: Int32Array;
  /** One per token, if the request wants them. */
  readonly logprobs: readonly ChosenLogprob[] | undefined;
  readonly text: string;
  /** Why the text cannot go on: nothing could be chosen. */
  readonly failure: ForetokenError | undefined;
  readonly finishReason: SampleResult['finishReason'] | undefined;
}

/**
 * Cuts every accepted block at the first token that ends its text. Nothing has been committed yet, so nothing is ever rolled back. The
 * tokens join the sequence here.
 */
export function decide(outcomes: readonly Outcome[], target: Target): Block[] {
  return outcomes.map((outcome) => {
    const { path, next } = outcome;
    const tokens: number[] = [];
    let text = '';
    let finishReason: Block['finishReason'];
    let failure: ForetokenError | undefined;
    for (let i = 1; i <= path.length && finishReason === undefined; i++) {
      const token = i < path.length ? outcome.tokens[path[i]!]! : next;
      if (token < 0) {
        failure = nothingLeft(outcome);
        break;
      }
      tokens.push(token);
      const added = append(outcome, token, target);
      text += added.text;
      finishReason = added.finishReason;
    }
    if (finishReason !== undefined) text += outcome.part.work.member.text?.flush() ?? '';
    return { outcome, tokens, path: path.slice(0, tokens.length), logprobs: outcome.logprobs?.slice(0, tokens.length), text, failure, finishReason };
  });
}

function append({ part }: Outcome, token: number, target: Target): { text: string; finishReason: Block['finishReason'] } {
  const { sequence, request, text } = part.work.member;
  const { ignoreEos, maxTokens = Infinity, stopTokens, sampling: { minTokens = 0 } } = request.options;
  sequence.append(token);
  if (stopTokens.has(token)) return { text: '', finishReason: 'stop' };
  const { text: added, stopped } = text?.push(token, sequence.outputLength > minTokens) ?? { text: '', stopped: false };
  let finishReason: Block['finishReason'];
  if (!ignoreEos && target.settings.eosTokenIds.has(token)) finishReason = 'eos';
  else if (stopped) finishReason = 'stop';
  else if (sequence.outputLength >= maxTokens || sequence.tokens.length >= target.settings.maxTokens) finishReason = 'length';
  return { text: added, finishReason };
}

function nothingLeft({ part }: Outcome): ForetokenError {
  const { outputLength } = part.work.member.sequence;
  return new ConfigError(`No token could be chosen after ${outputLength} generated ones: every logit is -Infinity or NaN. `
    + 'Ban fewer tokens with `logitBias`; without one the weights are at fault.');
}
