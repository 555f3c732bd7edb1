/** What one request did under one arm: the raw material of every analysis. Plain data, so that it can be stored and analysed again. */
export interface Trial {
  /** The arm that served it, or was scored on it. */
  readonly arm: string;
  /** Version of the experiment that it belongs to. */
  readonly version: string;
  /** What was assigned: the prompt in `paired`, else the unit of the request (a user, a conversation). */
  readonly unit: string;
  /** What is compared with what: the prompt, or the pair of time slices. Not used in `request`. */
  readonly block: number;
  /** As the request or prompt gave it. */
  readonly category?: string;
  /** Length of the prompt. */
  readonly promptTokens: number;
  /** Most sequences that shared one of its passes. */
  readonly batch: number;
  /** Tokens generated. */
  readonly tokens: number;
  /** Passes of the target that committed tokens. */
  readonly iterations: number;
  /** Nodes proposed. */
  readonly drafted: number;
  /** Nodes accepted and kept. */
  readonly accepted: number;
  /** Iterations in which the strategy failed. */
  readonly faults: number;
  /** Iterations decoded plainly because the strategy had been given up. */
  readonly bypassed: number;
  /** Absent where nothing was timed: in `shadow`, and where the request ran outside of the timed part of its slice. */
  readonly timing?: TrialTiming;
  /** Whether its arm was not dealt: the request asked for it, or it stands in for a stopped arm. Such trials are kept apart from the comparison. */
  readonly isForced: boolean;
  /** Whether its tokens were those of the reference, where they were compared. */
  readonly isIdentical?: boolean;
}

/** Times of one request, in milliseconds. */
export interface TrialTiming {
  /** Tokens after those of the first commit, and how long they took. In `switchback`: those inside the timed part of the slice. */
  readonly tokens: number;
  /** Milliseconds that they took. */
  readonly ms: number;
  /** From the call to the first token; absent where the call or the first token lies outside of the timed part. */
  readonly timeToFirstTokenMs?: number;
  /** 99th percentile of the time between two tokens; tokens of one commit come at once. Absent with fewer than two tokens. */
  readonly interTokenP99Ms?: number;
}
