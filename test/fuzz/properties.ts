// What no input may do: crash, hang, fill the memory, or end in an error that is not ours. Used with few runs by `npm test`, with many by the full tests.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { architectureOf, ARCHITECTURES } from '../../core/architectures/architecture-of.js';
import { ConfigFields } from '../../core/architectures/config-fields.js';
import { checkHeaderLength, parseSafetensorsHeader } from '../../core/checkpoint/safetensors.js';
import { readTorchTensors } from '../../core/checkpoint/pickle/torch-file.js';
import { parseStrictJsonObject } from '../../core/checkpoint/strict-json.js';
import { ForetokenError } from '../../core/index.js';
import { parseEngineOptions, parseGenerateRequest, parseScoreRequest } from '../../core/options.js';
import { loadTokenizer } from '../../core/tokenizer/tokenizer.js';
import { llamaLike, metaspace, wordPiece, wordSuffix } from '../fixtures/tokenizers.js';

export interface Property {
  readonly what: string;
  /** Runs until `numRuns` or `ms`, whichever comes first; rejects with the smallest input that breaks it. */
  readonly check: (limits: { readonly numRuns: number; readonly ms: number; readonly seed: number }) => Promise<void>;
}

const ROOT = join(import.meta.dirname, '../fixtures');
const json = (file: string): Record<string, unknown> => JSON.parse(readFileSync(join(ROOT, file), 'utf8')) as Record<string, unknown>;

/** Numbers at the edges of what files and code count with, and values of every other kind. */
const oddValue: fc.Arbitrary<unknown> = fc.oneof(
  fc.constantFrom(null, true, false, '', 0, -0, 1, -1, 0.5, 2 ** 31, 2 ** 32, 2 ** 53, 2 ** 64, 1e308, -1e308, 1e-320, 'NaN', '__proto__', 'constructor', [], {}, [[]], [null]),
  fc.integer(), fc.double(), fc.string(), fc.jsonValue({ maxDepth: 3 }),
);

/** A JSON document with some of its places, found by walking it at random, replaced, removed or doubled. */
function mutated(document: unknown, changes: number): fc.Arbitrary<unknown> {
  const change = fc.record({ path: fc.array(fc.nat(), { minLength: 1, maxLength: 6 }), value: oddValue, kind: fc.constantFrom('replace', 'remove', 'double', 'rename') });
  return fc.array(change, { minLength: 1, maxLength: changes }).map((list) => {
    const copy = structuredClone(document);
    for (const { path, value, kind } of list) changeAt(copy, path, value, kind);
    return copy;
  });
}

function changeAt(document: unknown, path: readonly number[], value: unknown, kind: string): void {
  let at = document as Record<string, unknown>;
  for (const [i, step] of path.entries()) {
    const keys = Object.keys(at);
    if (keys.length === 0) return;
    const key = keys[step % keys.length]!;
    const next = at[key];
    if (i < path.length - 1 && typeof next === 'object' && next !== null) { at = next as Record<string, unknown>; continue; }
    if (kind === 'remove') delete at[key];
    else if (kind === 'double') at[key] = [next, next];
    else if (kind === 'rename') { delete at[key]; at[`${key}_`] = next; }
    else at[key] = value;
    return;
  }
}

/** Bytes with some runs changed, cut out, repeated or overwritten. */
function mutatedBytes(bytes: Uint8Array): fc.Arbitrary<Uint8Array> {
  const change = fc.record({ at: fc.nat(), length: fc.integer({ min: 1, max: 40 }), byte: fc.oneof(fc.constantFrom(0, 1, 0x7f, 0x80, 0xff), fc.nat(255)), kind: fc.constantFrom('set', 'cut', 'repeat', 'end', 'flip') });
  return fc.array(change, { minLength: 1, maxLength: 6 }).map((list) => {
    let now = Buffer.from(bytes);
    for (const { at, length, byte, kind } of list) {
      if (now.length === 0) break;
      const start = at % now.length;
      if (kind === 'end') now = now.subarray(0, start);
      else if (kind === 'cut') now = Buffer.concat([now.subarray(0, start), now.subarray(start + length)]);
      else if (kind === 'repeat') now = Buffer.concat([now.subarray(0, start + length), now.subarray(start)]);
      else { now = Buffer.from(now); if (kind === 'set') now[start] = byte; else now[start]! ^= 1 << (byte % 8); }
    }
    return now;
  });
}

