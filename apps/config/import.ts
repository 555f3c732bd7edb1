// Settings of vLLM and SGLang as a configuration of ours. Whatever has no equivalent is named: nothing is left out in silence.
import type { ForetokenConfig, StrategyConfig } from '../../core/index.js';
import { UsageError } from '../cli/errors.js';
import { type Settings, settingsOf } from './settings.js';

export interface Imported {
  readonly config: ForetokenConfig;
  /** What was changed on the way, and what has no equivalent; one line each. */
  readonly notes: readonly string[];
}

/**
 * @param text the JSON of `--speculative-config`, or a command line that holds it
 * @throws UsageError when it is neither
 */
export function importVllm(text: string): Imported {
  const settings = text.trim().startsWith('{') ? { 'speculative-config': parsed(text) } : settingsOf(text);
  const translation = new Translation(settings, 'vLLM');
  const speculative = translation.take('speculative-config', 'speculative_config');
  const engine = translation.engine({ model: ['model'], context: ['max-model-len'], sequences: ['max-num-seqs'], chunk: ['max-num-batched-tokens'] });
  const strategy = speculative === undefined ? undefined : vllmStrategy(new Translation(typeof speculative === 'string' ? parsed(speculative) : speculative as Settings, 'vLLM', translation.notes), engine?.model);
  return translation.result(engine, strategy);
}

/** @param text a command line, or its flags */
export function importSglang(text: string): Imported {
  const translation = new Translation(settingsOf(text), 'SGLang');
  const engine = translation.engine({ model: ['model-path', 'model'], context: ['context-length'], sequences: ['max-running-requests'], chunk: ['chunked-prefill-size'] });
  return translation.result(engine, sglangStrategy(translation));
}

function vllmStrategy(speculative: Translation, target: string | undefined): StrategyConfig | undefined {
  const model = speculative.text('model');
  const method = speculative.text('method') ?? vllmMethod(model);
  const tokens = speculative.number('num_speculative_tokens');
  const strategy = vllmDrafter(speculative, method, tokens, model === target ? undefined : model);
  const verifier = vllmVerifier(speculative);
  speculative.refuseRest('speculative-config.', {
    draft_tensor_parallel_size: 'there is one device', quantization: 'a draft model is loaded in the type of the target', revision: 'folders are local', code_revision: 'folders are local',
    max_model_len: 'a draft model holds as much text as the engine', enforce_eager: 'there are no graphs to turn off', disable_padded_drafter_batch: 'batches are not padded',
    disable_by_batch_size: 'the node budget falls with the batch by itself', disable_logprobs: 'log-probabilities are computed where a request asks for them',
    parallel_drafting: 'no strategy drafts with mask tokens', speculative_token_tree: 'give the tree to the strategy as `choices`',
  });
  return strategy === undefined ? undefined : { ...strategy, ...verifier };
}

/** vLLM guesses the method from the name of the model, too. */
function vllmMethod(model: string | undefined): string {
  if (model === undefined || model === 'ngram' || model === '[ngram]') return 'ngram';
  return ['eagle3', 'eagle', 'medusa'].find((kind) => model.toLowerCase().includes(kind)) ?? 'draft_model';
}

function vllmDrafter(speculative: Translation, method: string, tokens: number | undefined, model: string | undefined): StrategyConfig | undefined {
  switch (method) {
    case 'ngram': case 'ngram_gpu': {
      const [max, min] = [speculative.number('prompt_lookup_max'), speculative.number('prompt_lookup_min')];
      return strategyOf('prompt-lookup', { length: tokens, maxNgram: max ?? min, minNgram: min ?? max });
    }
    case 'draft_model': return strategyOf('draft-target', { draft: model, length: tokens });
    case 'medusa': return strategyOf('medusa', { head: model, heads: tokens });
    case 'eagle': case 'eagle3': return strategyOf('eagle', { head: model, tree: 'chain', depth: tokens });
    default:
      speculative.notes.push(`no equivalent: method "${method}"; the strategies are prompt-lookup, draft-target, medusa, redrafter, eagle, lookahead, and yours`);
      return undefined;
  }
}

