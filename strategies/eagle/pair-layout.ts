import type { Found, LayoutParts } from './layout.js';
import { addLayerTensors, qkNormOf } from './layer-tensors.js';
import { OTHER_TARGET } from './problem.js';
import { isSameVocabulary, type Vocabulary } from './vocabulary.js';

/** EAGLE-1 and 2: the pair of embedding and state is projected to the width of one; the layer's output is the next state. */
export function pairLayout(found: Found): LayoutParts {
  const { check, target, layers, layerConfig, notes } = found;
  const hidden = target.model.hiddenSize;
  const d = { ...layers, hiddenSize: hidden };
  const tensors = new Map([['inputProjection', check.real('fc.weight', [hidden, 2 * hidden], `the projection of [embedding, hidden state], both ${hidden} wide as in the target`)]]);
  if (check.has('fc.bias')) tensors.set('inputProjection.bias', check.real('fc.bias', [hidden], 'the bias of fc'));
  const norms = normsOf(found);
  if (norms.halves.has('enorm')) tensors.set('embeddingNorm', check.real('enorm.weight', [hidden], 'the norm of the embedding'));
  if (norms.halves.has('hnorm')) tensors.set('stateNorm', check.real('hnorm.weight', [hidden], 'the norm of the state'));
  if (!norms.beforeAttention && norms.isPlaceholder) check.ignore('layers.0.input_layernorm.weight');
  const description = {
    ...d, qkNorm: qkNormOf(check), inputs: 'pair' as const, inputNorm: norms.beforeAttention, finalNorm: false,
    embeddingNorm: norms.halves.has('enorm'), stateNorm: norms.halves.has('hnorm'),
  };
  for (let i = 0; i < d.layers; i++) addLayerTensors(tensors, check, i, i === 0 && !norms.beforeAttention ? 'bare' : 'normed', description);
  const outputNorm = norms.beforeHead ? check.real('norm.weight', [hidden], 'the norm before the head') : undefined;
  if (!norms.beforeHead && norms.isPlaceholder) check.ignore('norm.weight');
  const vocabulary = sharedVocabulary(found);
  if (vocabulary.head !== undefined) tensors.set('head', vocabulary.head);
  const own = ownEmbedding(found);
  if (own !== undefined) tensors.set('embedding', own);
  if (layerConfig['hidden_size'] !== hidden) {
    check.add(`${found.summary.path}/config.json has "hidden_size": ${String(layerConfig['hidden_size'])}; expected ${hidden}, the target's.`, OTHER_TARGET);
  }
  notes.push(vocabulary.head === undefined ? 'the head is the target\'s' : `a head of its own for ${vocabulary.size} tokens`);
  return {
    format: norms.format, tensors, outputNorm, normsState: norms.isVllm0 && norms.beforeHead, features: undefined, taps: undefined, vocabularyMap: vocabulary.map,
    description: { ...description, vocabSize: own === undefined ? target.model.vocabSize : check.shape('embed_tokens.weight')![0]!, headSize: vocabulary.head === undefined ? 0 : vocabulary.size },
  };
}

interface Norms {
  readonly format: string;
  readonly isVllm0: boolean;
  /** Norms of the halves of the pair. */
  readonly halves: ReadonlySet<string>;
  readonly beforeAttention: boolean;
  readonly beforeHead: boolean;
  /** Whether norms that are stored and not applied stand for nothing. */
  readonly isPlaceholder: boolean;
}

/**
 * The official layout has no norm besides that of the MLP. Old versions of vLLM stored two more that they left out, unless the layer's config
 * says otherwise; speculators files with `layernorms`, and the research files they were made of, apply three.
 */
function normsOf({ summary, check, naming, layerConfig, isSpeculators }: Found): Norms {
  const halves = new Set(['enorm', 'hnorm'].filter((name) => check.has(`${name}.weight`)));
  const isVllm0 = !isSpeculators && check.has('lm_head.weight') && (naming.hasModelPrefix || summary.config['model_type'] === 'eagle');
  if (isVllm0) {
    return {
      format: 'EAGLE-1 for vLLM 0', isVllm0, halves, isPlaceholder: true,
      beforeAttention: layerConfig['skip_prenorm'] === false, beforeHead: layerConfig['skip_output_norm'] === false,
    };
  }
  const isNormed = isSpeculators ? summary.config['layernorms'] === true : check.has('enorm.weight') && check.has('layers.0.input_layernorm.weight');
  if (isNormed) halves.add('enorm');
  const format = `${isSpeculators ? 'speculators EAGLE-1' : 'EAGLE-1'}${isNormed ? ' with norms' : ''}`;
  return { format, isVllm0, halves, isPlaceholder: false, beforeAttention: isNormed, beforeHead: isNormed };
}

/** The target's head, unless the file holds one for fewer tokens. One for all of them is a copy. */
function sharedVocabulary({ check, target, notes }: Found): Vocabulary {
  const { vocabSize, hiddenSize } = target.model;
  const rows = check.shape('lm_head.weight')?.[0];
  if (rows === undefined || (isSameVocabulary(rows, vocabSize) && !check.has('token_map'))) {
    if (rows !== undefined) notes.push('the lm_head in the file is not read: the target\'s serves');
    check.ignore('lm_head.weight');
    return { head: undefined, size: vocabSize, map: undefined };
  }
  const head = check.real('lm_head.weight', [-1, hiddenSize], 'tokens × hidden_size');
  return { head, size: rows, map: { name: check.ids('token_map', [rows], 'the token ids of the rows of lm_head'), holds: 'ids' } };
}

/** Embeddings are copies of the target's, unless the format says that this one was trained. */
function ownEmbedding({ summary, check, target, notes }: Found): string | undefined {
  if (summary.config['embed_requires_grad'] === true) return check.real('embed_tokens.weight', [-1, target.model.hiddenSize], 'vocab_size × hidden_size');
  const rows = check.shape('embed_tokens.weight');
  if (rows === undefined) return undefined;
  check.ignore('embed_tokens.weight');
  notes.push('the embed_tokens in the file is not read: the target\'s serves');
  if (rows.length === 2 && rows[1] === target.model.hiddenSize && isSameVocabulary(rows[0]!, target.model.vocabSize)) return undefined;
  check.add(`Tensor "embed_tokens.weight" in ${check.file} has shape [${rows.join(', ')}]; expected [${target.model.vocabSize}, ${target.model.hiddenSize}], as in the target.`, OTHER_TARGET);
  return undefined;
}
