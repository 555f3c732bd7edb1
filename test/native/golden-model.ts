// Runs one checkpoint on the native runtime without anything above it: what the golden tests and tests of numbers need.
import { copyFileSync, cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describeCheckpoint, readCheckpoint } from '../../core/checkpoint/checkpoint.js';
import { readSafetensorsHeader, readTensorBytes } from '../../core/checkpoint/safetensors.js';
import type { ModelDescription } from '../../core/description.js';
import type { NativeForward, NativeModel, NativeRuntime, NativeSampler, NativeSession, NativeTensor } from '../../core/native/types.js';

export type Dtype = 'f32' | 'bf16';

/** Arrays `[rows, vocab]` and `[rows, hidden]`, in the order of the rows that went in. */
export interface Scored {
  readonly logits: Float32Array;
  readonly final: Float32Array;
  /** Residual streams asked for, `[rows, taps * hidden]`. */
  readonly taps?: Float32Array;
}

export interface Tree {
  readonly tokens: readonly number[];
  readonly parents: readonly number[];
}

const MAX_SEQUENCES = 4;
const MAX_TOKENS = 256;
const GREEDY: NativeSampler = { temperature: 0, topK: 0, topP: 1, minP: 0, seed: 0n, sample: 0, stream: 0 };

export class GoldenModel {
  private constructor(readonly description: ModelDescription, private readonly runtime: NativeRuntime, private readonly model: NativeModel, private readonly session: NativeSession) {}

  /** @param config another file of the folder to take for its config.json */
  static async load(runtime: NativeRuntime, folder: string, dtype: Dtype, config?: string): Promise<GoldenModel> {
    const copy = config === undefined ? undefined : mkdtempSync(join(tmpdir(), 'foretoken-golden-'));
    try {
      if (copy !== undefined && config !== undefined) {
        cpSync(folder, copy, { recursive: true });
        copyFileSync(join(folder, config), join(copy, 'config.json'));
      }
      const { description, tensors } = describeCheckpoint(await readCheckpoint(copy ?? folder));
      const model = await runtime.loadModel(description, tensors, dtype);
      // A page holds 64 positions; every sequence may fill its length, and hold a tree besides.
      const session = model.createSession({ maxSequences: MAX_SEQUENCES, maxTokens: MAX_TOKENS, pages: MAX_SEQUENCES * (MAX_TOKENS / 64 + 2), kvDtype: dtype });
      return new GoldenModel(description, runtime, model, session);
    } finally {
      if (copy !== undefined) rmSync(copy, { recursive: true, force: true });
    }
  }

  /** The prompt as known text, in passes of at most `chunk` rows. */
  async text(tokens: readonly number[], { taps, chunk = tokens.length }: { readonly taps?: readonly number[]; readonly chunk?: number } = {}): Promise<Scored> {
    const sequence = this.open(tokens.length);
    const parts: Scored[] = [];
    for (let start = 0; start < tokens.length; start += chunk) parts.push(await this.read(this.known([[sequence, tokens.slice(start, start + chunk)]], taps)));
    this.session.close(sequence);
    return { logits: join32(parts.map(({ logits }) => logits)), final: join32(parts.map(({ final }) => final)), ...(taps === undefined ? {} : { taps: join32(parts.map((part) => part.taps!)) }) };
  }

  /** Plain greedy decoding through the cache, one row a pass; no token ends it. */
  async greedy(prompt: readonly number[], count: number): Promise<number[]> {
    const sequence = this.open(prompt.length);   // no text of the references crosses the length where the table changes
    const output: number[] = [];
    for (let next = prompt; output.length < count; next = output.slice(-1)) {
      const { hidden } = this.known([[sequence, next]]);
      const length = this.session.length(sequence);
      const choice = this.model.choose(hidden, {
        samplers: [GREEDY], rowSampler: new Int32Array(next.length), positions: Int32Array.from(next, (_, i) => length - next.length + i), positionOffset: 1,
      });
      const [chosen] = await this.runtime.read([choice]);
      output.push(chosen!.at(-1)!);
    }
    this.session.close(sequence);
    return output;
  }