/** Absent: vLLM's rejection sampler, whose law the exact verifier keeps too, and token by token. */
function vllmVerifier(speculative: Translation): Pick<StrategyConfig, 'verifier'> {
  const method = speculative.text('acceptance_method') ?? speculative.text('rejection_sample_method');
  const [threshold, alpha] = [speculative.number('posterior_threshold'), speculative.number('posterior_alpha')];
  if (method === 'typical_acceptance_sampler') return { verifier: { name: 'typical', ...given({ posteriorThreshold: threshold, posteriorAlpha: alpha }) } };
  if (threshold !== undefined || alpha !== undefined) speculative.notes.push('no equivalent: posterior_threshold and posterior_alpha without the typical acceptance sampler');
  if (method !== undefined && !['rejection_sampler', 'strict', 'standard', 'probabilistic'].includes(method)) speculative.notes.push(`no equivalent: acceptance method "${method}"; the exact verifier is used`);
  return {};
}

function sglangStrategy(flags: Translation): StrategyConfig | undefined {
  const algorithm = flags.text('speculative-algorithm', 'speculative-algo')?.toUpperCase();
  const head = flags.text('speculative-draft-model-path', 'speculative-draft');
  const [steps, topK, nodes] = [flags.number('speculative-num-steps'), flags.number('speculative-eagle-topk'), flags.number('speculative-num-draft-tokens')];
  const strategy = algorithm === undefined ? undefined : sglangDrafter(flags, algorithm, { head, steps, topK, nodes });
  const [single, sum] = [flags.number('speculative-accept-threshold-single') ?? 1, flags.number('speculative-accept-threshold-acc') ?? 1];
  if (sum < 1) flags.notes.push(`no equivalent: --speculative-accept-threshold-acc ${sum}; only the threshold of a single token is known`);
  flags.refuseRest('--', {
    'speculative-draft-model-revision': 'folders are local', 'speculative-token-map': 'reduced vocabularies are read from the checkpoint of the head', 'speculative-attention-mode': 'there is one kind of attention',
    'speculative-draft-model-quantization': 'a draft model is loaded in the type of the target', 'speculative-draft-attention-backend': 'there is one kind of attention',
    'speculative-ngram-capacity': 'the index holds the text of its request', 'speculative-ngram-match-type': 'matches are ranked by length, then by recency', 'speculative-ngram-branch-length': 'use `length`',
  });
  return strategy === undefined ? undefined : { ...strategy, ...(single < 1 ? { verifier: { name: 'threshold', probability: single } } : {}) };
}

interface SglangTree { readonly head: string | undefined; readonly steps: number | undefined; readonly topK: number | undefined; readonly nodes: number | undefined }

function sglangDrafter(flags: Translation, algorithm: string, { head, steps, topK, nodes }: SglangTree): StrategyConfig | undefined {
  switch (algorithm) {
    case 'EAGLE': case 'EAGLE3':
      // SGLang counts the root among its draft tokens.
      return topK === 1 ? strategyOf('eagle', { head, tree: 'chain', depth: steps }) : strategyOf('eagle', { head, depth: steps, topK, maxNodes: nodes === undefined ? undefined : nodes - 1 });
    case 'STANDALONE':
      if (topK !== undefined && topK > 1) flags.notes.push(`no equivalent: --speculative-eagle-topk ${topK} with a draft model; it drafts a chain`);
      return strategyOf('draft-target', { draft: head, length: steps });
    case 'NGRAM': case 'LOOKAHEAD': {
      const [min, max] = [flags.number('speculative-ngram-min-match-window-size'), flags.number('speculative-ngram-max-match-window-size')];
      const branches = flags.number('speculative-ngram-max-bfs-breadth');
      return strategyOf('prompt-lookup', { length: nodes === undefined ? undefined : Math.max(1, nodes - 1), minNgram: min, maxNgram: max, branches });
    }
    default:
      flags.notes.push(`no equivalent: --speculative-algorithm ${algorithm}; the strategies are prompt-lookup, draft-target, medusa, redrafter, eagle, lookahead, and yours`);
      return undefined;
  }
}

