import type { Strategy } from 'foretoken';

/** Options of foretoken-strategy-corpus. */
export interface Options {
  /** File of token ids: 32-bit little-endian integers. */
  readonly corpus: string;
  /** Tokens drafted per place found. Default 6. */
  readonly length?: number;
  /** Places drafted from at once. Default 3. */
  readonly branches?: number;
  /** Longest run of last tokens that is looked for. Default 8. */
  readonly maxMatch?: number;
}

declare module 'foretoken' {
  interface StrategyOptions { 'foretoken-strategy-corpus': Options }
}

declare const strategy: Strategy<Required<Options>>;
export default strategy;