/** Runs it; an error of ours is an answer like any other. */
async function onlyOurs<T>(run: () => T | Promise<T>, then?: (value: T) => void | Promise<void>): Promise<void> {
  let value: T;
  try {
    value = await run();
  } catch (error) {
    if (ForetokenError.isInstance(error) && error.message.length > 10) return;
    throw error;
  }
  await then?.(value);
}

function property<T>(what: string, arbitrary: fc.Arbitrary<T>, run: (value: T) => Promise<void>): Property {
  return {
    what,
    check: ({ numRuns, ms, seed }) => fc.assert(fc.asyncProperty(arbitrary, run), { numRuns, seed, interruptAfterTimeLimit: ms, markInterruptAsFailure: false }),
  };
}

function headerProperties(): Property[] {
  const text = JSON.stringify({ __metadata__: { format: 'pt' }, a: { dtype: 'F32', shape: [2, 3], data_offsets: [0, 24] }, b: { dtype: 'BF16', shape: [4], data_offsets: [24, 32] } });
  const parse = (bytes: Uint8Array): Promise<void> => onlyOurs(() => parseSafetensorsHeader(bytes, 8 + bytes.length + 32, 'model.safetensors'), ({ tensors }) => {
    for (const { offset, bytes: size } of tensors.values()) if (offset < 8 + bytes.length || offset + size > 8 + bytes.length + 32) throw new Error('a tensor reaches out of its file');
  });
  return [
    property('safetensors headers of any bytes', fc.uint8Array({ maxLength: 200 }), parse),
    property('safetensors headers with changed bytes', mutatedBytes(Buffer.from(text)), parse),
    property('safetensors headers with changed fields', mutated(JSON.parse(text), 4), (value) => parse(Buffer.from(JSON.stringify(value)))),
    property('lengths of safetensors headers', fc.tuple(fc.uint8Array({ minLength: 8, maxLength: 8 }), fc.nat()), ([prefix, size]) => onlyOurs(() => checkHeaderLength(prefix, size + 8, 'model.safetensors'), (length) => {
      if (length > size) throw new Error('a header longer than its file');
    })),
  ];
}

function configProperties(): Property[] {
  const configs = [
    ...['llama-3.1-8b-instruct', 'qwen2.5-3b', 'phi-3.5-mini'].map((name) => json(`checkpoints/configs/${name}.json`)),
    ...['gemma3', 'phi3-longrope', 'qwen3-moe', 'mistral-sliding'].map((name) => json(`golden/${name}/config.json`)),
    ...['gemma2', 'olmo2', 'granite', 'smollm3', 'mixtral'].map((model_type) => ({ ...json('golden/qwen3-moe/config.json'), model_type, architectures: ARCHITECTURES.find(({ name }) => name === model_type)!.classes.slice(0, 1) })),
  ];
  const describe = (value: unknown): Promise<void> => onlyOurs(() => {
    const config = parseStrictJsonObject(JSON.stringify(value), 'config.json');
    const architecture = architectureOf(config, 'config.json');
    return architecture.describe(new ConfigFields(config, 'config.json'));
  }, (plan) => {
    let seen = 0;
    for (const { shape } of plan.tensors()) {
      if (!shape.every((size) => Number.isInteger(size) && size > 0)) throw new Error(`a tensor of shape ${shape}`);
      if (++seen > 100) break;   // lazily: a config may ask for any number
    }
    for (const { inverseFrequencies, scale } of plan.description.ropes) if (![scale, ...inverseFrequencies].every(Number.isFinite)) throw new Error('a rotary table of no numbers');
  });
  return [property('config.json with changed fields', fc.oneof(...configs.map((config) => mutated(config, 3))), describe), property('config.json of any JSON', fc.jsonValue(), describe)];
}

