// The decoder in plain TypeScript, in double precision, a row at a time over the whole text: what a ModelDescription means.
import type { LayerDescription, ModelDescription } from '../../core/description.js';

/** Weights by neutral name, row-major. */
export type Weights = ReadonlyMap<string, Float32Array>;

type Vector = readonly number[];

/** Hidden rows after the final norm, and logits, of a text. */
export function decode(d: ModelDescription, weights: Weights, tokens: readonly number[]): { hidden: number[][]; logits: number[][] } {
  let stream: Vector[] = tokens.map((token) => Array.from(weights.get('embedding')!.subarray(token * d.hiddenSize, (token + 1) * d.hiddenSize), (x) => x * d.embeddingScale));
  for (const [i, layer] of d.layer.entries()) stream = runLayer(d, new LayerWeights(weights, `layers.${i}.`), layer, stream);
  const hidden = stream.map((x) => (d.finalNorm ? norm(d, x, weights.get('finalNorm')!) : [...x]));
  const head = weights.get('head') ?? weights.get('embedding')!;
  return { hidden, logits: hidden.map((x) => times(head, x).map((y) => capped(y * d.logitScale, d.logitSoftCap))) };
}

class LayerWeights {
  constructor(private readonly weights: Weights, private readonly prefix: string) {}

  get(name: string): Float32Array {
    return this.weights.get(this.prefix + name)!;
  }

  project(name: string, x: Vector): number[] {
    const bias = this.weights.get(`${this.prefix}${name}.bias`);
    return times(this.get(name), x).map((y, i) => y + (bias?.[i] ?? 0));
  }
}

function runLayer(d: ModelDescription, w: LayerWeights, layer: LayerDescription, stream: readonly Vector[]): Vector[] {
  const attended = attention(d, w, layer, stream.map((x) => (d.preNorm ? norm(d, x, w.get('attentionNorm')) : x)));
  const middle = stream.map((x, t) => joined(d, x, attended[t]!, d.postNorm ? w.get('attentionPostNorm') : undefined));
  return middle.map((x) => {
    const input = d.preNorm ? norm(d, x, w.get('mlpNorm')) : x;
    const output = layer.experts ? experts(d, w, input) : feedForward(d, w, '', input);
    return joined(d, x, output, d.postNorm ? w.get('mlpPostNorm') : undefined);
  });
}

function feedForward(d: ModelDescription, w: LayerWeights, prefix: string, x: Vector): number[] {
  const gate = w.project(`${prefix}gate`, x), up = w.project(`${prefix}up`, x);
  return w.project(`${prefix}down`, gate.map((g, i) => activate(d, g) * up[i]!));
}

function experts(d: ModelDescription, w: LayerWeights, x: Vector): number[] {
  const { perToken, shareWhole } = d.experts!;
  const scores = w.project('router', x).map(Math.exp);
  const chosen = scores.map((score, expert) => ({ score, expert })).sort((a, b) => b.score - a.score || a.expert - b.expert).slice(0, perToken);
  const whole = (shareWhole ? chosen.map(({ score }) => score) : scores).reduce((a, b) => a + b, 0);
  const said = chosen.map(({ score, expert }) => feedForward(d, w, `experts.${expert}.`, x).map((y) => y * (score / whole)));
  return x.map((_, i) => said.reduce((sum, one) => sum + one[i]!, 0));
}

function attention(d: ModelDescription, w: LayerWeights, layer: LayerDescription, inputs: readonly Vector[]): number[][] {
  const q = inputs.map((x, t) => turned(d, layer, heads(d, w.project('q', x), normOf(d, w, 'qNorm')), t));
  const k = inputs.map((x, t) => turned(d, layer, heads(d, w.project('k', x), normOf(d, w, 'kNorm')), t));
  const v = inputs.map((x) => heads(d, w.project('v', x)));
  const group = d.heads / d.kvHeads;
  return inputs.map((_, t) => {
    const first = layer.slidingWindow > 0 ? Math.max(0, t - layer.slidingWindow + 1) : 0;
    const mixed = q[t]!.flatMap((query, head) => {
      const own = Math.floor(head / group);
      const seen = Array.from({ length: t - first + 1 }, (__, i) => first + i);
      const scores = seen.map((s) => capped(dot(query, k[s]![own]!) * d.attentionScale, d.attentionSoftCap));
      const most = Math.max(...scores), shares = scores.map((score) => Math.exp(score - most));
      const total = shares.reduce((a, b) => a + b, 0);
      return query.map((__, i) => seen.reduce((sum, s, at) => sum + (shares[at]! / total) * v[s]![own]![i]!, 0));
    });
    return w.project('o', mixed);
  });
}

function normOf(d: ModelDescription, w: LayerWeights, name: string): Float32Array | undefined {
  return d.qkNorm === 'none' ? undefined : w.get(name);
}

function heads(d: ModelDescription, x: Vector, weight?: Float32Array): number[][] {
  const whole = weight !== undefined && d.qkNorm === 'all' ? norm(d, x, weight) : x;
  return Array.from({ length: x.length / d.headDim }, (_, head) => {
    const one = whole.slice(head * d.headDim, (head + 1) * d.headDim);
    return weight !== undefined && d.qkNorm === 'head' ? norm(d, one, weight) : one;
  });
}

function turned(d: ModelDescription, layer: LayerDescription, all: number[][], position: number): number[][] {
  if (layer.rope < 0) return all;
  const { inverseFrequencies, scale } = d.ropes[layer.rope]!;
  const half = inverseFrequencies.length;
  return all.map((x) => x.map((value, i) => {
    if (i >= 2 * half) return value;
    const angle = position * inverseFrequencies[i % half]!;
    const other = i < half ? -x[i + half]! : x[i - half]!;
    return (value * Math.cos(angle) + other * Math.sin(angle)) * scale;
  }));
}

function joined(d: ModelDescription, x: Vector, output: Vector, postNorm: Float32Array | undefined): number[] {
  const y = postNorm === undefined ? output : norm(d, output, postNorm);
  return x.map((value, i) => value + d.residualScale * y[i]!);
}

function norm(d: ModelDescription, x: Vector, weight: Float32Array): number[] {
  const rms = Math.sqrt(x.reduce((sum, value) => sum + value * value, 0) / x.length + d.normEps);
  return x.map((value, i) => (value / rms) * (weight[i]! + d.normWeightOffset));
}

function activate(d: ModelDescription, x: number): number {
  if (d.activation === 'silu') return x / (1 + Math.exp(-x));
  if (d.activation === 'geluTanh') return 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)));
  return 0.5 * x * (1 + erf(x / Math.SQRT2));
}

/** By its Taylor series: exact to double for the small arguments of these tests. */
function erf(x: number): number {
  let term = x, sum = x;
  for (let n = 1; n < 200; n++) {
    term *= (-x * x) / n;
    sum += term / (2 * n + 1);
  }
  return (2 / Math.sqrt(Math.PI)) * sum;
}

const capped = (x: number, cap: number): number => (cap === 0 ? x : cap * Math.tanh(x / cap));
const dot = (a: Vector, b: Vector): number => a.reduce((sum, value, i) => sum + value * b[i]!, 0);
const times = (matrix: Float32Array, x: Vector): number[] =>
  Array.from({ length: matrix.length / x.length }, (_, row) => x.reduce((sum, value, i) => sum + value * matrix[row * x.length + i]!, 0));
