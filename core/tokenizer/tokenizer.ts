// Text to tokens and back, over `@huggingface/tokenizers`. Deliberately absent: chat templates, truncation, padding.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Tokenizer as HuggingFaceTokenizer } from '@huggingface/tokenizers';
import { TokenizerError } from '../errors.js';
import { bytesOfPiece, decodesBytes, unmappedBytes } from './byte-level.js';
import { ByteDetokenizer, type Detokenizer, WindowDetokenizer } from './detokenizer.js';
import { type TokenizerJson, fingerprintOf } from './fingerprint.js';
import { convertSentencePiece } from './sentencepiece.js';
import { checkSupported } from './supported.js';

/** The tokenizer of one model folder. Immutable and shared by all requests. */
export class Tokenizer {
  /** One more than the highest id that has a piece. A model's vocabulary may be padded beyond it. */
  readonly size: number;
  /** Ids of special tokens: they take part in the text that the model sees and never in text that is shown. */
  readonly specialIds: ReadonlySet<number>;
  private readonly bos: number | undefined;
  private readonly addedText = new Map<number, string>();
  private readonly bytesById: (Uint8Array | undefined)[] | undefined;
  private cachedFingerprint: string | undefined;

  /** @internal Use {@link loadTokenizer}. */
  constructor(private readonly inner: HuggingFaceTokenizer, private readonly json: TokenizerJson, config: TokenizerConfig, private readonly file: string) {
    const special = new Set<number>();
    for (const [id, token] of inner.get_added_tokens_decoder()) {
      this.addedText.set(id, token.content);
      if (token.special) special.add(id);
    }
    for (const token of config.additional_special_tokens ?? []) {
      const id = inner.token_to_id(contentOf(token) ?? '');
      if (id !== undefined) special.add(id);
    }
    this.specialIds = special;
    this.size = [...inner.get_vocab().values()].reduce((highest, id) => Math.max(highest, id), -1) + 1;
    this.bytesById = decodesBytes(json.decoder) ? new Array<Uint8Array | undefined>(this.size) : undefined;
    this.bos = config.add_bos_token === true ? this.idOf(contentOf(config.bos_token) ?? '') : undefined;
  }

  /**
   * Tokens of a text. Special tokens written out in `text` become special tokens.
   *
   * @param options addSpecialTokens: whether to put in what the model expects around a text, such as a begin token. Default true.
   * @returns i32 ids `[tokens]`; none for an empty text without special tokens
   * @throws TokenizerError when the vocabulary cannot spell the text
   */
  encode(text: string, options: { readonly addSpecialTokens?: boolean } = {}): Int32Array {
    const addSpecialTokens = options.addSpecialTokens ?? true;
    const { ids, tokens } = this.ofFile(() => this.inner.encode(text, { add_special_tokens: addSpecialTokens }));
    const unknown = ids.findIndex((id: number | null | undefined) => id === undefined || id === null);
    if (unknown >= 0) throw new TokenizerError(`${this.file}: the vocabulary cannot spell the text and has no unknown token to stand for what is missing (after ${JSON.stringify(tokens.slice(Math.max(0, unknown - 8), unknown).join(''))})`);
    // Some files leave the begin token to `add_bos_token` instead of a post-processor.
    if (addSpecialTokens && this.bos !== undefined && ids[0] !== this.bos) ids.unshift(this.bos);
    return Int32Array.from(ids);
  }

  /** The text of a whole token sequence: special tokens, and ids that have no piece, are left out; nothing is tidied up. */
  decode(tokens: Iterable<number>): string {
    const detokenizer = this.detokenizer();
    return detokenizer.push([...tokens]) + detokenizer.flush();
  }

  /**
   * A detokeniser for one growing text: what it returns, joined, is the decoded whole, however the tokens are split into blocks.
   *
   * @param after tokens that stand before the text, such as the prompt: a leading space that only the start of a text would lose is kept
   */
  detokenizer(after: ArrayLike<number> = []): Detokenizer {
    if (this.bytesById !== undefined) return new ByteDetokenizer((id) => this.bytesOf(id), after);
    return new WindowDetokenizer((ids) => this.wholeText(ids), (id: number) => this.isText(id), after);
  }

  /** Id of a token by its exact piece or content, e.g. `<|endoftext|>`. */
  idOf(token: string): number | undefined {
    return this.inner.token_to_id(token);
  }

  /** Equal for two tokenizers exactly when they give the same ids to the same pieces: vocabulary, merges, added tokens, normaliser and pre-tokeniser. Hex. */
  get fingerprint(): string {
    return this.cachedFingerprint ??= fingerprintOf(this.json);
  }

  /** Some faults of a file show only when text meets them. */
  private ofFile<T>(run: () => T): T {
    try {
      return run();
    } catch (error) {
      throw unusable(this.file, error);
    }
  }

  private isText(id: number): boolean {
    return !this.specialIds.has(id) && this.inner.id_to_token(id) !== undefined;
  }