/** Settings on their way: what has been taken is gone, what is left at the end is named. */
class Translation {
  private readonly left: Map<string, unknown>;

  constructor(settings: Settings, private readonly from: string, readonly notes: string[] = []) {
    this.left = new Map(Object.entries(settings));
  }

  take(...names: readonly string[]): unknown {
    const found = names.filter((name) => this.left.has(name));
    const value = found[0] === undefined ? undefined : this.left.get(found[0]);
    for (const name of found) this.left.delete(name);
    return value ?? undefined;   // null is Python's None
  }

  text(...names: readonly string[]): string | undefined {
    const value = this.take(...names);
    return value === undefined ? undefined : String(value);
  }

  number(...names: readonly string[]): number | undefined {
    const value = this.take(...names);
    if (value === undefined) return undefined;
    const number = Number(value);
    if (!Number.isFinite(number)) throw new UsageError(`${names[0]} of ${this.from}: expected a number; got ${JSON.stringify(value)}.`);
    return number;
  }

  engine(names: { readonly model: readonly string[]; readonly context: readonly string[]; readonly sequences: readonly string[]; readonly chunk: readonly string[] }): ForetokenConfig['engine'] {
    const model = this.text(...names.model);
    const chunk = this.number(...names.chunk);
    const engine = given({
      model, maxTokensPerSequence: this.number(...names.context), maxSequences: this.number(...names.sequences), prefillChunk: chunk === undefined || chunk > 0 ? chunk : undefined,
      dtype: this.dtype('dtype'), kvDtype: this.dtype('kv-cache-dtype'),
    });
    if (model !== undefined && /^[\w-]+\/[\w.-]+$/.test(model)) this.notes.push(`model "${model}" looks like a name on a hub; engine.model is a local folder`);
    return Object.keys(engine).length === 0 ? undefined : engine;
  }

  private dtype(name: string): 'f32' | 'bf16' | undefined {
    const value = this.text(name);
    if (value === undefined || value === 'auto') return undefined;
    const known = ({ bfloat16: 'bf16', bf16: 'bf16', float32: 'f32', float: 'f32' } as const)[value];
    if (known === undefined) this.notes.push(`no equivalent: ${name} ${value}; the types are f32 and bf16`);
    return known;
  }

  refuseRest(prefix: string, reasons: Readonly<Record<string, string>>): void {
    for (const [name, value] of this.left) {
      const isOurs = prefix !== '--' || name.startsWith('speculative');
      if (isOurs) this.notes.push(`no equivalent: ${prefix}${name} ${JSON.stringify(value)}${reasons[name] === undefined ? '' : `; ${reasons[name]}`}`);
      if (isOurs) this.left.delete(name);
    }
  }

  result(engine: ForetokenConfig['engine'], strategy: StrategyConfig | undefined): Imported {
    for (const [name, value] of this.left) this.notes.push(`no equivalent: --${name} ${JSON.stringify(value)}`);
    // The options were put together by name: their types are checked when the configuration is read.
    const config = { ...(engine === undefined ? {} : { engine }), ...(strategy === undefined ? {} : { strategy: strategy as ForetokenConfig['strategy'] & object }) };
    return { config, notes: this.notes };
  }
}

function strategyOf(name: string, options: Readonly<Record<string, unknown>>): StrategyConfig {
  return { name, ...given(options) };
}

function given<T extends Readonly<Record<string, unknown>>>(options: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as { [K in keyof T]?: Exclude<T[K], undefined> };
}

function parsed(text: string): Settings {
  try {
    return JSON.parse(text) as Settings;
  } catch (error) {
    throw new UsageError(`The JSON of --speculative-config was expected: ${(error as Error).message}.`);
  }
}
