import type { ModelDescription } from '../../core/index.js';
import { captureOf } from './capture.js';
import type { Features, Found, LayoutParts } from './layout.js';
import { addLayerTensors, type LayerInput, qkNormOf } from './layer-tensors.js';
import { OTHER_TARGET } from './problem.js';
import { isSameVocabulary, ownVocabulary } from './vocabulary.js';

/** EAGLE-3: several residual streams of the target, projected to one state, meet the embedding side by side; a vocabulary of its own. */
export function joinedLayout(found: Found): LayoutParts {
  const { check, target, layers, notes } = found;
  const flags = flagsOf(found);
  const tensors = new Map<string, string>();
  const isProjected = check.has('eh_proj.weight');
  const inputs = inputsOf(found, isProjected);
  const description: ModelDescription = {
    ...layers, qkNorm: qkNormOf(check), inputs: isProjected ? 'pair' : 'state', embeddingNorm: isProjected, finalNorm: false,
    normedResidual: flags.normedResidual, layer: inputs.map((input) => ({ rope: 0, slidingWindow: 0, joined: input === 'joined' })),
  };
  if (isProjected) {
    const hidden = layers.hiddenSize;
    tensors.set('embeddingNorm', check.real('enorm.weight', [hidden], 'the norm of the embedding'));
    tensors.set('inputProjection', check.real('eh_proj.weight', [hidden, 2 * hidden], 'the projection of [embedding, state]'));
    if (check.has('eh_proj.bias')) tensors.set('inputProjection.bias', check.real('eh_proj.bias', [hidden], 'the bias of eh_proj'));
  }
  inputs.forEach((input, i) => addLayerTensors(tensors, check, i, input, description));
  const { features, taps } = featuresOf(found);
  const outputNorm = flags.normsOutput ? check.real('norm.weight', [layers.hiddenSize], 'the norm before the head') : undefined;
  const vocabulary = ownVocabulary(found);
  if (vocabulary.head !== undefined) tensors.set('head', vocabulary.head);
  const embedding = embeddingOf(found);
  if (embedding !== undefined) tensors.set('embedding', embedding);
  notes.push(`a vocabulary of ${vocabulary.size} tokens${vocabulary.head === undefined ? ', by the target\'s head' : ''}`);
  return {
    format: formatOf(found), tensors, features, taps, outputNorm, normsState: flags.normsState, vocabularyMap: vocabulary.map,
    description: {
      ...description, headSize: vocabulary.head === undefined ? 0 : vocabulary.size,
      vocabSize: embedding === undefined ? target.model.vocabSize : check.shape('embed_tokens.weight')?.[0] ?? target.model.vocabSize,
    },
  };
}

interface Flags {
  readonly normedResidual: boolean;
  readonly normsOutput: boolean;
  readonly normsState: boolean;
}

/** The same keys mean different things in different formats: the format says which. */
function flagsOf({ summary: { config }, isSpeculators, notes }: Found): Flags {
  const nested = nestedConfig(config);
  const residual = config['norm_before_residual'];
  const normedResidual = typeof residual === 'boolean' ? residual : isSpeculators;
  if (typeof residual !== 'boolean' && isSpeculators) notes.push('norm_before_residual is not given: true, as vLLM reads speculators files');
  // `norm_output` is, to speculators, a norm on the state that is fed back; to SpecForge, the norm before the head.
  const output = config['norm_output'];
  return {
    normedResidual,
    normsOutput: nested['use_last_layernorm'] !== false && (isSpeculators || output !== false),
    normsState: (isSpeculators && output === true) || nested['return_hidden_post_norm'] === true,
  };
}

/** The first layer reads embedding and state side by side, unless a projection has joined them before; later ones do as their width says. */
function inputsOf({ check, layers }: Found, isProjected: boolean): LayerInput[] {
  return Array.from({ length: Math.max(1, layers.layers) }, (_, i): LayerInput => {
    if (i === 0) return isProjected ? 'normed' : 'joined';
    return check.shape(`layers.${i}.self_attn.q_proj.weight`)?.[1] === 2 * layers.hiddenSize ? 'joined' : 'normed';
  });
}