  private wholeText(ids: readonly number[]): string {
    return ids.length === 0 ? '' : this.ofFile(() => this.inner.decode([...ids], { skip_special_tokens: true, clean_up_tokenization_spaces: false }));
  }

  private bytesOf(id: number): Uint8Array | undefined {
    const known = this.bytesById?.[id];
    if (known !== undefined) return known;
    if (!this.isText(id)) return undefined;
    const added = this.addedText.get(id);
    const bytes = added === undefined ? bytesOfPiece(this.inner.id_to_token(id) ?? '') : unmappedBytes(added);
    if (this.bytesById !== undefined) this.bytesById[id] = bytes;
    return bytes;
  }
}

/**
 * The tokenizer of a model folder: `tokenizer.json`, or else the SentencePiece model `tokenizer.model`, and `tokenizer_config.json` where there is one.
 *
 * @returns undefined when the folder has neither, or one of a kind that is not converted: such a model works token in, token out; {@link missingTokenizer} says why text does not
 * @throws TokenizerError naming the file and its fault
 */
export async function loadTokenizer(folder: string): Promise<Tokenizer | undefined> {
  const found = await readTokenizer(folder);
  if (found === undefined || 'why' in found) return undefined;
  const { json, config, file } = found;
  try {
    return new Tokenizer(new HuggingFaceTokenizer(completed(json), config), json, config, file);
  } catch (error) {
    throw unusable(file, error);
  }
}

function unusable(file: string, error: unknown): TokenizerError {
  return new TokenizerError(`${file}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
}

/** Fingerprint of a folder's tokenizer without building it (see {@link Tokenizer.fingerprint}); undefined where {@link loadTokenizer} finds none. */
export async function vocabularyFingerprint(folder: string): Promise<string | undefined> {
  const found = await readTokenizer(folder);
  return found === undefined || 'why' in found ? undefined : fingerprintOf(found.json);
}

/** Why there is no text in a folder for which {@link loadTokenizer} found nothing, and what to do: the message of the error once text is asked for. */
export async function missingTokenizer(folder: string): Promise<string> {
  const file = join(folder, 'tokenizer.json');
  const remedy = 'or give `promptTokens` instead of a prompt, and no stop strings';
  const found = await readTokenizer(folder);
  if (found === undefined || !('why' in found)) return `${file} does not exist, so this model has no text: add the file, ${remedy}.`;
  return `${found.why}, and is not read. Save the tokenizer as ${file} (in Python: ` +
    `AutoTokenizer.from_pretrained(folder, use_fast=True).save_pretrained(folder)), ${remedy}.`;
}

interface Found {
  readonly json: TokenizerJson;
  readonly config: TokenizerConfig;
  /** Where the pieces come from. */
  readonly file: string;
}

async function readTokenizer(folder: string): Promise<Found | { readonly why: string } | undefined> {
  const file = join(folder, 'tokenizer.json'), older = join(folder, 'tokenizer.model');
  const json = await readJson(file);
  const bytes = json === undefined ? await readIfThere(older) : undefined;
  if (json === undefined && bytes === undefined) return undefined;
  const config = (await readJson(join(folder, 'tokenizer_config.json')) ?? {}) as TokenizerConfig;
  if (json !== undefined) {
    checkSupported(json, file);
    return { json, config, file };
  }
  try {
    return { json: convertSentencePiece(bytes!, older, config.add_bos_token !== false), config, file: older };   // one of the two was read
  } catch (error) {
    if (error instanceof TokenizerError) return { why: error.message };
    throw error;
  }
}

interface TokenizerConfig {
  readonly bos_token?: unknown;
  readonly add_bos_token?: unknown;
  readonly additional_special_tokens?: readonly unknown[] | null;
}

/** What the library needs to see. A BPE model without unknown token drops what it cannot spell; given one that has no id, it leaves a mark that `encode` finds. */
function completed(json: TokenizerJson): object {
  const model = json.model.type === 'BPE' ? { ...json.model, unk_token: json.model.unk_token ?? '<unspellable>' } : json.model;
  return { normalizer: null, pre_tokenizer: null, post_processor: null, decoder: null, added_tokens: [], ...json, model };
}

/** Tokens stand in configurations as text or as `{ content }`. */
function contentOf(token: unknown): string | undefined {
  if (typeof token === 'string') return token;
  const content = typeof token === 'object' && token !== null ? (token as { content?: unknown }).content : undefined;
  return typeof content === 'string' ? content : undefined;
}

async function readIfThere(file: string): Promise<Buffer | undefined> {
  try {
    return await readFile(file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new TokenizerError(`${file} cannot be read: ${(error as Error).message}`, { cause: error });
  }
}

async function readJson(file: string): Promise<TokenizerJson | undefined> {
  const text = (await readIfThere(file))?.toString('utf8');
  if (text === undefined) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new TokenizerError(`${file} is not JSON: ${(error as Error).message}`, { cause: error });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new TokenizerError(`${file} holds ${Array.isArray(value) ? 'a list' : String(value)}, expected an object`);
  return value as TokenizerJson;
}
