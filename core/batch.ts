import { Acceptance } from './budget.js';
import type { ChosenLogprob } from './logprobs.js';
import type { GenerateOptions } from './options.js';
import type { Run, SampleResult } from './run.js';
import { RunningSequence } from './sequence.js';
import type { StrategyInstance } from './strategy-instance.js';
import type { Commit, Guarantee } from './strategy.js';
import type { LoopSettings } from './target.js';
import type { TraceEntry } from './trace.js';
import type { TextStream } from './tokenizer/stop.js';

/** One call of `generate`: its options and the samples that have finished. */
export interface Request {
  readonly id: number;
  readonly options: GenerateOptions;
  readonly prompt: Int32Array;
  /** Tokens that end its texts. */
  readonly endTokens: Int32Array;
  /** Text that stands before that of every sample. */
  readonly echoed: string;
  readonly run: Run;
  /** Under which it runs now, or will when it joins. */
  strategy: StrategyInstance | undefined;
  /** Weakest promise of the strategies that it has run under. */
  guarantee: Guarantee;
  /** The names by which its strategy was chosen: setting one of them anew may move it. */
  readonly names: readonly string[];
  /** Set when it is to change its strategy before the next pass. */
  next?: { readonly strategy: StrategyInstance | undefined };
  /** Any of them ends the request at the next commit. */
  readonly signals: readonly AbortSignal[];
  readonly calledAt: number;
  /** Makes the streaming text of one sample; undefined without a tokenizer. */
  readonly openText: () => TextStream | undefined;
  readonly samples: (SampleResult | undefined)[];
}

/** Tokens that end the texts of a request. */
export function endTokensOf({ stopTokens, ignoreEos }: GenerateOptions, { eosTokenIds }: Pick<LoopSettings, 'eosTokenIds'>): Int32Array {
  return Int32Array.from(new Set([...stopTokens, ...(ignoreEos ? [] : eosTokenIds)]));
}

/** Rows of the last pass that its strategy has not been told of: indices into that pass, and what was committed with them. */
export interface Unseen {
  readonly firstPosition: number;
  readonly rows: number[];
  commit: Commit | undefined;
}

/** Counters behind `RunStats`. */
export class MemberStats {
  iterations = 0;
  drafted = 0;
  accepted = 0;
  faults = 0;
  bypassed = 0;
  maxConcurrent = 0;
  draftMs = 0;
  verifyMs = 0;
  commitMs = 0;
  firstPassAt = 0;
  firstTokenAt = 0;
  readonly acceptedPerPosition: number[] = [];
}

/** One running sample of a request, between its prompt and its end. */
export class Member {
  readonly acceptance = new Acceptance();
  readonly stats = new MemberStats();
  readonly text: TextStream | undefined;
  readonly trace: TraceEntry[] = [];
  readonly logprobs: ChosenLogprob[] = [];
  /** Text so far. */
  written: string;
  /** What drafts for it now; undefined: it decodes plainly. */
  strategy: StrategyInstance | undefined;
  unseen: Unseen | undefined;
  /** Row of the last pass that holds the state after the token before the pending one; -1: that pass had none. */
  lastRow = -1;
  /** Whether its strategy has been told all text up to the pending token, as `hidden` needs it. */
  isObserved = false;
  /** Positions before this one run again; its strategy has heard them. */
  told = 0;
  /** Gave its pages to the others and waits for room. */
  isPaused = false;
  /** Samples still to be forked from it once its prompt is in. */
  forks: number;
  /** Throws and slow calls in a row; see `steps/faults.ts`. */
  strikes = 0;

  constructor(readonly request: Request, readonly sequence: RunningSequence, readonly slot: number, forks: number) {
    this.strategy = request.strategy;
    this.text = request.openText();
    this.written = request.echoed;
    this.forks = forks;
  }
}

/** The running sequences and those that wait for a place. Sequences join and leave between iterations. */
export class Batch {
  readonly members: Member[] = [];
  private readonly waiting: Request[] = [];
  private nextSequence = 0;

  /** @param hasRoom whether there are pages for the prompt of a request besides those of the members */
  constructor(private readonly maxSequences: number, private readonly openSlot: () => number, private readonly hasRoom: (request: Request, members: readonly Member[]) => boolean = () => true) {}

  get isEmpty(): boolean {
    return this.members.length === 0 && this.waiting.length === 0;
  }

  add(request: Request): void {
    this.waiting.push(request);
  }

  /** Lets waiting requests in, first come first served, as far as there are places and pages for all their samples. A text alone is always let in. */
  join(): Request[] {
    const joined: Request[] = [];
    let taken = this.members.reduce((sum, { forks }) => sum + 1 + forks, 0);
    for (let next = this.waiting[0]; next !== undefined && taken + next.options.n <= this.maxSequences && (this.members.length === 0 || this.hasRoom(next, this.members)); next = this.waiting[0]) {
      this.waiting.shift();
      taken += next.options.n;
      this.members.push(new Member(next, this.sequenceOf(next, 0), this.openSlot(), next.options.n - 1));
      joined.push(next);
    }
    return joined;
  }

  sequenceOf({ prompt, options, endTokens }: Request, sample: number): RunningSequence {
    return new RunningSequence(this.nextSequence++, prompt, options.sampling, sample, endTokens);
  }

  remove(member: Member): void {
    const at = this.members.indexOf(member);
    if (at >= 0) this.members.splice(at, 1);
  }

  /** Lets requests whose strategy was chosen by a name go over to another before the next pass. */
  move(name: string, strategy: StrategyInstance | undefined): void {
    for (const request of this.waiting) {
      if (!request.names.includes(name)) continue;
      request.strategy = strategy;   // it has not begun
      request.guarantee = strategy?.guarantee ?? 'identical';
    }
    for (const { request } of this.members) if (request.names.includes(name)) request.next = { strategy };
  }

  /** Takes out the waiting requests that `isOver`. */
  dropWaiting(isOver: (request: Request) => boolean): Request[] {
    const dropped = this.waiting.filter(isOver);
    for (const request of dropped) this.waiting.splice(this.waiting.indexOf(request), 1);
    return dropped;
  }
}
