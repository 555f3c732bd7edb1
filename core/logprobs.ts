/** The log-probability of a token, natural. */
export interface TokenLogprob {
  readonly token: number;
  readonly logprob: number;
}

/** An emitted token's log-probability, and those of the likeliest tokens in its place. */
export interface ChosenLogprob extends TokenLogprob {
  /** Most likely first, ties by id; as many as asked for. Tokens that processing leaves no probability are not listed. */
  readonly top: readonly TokenLogprob[];
}

/** `'raw'`: of the model's own distribution; `'processed'`: of the one drawn from, after penalties, temperature and filters (at temperature 0: 0 for the choice). */
export type LogprobStage = 'raw' | 'processed';

/** What a request wants to know. */
export interface LogprobOptions {
  /** Likeliest tokens per place. */
  readonly top: number;
  readonly stage: LogprobStage;
}