function tokenizerProperties(folder: string): Property[] {
  const files = [llamaLike(), metaspace(), wordPiece(), wordSuffix()];
  const input = fc.record({ tokenizer: fc.oneof(...files.map((file) => mutated(file, 3))), config: fc.oneof(fc.constant({}), mutated({ bos_token: '<s>', add_bos_token: true, additional_special_tokens: ['</s>'] }, 2)), text: fc.string({ maxLength: 30 }) });
  return [property('tokenizer.json with changed fields', input, async ({ tokenizer, config, text }) => {
    writeFileSync(join(folder, 'tokenizer.json'), JSON.stringify(tokenizer));
    writeFileSync(join(folder, 'tokenizer_config.json'), JSON.stringify(config));
    await onlyOurs(() => loadTokenizer(folder), (loaded) => onlyOurs(() => loaded?.decode(loaded.encode(text))));
  })];
}

function pickleProperties(folder: string): Property[] {
  const whole = readFileSync(join(ROOT, 'checkpoints/torch/pytorch_model.bin'));
  const place = whole.indexOf('PK', 4);
  // The archive's pickle and its directory, where what is decided stands; the numbers between them are only bytes.
  const pieces = fc.oneof(mutatedBytes(whole.subarray(0, Math.min(place, 20_000))).map((head) => Buffer.concat([head, whole.subarray(Math.min(place, 20_000))])), mutatedBytes(whole.subarray(-6000)).map((tail) => Buffer.concat([whole.subarray(0, -6000), tail])));
  const file = join(folder, 'pytorch_model.bin');
  return [property('PyTorch files with changed bytes', pieces, async (bytes) => {
    writeFileSync(file, bytes);
    await onlyOurs(() => readTorchTensors(file), ({ tensors }) => {
      for (const { offset, bytes: size } of tensors.values()) if (offset < 0 || offset + size > bytes.length) throw new Error('a tensor reaches out of its file');
    });
  })];
}

function requestProperties(): Property[] {
  const request = { prompt: 'a', maxTokens: 3, temperature: 0.5, topK: 4, topP: 0.5, minP: 0.1, seed: 1, n: 2, stop: ['x'], ignoreEos: true, trace: true, strategy: { name: 'prompt-lookup', length: 3 } };
  const options = { model: 'm', strategy: 'off', dtype: 'f32', kvDtype: 'f32', maxSequences: 4, maxTokensPerSequence: 40, kvPages: 4, prefillChunk: 8, threads: 1, proposeBudgetMs: 10, measure: false };
  return [
    property('requests with changed fields', fc.oneof(mutated(request, 3), oddValue), (value) => onlyOurs(() => void parseGenerateRequest(value))),
    property('engine options with changed fields', fc.oneof(mutated(options, 3), oddValue), (value) => onlyOurs(() => void parseEngineOptions(value))),
    property('score requests with changed fields', fc.oneof(mutated({ tokens: [1, 2], rows: [0], tree: { tokens: [1], parents: [-1] } }, 3), oddValue), (value) => onlyOurs(() => void parseScoreRequest(value))),
  ];
}

/** All properties, and what to call when they are done. */
export function properties(): { readonly all: readonly Property[]; readonly cleanUp: () => void } {
  const folder = mkdtempSync(join(tmpdir(), 'foretoken-fuzz-'));
  return {
    all: [...headerProperties(), ...configProperties(), ...tokenizerProperties(folder), ...pickleProperties(folder), ...requestProperties()],
    cleanUp: () => rmSync(folder, { recursive: true, force: true }),
  };
}