function featuresOf({ summary: { path, config }, check, target, layers, isSpeculators, notes }: Found): { features: Features | undefined; taps: readonly number[] | undefined } {
  const { hiddenSize: width, layers: depth } = target.model;
  const stated = config['target_hidden_size'];
  if (typeof stated === 'number' && stated !== width) {
    check.add(`${path}/config.json has "target_hidden_size": ${stated}; expected ${width}, the target's hidden size.`, OTHER_TARGET);
  }
  if (nestedConfig(config)['use_aux_hidden_state'] === false) {
    notes.push('reads the last hidden state of the target (use_aux_hidden_state is false)');
    if (check.has('fc.weight')) return { features: projectionOf(check, [layers.hiddenSize, width], 1, layers.hiddenSize), taps: undefined };
    if (layers.hiddenSize === width) return { features: undefined, taps: undefined };
    check.add(`${path}/config.json has "hidden_size": ${layers.hiddenSize}; expected ${width}, the target's, as "fc.weight" is not there to bridge the two.`, OTHER_TARGET);
    return { features: undefined, taps: undefined };
  }
  const { taps, why } = captureOf(config, depth, isSpeculators);
  const bad = taps.find((tap) => tap < 0 || tap > depth);
  if (bad !== undefined) {
    check.add(`${path}/config.json names residual stream ${bad} (${why}); expected 0 to ${depth}, as the target has ${depth} layers.`, OTHER_TARGET);
  }
  notes.push(`reads the residual streams entering layers ${taps.join(', ')} of ${depth} (${why})`);
  return { features: projectionOf(check, [layers.hiddenSize, taps.length * width], taps.length, width), taps };
}

/** Rows past the hidden size are signals to stop early, of files that were trained with them. */
function projectionOf(check: Found['check'], [rows, columns]: readonly [number, number], parts: number, width: number): Features {
  const stored = check.shape('fc.weight')?.[0];
  const isLonger = stored !== undefined && stored > rows && stored <= rows + 3;
  const projection = check.real('fc.weight', [isLonger ? stored : rows, columns], `hidden_size × ${parts} residual stream${parts === 1 ? '' : 's'} of ${columns / parts}`);
  return {
    projection,
    bias: check.has('fc.bias') ? check.real('fc.bias', [isLonger ? stored : rows], 'the bias of fc') : undefined,
    norm: check.has('input_norm.weight') ? check.real('input_norm.weight', [columns], 'the norm of all residual streams together') : undefined,
    partNorms: check.has('fc_norm.0.weight') ? Array.from({ length: parts }, (_, i) => check.real(`fc_norm.${i}.weight`, [width], `the norm of residual stream ${i}`)) : undefined,
  };
}

/** The target's embedding, where it fits and the format does not say that this one was trained. */
function embeddingOf({ summary: { config }, check, target, layers, notes }: Found): string | undefined {
  const shape = check.shape('embed_tokens.weight');
  const { hiddenSize, vocabSize } = target.model;
  const isOwn = layers.hiddenSize !== hiddenSize || config['embed_requires_grad'] === true;
  if (!isOwn && shape !== undefined) {
    check.ignore('embed_tokens.weight');
    notes.push('the embed_tokens in the file is not read: the target\'s serves');
  }
  if (shape !== undefined && !isSameVocabulary(shape[0] ?? 0, vocabSize)) {
    check.add(`Tensor "embed_tokens.weight" in ${check.file} has shape [${shape.join(', ')}]; expected [${vocabSize}, ${layers.hiddenSize}], the target's vocabulary.`, OTHER_TARGET);
  }
  return isOwn ? check.real('embed_tokens.weight', [-1, layers.hiddenSize], 'vocab_size × hidden_size') : undefined;
}

function formatOf({ summary: { config }, naming, isSpeculators, check }: Found): string {
  const name = config['target_model_type'] === undefined ? 'EAGLE-3' : 'EAGLE-3 (SpecForge or AngelSlim)';
  const base = isSpeculators ? 'speculators EAGLE-3' : naming.isMidlayer ? name : config['eagle_config'] === undefined ? 'EAGLE-3 with layers.N' : 'EAGLE-3 (ModelOpt or TensorRT-LLM)';
  const rows = check.shape('fc.weight')?.[0];
  const hidden = check.shape('layers.0.post_attention_layernorm.weight')?.[0];
  return rows !== undefined && hidden !== undefined && rows > hidden ? `${base} with signals to stop early` : base;
}

function nestedConfig(config: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const nested = config['eagle_config'];
  return typeof nested === 'object' && nested !== null ? (nested as Record<string, unknown>) : {};
}
