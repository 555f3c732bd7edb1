import type { CheckpointSummary, Plan, TargetDescription } from '../../core/strategy.js';

/** Vocabularies are padded to multiples of this at most when no tokenizer says how many tokens there are. */
const PADDING = 128;

const BYTES: Readonly<Record<string, number>> = { F64: 8, F32: 4, F16: 2, BF16: 2, I64: 8, I32: 4, U8: 1 };

/** Tensors of layers that read hidden states of a target, which no model of its own has. */
const ON_STATES = /^(model\.)?(fc|fusion_fc|eh_proj|midlayer)\.|\.hidden_norm\.weight$/;

/** Whether a checkpoint is a model at all: heads lie in folders that look alike, and some hold a copy of the target's embedding. */
export function modelProblem({ path, tensors }: CheckpointSummary): { message: string; remedy: string } | undefined {
  const names = [...tensors.keys()];
  const foreign = names.find((name) => ON_STATES.test(name));
  if (foreign === undefined && names.some(isEmbedding)) return undefined;
  const found = foreign === undefined ? `found ${names.length} tensors, the first "${names[0] ?? ''}"` : `found "${foreign}", which belongs to a head`;
  return {
    message: `${path} holds no model of its own: expected tensors such as "model.embed_tokens.weight" and "model.layers.0.self_attn.q_proj.weight", ${found}.`,
    remedy: 'Heads run with the strategy that they were made for, as its `head`; name the folder of a smaller model with the tokenizer of the target here.',
  };
}

/**
 * Whether the two models mean the same by a token id. Tokenizers are compared by fingerprint; padded vocabulary sizes may differ, as rows past
 * the tokenizer's tokens mean nothing. Without a tokenizer on one side only the sizes can be compared.
 */
export function vocabularyProblem(draft: CheckpointSummary, target: TargetDescription): { message: string; remedy: string } | undefined {
  if (draft.vocabulary !== undefined && target.vocabulary !== '') {
    if (draft.vocabulary === target.vocabulary) return undefined;
    return {
      message: `the draft model at ${draft.path} has another tokenizer than the target.`,
      remedy: 'Choose a draft model of the same family: token ids must mean the same text in both.',
    };
  }
  const size = vocabSizeOf(draft);
  if (size === undefined || Math.ceil(size / PADDING) === Math.ceil(target.model.vocabSize / PADDING)) return undefined;
  return {
    message: `the draft model at ${draft.path} has ${size} tokens and the target ${target.model.vocabSize}, and without both tokenizers nothing says that their ids agree.`,
    remedy: 'Put the tokenizer.json of each model into its folder, or choose a draft model with the same vocabulary.',
  };
}

/** Bytes on the device, from the tensor headers and config.json. Weights count as stored. */
export function memoryOf(draft: CheckpointSummary, target: TargetDescription): Plan['bytes'] {
  let weights = 0;
  for (const { dtype, shape } of draft.tensors.values()) weights += shape.reduce((product, size) => product * size, BYTES[dtype.toUpperCase()] ?? 4);
  const heads = numberIn(draft, 'num_attention_heads') ?? 1;
  const headDim = numberIn(draft, 'head_dim') ?? (numberIn(draft, 'hidden_size') ?? 0) / heads;
  const values = 2 * (numberIn(draft, 'num_hidden_layers') ?? 0) * (numberIn(draft, 'num_key_value_heads') ?? heads) * headDim;
  return { weights, perToken: values * (target.kvDtype === 'f32' ? 4 : 2), perSequence: 0 };
}

function vocabSizeOf(draft: CheckpointSummary): number | undefined {
  const embedding = [...draft.tensors].find(([name]) => isEmbedding(name));
  return embedding?.[1].shape[0] ?? numberIn(draft, 'vocab_size');
}

function isEmbedding(name: string): boolean {
  return name.endsWith('embed_tokens.weight');
}

function numberIn({ config }: CheckpointSummary, field: string): number | undefined {
  const value = config[field];
  return typeof value === 'number' ? value : undefined;
}