  /** Trees behind prompts, all in one pass; one result per tree. */
  async trees(items: readonly (Tree & { readonly prompt: readonly number[] })[]): Promise<Scored[]> {
    const sequences = items.map(() => this.session.open());
    this.known(items.map(({ prompt }, i) => [sequences[i]!, prompt]));
    const all = await this.read(this.tentative(items, sequences));
    for (const sequence of sequences) this.session.close(sequence);
    return this.split(all, items.map(({ tokens }) => tokens.length));
  }

  /** A prompt, then trees one after the other, each behind what the one before kept (`path`: rows of the tree). */
  async rounds(prompt: readonly number[], steps: readonly (Tree & { readonly path: readonly number[] })[]): Promise<Scored[]> {
    const sequence = this.session.open();
    this.known([[sequence, prompt]]);
    const results: Scored[] = [];
    for (const step of steps) {
      results.push(await this.read(this.tentative([step], [sequence])));
      this.session.commit(Int32Array.of(sequence), Int32Array.from(step.path));
    }
    this.session.close(sequence);
    return results;
  }

  pages(): { readonly used: number; readonly total: number } {
    return this.session.pages();
  }

  dispose(): void {
    this.session.dispose();
    this.model.dispose();
  }

  private open(length: number): number {
    const sequence = this.session.open();
    if (length > (this.description.longFrom ?? Infinity)) this.session.setLong(sequence, true);
    return sequence;
  }

  private known(texts: readonly (readonly [sequence: number, tokens: readonly number[]])[], taps?: readonly number[]): NativeForward {
    const rows = texts.flatMap(([sequence, tokens]) => tokens.map((token) => [sequence, token] as const));
    return this.session.forward({
      sequences: Int32Array.from(rows, ([sequence]) => sequence), tokens: Int32Array.from(rows, ([, token]) => token), known: new Uint8Array(rows.length).fill(1),
    }, taps);
  }

  private tentative(trees: readonly Tree[], sequences: readonly number[]): NativeForward {
    return this.session.forward({
      sequences: Int32Array.from(trees.flatMap(({ tokens }, i) => tokens.map(() => sequences[i]!))),
      tokens: Int32Array.from(trees.flatMap(({ tokens }) => tokens)),
      parents: Int32Array.from(trees.flatMap(({ parents }) => parents)),
    });
  }

  private async read({ hidden, taps }: NativeForward): Promise<Scored> {
    const wanted: NativeTensor[] = [this.model.head(hidden), hidden, ...(taps === undefined ? [] : [taps])];
    const [logits, final, streams] = (await this.runtime.read(wanted)) as Float32Array[];
    for (const tensor of wanted) tensor.dispose();
    return { logits: logits!, final: final!, ...(streams === undefined ? {} : { taps: streams }) };
  }

  private split({ logits, final }: Scored, counts: readonly number[]): Scored[] {
    const { vocabSize, hiddenSize } = this.description;
    let start = 0;
    return counts.map((count) => {
      const end = start + count;
      const part = { logits: logits.subarray(start * vocabSize, end * vocabSize), final: final.subarray(start * hiddenSize, end * hiddenSize) };
      start = end;
      return part;
    });
  }
}

/** The F32 arrays of a file of expectations. */
export async function readArrays(file: string): Promise<Map<string, Float32Array>> {
  const { tensors } = await readSafetensorsHeader(file);
  const arrays = new Map<string, Float32Array>();
  for (const tensor of tensors.values()) {
    if (tensor.dtype !== 'F32') throw new Error(`${tensor.name} in ${file} is ${tensor.dtype}`);
    arrays.set(tensor.name, new Float32Array((await readTensorBytes(tensor)).buffer));
  }
  return arrays;
}

export function readJson<T>(file: string): T {
  return JSON.parse(readFileSync(file, 'utf8')) as T;
}

function join32(parts: readonly Float32Array[]): Float32Array {
  const joined = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}
