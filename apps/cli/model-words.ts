import type { ModelDescription, Rope } from '../../core/index.js';

/** A model in words, a line for each part. Only what differs from a plain decoder is said beyond its sizes. */
export function modelInWords(model: ModelDescription): string[] {
  const { layers, hiddenSize, heads, kvHeads, headDim, vocabSize, tied, maxPositions } = model;
  return [
    `${layers} layer${layers === 1 ? '' : 's'} of ${hiddenSize} values, vocabulary of ${vocabSize}${tied ? ', head tied to the embedding' : ''}`,
    `attention: ${heads} heads${kvHeads === heads ? '' : ` on ${kvHeads} of keys and values`} of ${headDim} values${attentionExtras(model)}`,
    `MLP: ${feedForward(model)}, ${ACTIVATIONS[model.activation]}`,
    `norms: RMS ${placement(model)}, eps ${model.normEps}${model.normWeightOffset === 0 ? '' : ', times 1 + weight'}`,
    `positions: ${maxPositions}, ${positions(model)}`,
    ...factors(model),
  ];
}

const ACTIVATIONS = { silu: 'SiLU', gelu: 'GELU', geluTanh: 'GELU (tanh)' } as const;

function feedForward({ layer, experts, intermediateSize }: ModelDescription): string {
  const routed = layer.filter((one) => one.experts).length;
  if (experts === undefined || routed === 0) return `${intermediateSize} values`;
  const parts = `${experts.perToken} of ${experts.count} experts of ${experts.size} values`;
  return routed === layer.length ? parts : `${parts} in ${routed} of ${layer.length} layers, ${intermediateSize} values in the others`;
}

function attentionExtras({ qkNorm, attentionSoftCap, attentionScale, headDim, layer }: ModelDescription): string {
  const extras = [
    qkNorm === 'head' && 'norms of each head\'s query and key',
    qkNorm === 'all' && 'norms of all queries and keys',
    attentionSoftCap !== 0 && `scores capped at ${attentionSoftCap}`,
    Math.abs(attentionScale - headDim ** -0.5) > 1e-9 && `scores times ${Number(attentionScale.toPrecision(6))}`,
    windows(layer.map(({ slidingWindow }) => slidingWindow)),
  ].filter((extra) => extra !== false && extra !== '');
  return extras.length === 0 ? '' : `, ${extras.join(', ')}`;
}

function windows(sizes: readonly number[]): string {
  const sliding = sizes.filter((size) => size > 0);
  if (sliding.length === 0) return '';
  const size = [...new Set(sliding)].join(' or ');
  return sliding.length === sizes.length ? `every layer sees the last ${size} positions` : `${sliding.length} of ${sizes.length} layers see the last ${size} positions only`;
}

function placement({ preNorm, postNorm }: ModelDescription): string {
  return preNorm && postNorm ? 'before and after attention and MLP' : postNorm ? 'after attention and MLP' : 'before attention and MLP';
}

function positions({ ropes, layer, headDim, longFrom }: ModelDescription): string {
  const still = layer.filter(({ rope }) => rope < 0).length;
  const tables = [...new Set(ropes.map((rope) => table(rope, headDim)))];
  return `${tables.length === 0 ? 'none' : `rotary, ${tables.join(' and ')}`}${longFrom === undefined ? '' : `, another table for texts of more than ${longFrom}`}${still === 0 ? '' : `, none in ${still} of ${layer.length} layers`}`;
}

/** The longest wave tells bases and scalings apart. */
function table({ inverseFrequencies, scale }: Rope, headDim: number): string {
  const turning = 2 * inverseFrequencies.length;
  const longest = (2 * Math.PI) / Math.min(...inverseFrequencies);
  return `waves up to ${Number(longest.toPrecision(3)).toLocaleString('en-GB')} positions${turning === headDim ? '' : ` in ${turning} of ${headDim} values`}${scale === 1 ? '' : `, scaled by ${Number(scale.toPrecision(4))}`}`;
}

function factors({ embeddingScale, residualScale, logitScale, logitSoftCap }: ModelDescription): string[] {
  const parts = [
    embeddingScale !== 1 && `embeddings times ${Number(embeddingScale.toPrecision(6))}`, residualScale !== 1 && `residual branches times ${residualScale}`,
    logitScale !== 1 && `logits times ${Number(logitScale.toPrecision(6))}`, logitSoftCap !== 0 && `logits capped at ${logitSoftCap}`,
  ].filter((part) => part !== false);
  return parts.length === 0 ? [] : [`factors: ${parts.join(', ')}`];
}
