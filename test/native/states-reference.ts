// One layer over tokens and states in float64, by the plain definitions: what models that take states are compared with.
import type { ModelDescription } from '../../core/description.js';

export type Weights = ReadonlyMap<string, { readonly data: Float32Array; readonly shape: readonly number[] }>;

export interface Row {
  readonly token: number;
  readonly state: Float32Array;
  /** Index of the row that it follows; -1: it begins the text. */
  readonly parent: number;
}

/** Hidden states of all rows; row i attends to its ancestors and itself. */
export function referenceLayer(d: ModelDescription, weights: Weights, rows: readonly Row[]): number[][] {
  const get = (name: string): Float32Array => weights.get(name)!.data;
  const has = (name: string): boolean => weights.has(name);
  const norm = (x: readonly number[], name: string): number[] => {
    const rms = Math.sqrt(x.reduce((sum, v) => sum + v * v, 0) / x.length + d.normEps);
    return x.map((v, i) => (v / rms) * get(name)[i]!);
  };
  const linear = (x: readonly number[], name: string): number[] => {
    const [outputs] = weights.get(name)!.shape;
    const bias = has(`${name}.bias`) ? get(`${name}.bias`) : undefined;
    return Array.from({ length: outputs! }, (_, o) => x.reduce((sum, v, i) => sum + v * get(name)[o * x.length + i]!, bias?.[o] ?? 0));
  };
  const turn = (x: number[], position: number, heads: number): number[] => {
    const { inverseFrequencies: frequencies } = d.ropes[0]!;
    const out = [...x];
    for (let head = 0; head < heads; head++) {
      frequencies.forEach((frequency, i) => {
        const [a, b] = [head * d.headDim + i, head * d.headDim + i + frequencies.length];
        const [cos, sin] = [Math.cos(position * frequency), Math.sin(position * frequency)];
        out[a] = x[a]! * cos - x[b]! * sin;
        out[b] = x[b]! * cos + x[a]! * sin;
      });
    }
    return out;
  };
  const keys: number[][] = [];
  const values: number[][] = [];
  return rows.map(({ token, state, parent }, i) => {
    const path = [i];
    for (let at = parent; at >= 0; at = rows[at]!.parent) path.unshift(at);
    const embedding = Array.from(get('embedding').subarray(token * d.hiddenSize, (token + 1) * d.hiddenSize));
    const given = Array.from(state);
    let stream = given;
    let read: number[];
    if (d.inputs === 'pair') {
      const both = [...(d.embeddingNorm ? norm(embedding, 'embeddingNorm') : embedding), ...(d.stateNorm ? norm(given, 'stateNorm') : given)];
      stream = linear(both, 'inputProjection');
      read = d.inputNorm === false ? stream : norm(stream, 'layers.0.attentionNorm');
    } else {
      const normed = norm(given, 'layers.0.stateNorm');
      read = [...norm(embedding, 'layers.0.embeddingNorm'), ...normed];
      if (d.normedResidual) stream = normed;
    }
    const position = path.length - 1;
    const query = turn(linear(read, 'layers.0.q'), position, d.heads);
    keys.push(turn(linear(read, 'layers.0.k'), position, d.kvHeads));
    values.push(linear(read, 'layers.0.v'));
    const attended = Array.from({ length: d.heads }, (_, head) => {
      const kv = Math.floor(head / (d.heads / d.kvHeads)) * d.headDim;
      const part = query.slice(head * d.headDim, (head + 1) * d.headDim);
      const scores = path.map((at) => part.reduce((sum, v, j) => sum + v * keys[at]![kv + j]!, 0) * d.attentionScale);
      const top = Math.max(...scores);
      const weights = scores.map((score) => Math.exp(score - top));
      const total = weights.reduce((a, b) => a + b);
      return part.map((_, j) => path.reduce((sum, at, p) => sum + (weights[p]! / total) * values[at]![kv + j]!, 0));
    }).flat();
    const after = linear(attended, 'layers.0.o').map((v, j) => v + stream[j]!);
    const inner = norm(after, 'layers.0.mlpNorm');
    const up = linear(inner, 'layers.0.up');
    const gated = linear(inner, 'layers.0.gate').map((v, j) => (v / (1 + Math.exp(-v))) * up[j]!);
    const out = linear(gated, 'layers.0.down').map((v, j) => v + after[j]!);
    return d.finalNorm ? norm(out, 'finalNorm') : out;
  });
}
