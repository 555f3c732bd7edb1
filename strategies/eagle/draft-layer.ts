import { CheckpointError, type Model, type StrategyHost, type Tensor } from '../../core/index.js';
import type { Features, Layout, VocabularyMap } from './layout.js';

interface LoadedFeatures {
  readonly projection: Tensor;
  readonly bias: Tensor | undefined;
  readonly norm: Tensor | undefined;
  readonly partNorms: readonly Tensor[] | undefined;
}

/** A draft's weights on the device, and the arithmetic around its layer. */
export class DraftLayer {
  private constructor(
    private readonly host: StrategyHost,
    readonly model: Model,
    private readonly layout: Layout,
    private readonly projected: LoadedFeatures | undefined,
    private readonly outputNorm: Tensor | undefined,
    /** Target id of each draft id; undefined: they are the same. */
    readonly vocabulary: Tensor | undefined,
  ) {}

  /** @throws CheckpointError when the table of token ids is wrong */
  static async load(host: StrategyHost, layout: Layout): Promise<DraftLayer> {
    const { features, outputNorm, vocabularyMap } = layout;
    const names = [
      ...layout.tensors.values(), ...(features === undefined ? [] : [features.projection, features.bias, features.norm, ...(features.partNorms ?? [])]),
      outputNorm, vocabularyMap?.name,
    ].filter((name) => name !== undefined);
    const loaded = await host.loadTensors(layout.checkpoint, names);
    const get = (name: string): Tensor => loaded.get(name)!;   // all of them were named
    const vocabulary = vocabularyMap === undefined ? paddedVocabulary(host, layout) : await vocabularyOf(host, get(vocabularyMap.name), vocabularyMap, layout);
    const model = host.createModel(layout.description, new Map([...layout.tensors].map(([neutral, stored]) => [neutral, get(stored)])));
    for (const stored of layout.tensors.values()) host.free(get(stored));
    return new DraftLayer(host, model, layout, features && featuresOf(host, features, layout.description.hiddenSize, get), outputNorm === undefined ? undefined : get(outputNorm), vocabulary);
  }

  /** Tokens that the draft tells apart. */
  get vocabularySize(): number {
    return this.layout.description.headSize || this.host.target.description.vocabSize;
  }

  /** What the target computed, `[rows, hidden]` or `[rows, taps * hidden]`, as states of the draft `[rows, hidden]`. */
  features(hidden: Tensor): Tensor {
    if (this.projected === undefined) return hidden;
    const { ops } = this.host;
    const { projection, bias, norm, partNorms } = this.projected;
    const { normEps } = this.layout.description;
    let given = norm === undefined ? hidden : ops.rmsNorm(hidden, norm, normEps);
    if (partNorms !== undefined) {
      const [rows, width] = given.shape as [number, number];
      const parts = ops.reshape(given, [rows, partNorms.length, width / partNorms.length]);
      const normed = partNorms.map((weight, i) => ops.rmsNorm(ops.reshape(ops.gather(parts, Int32Array.of(i), 1), [rows, width / partNorms.length]), weight, normEps));
      given = ops.concat(normed, 1);
    }
    return ops.linear(given, projection, bias);
  }

  /** Logits over draft ids `[rows, vocabularySize]` of the layer's output, and the state that the draft goes on from, both for `[rows, hidden]`. */
  outputs(out: Tensor): { logits: Tensor; state: Tensor } {
    const normed = this.outputNorm === undefined ? out : this.host.ops.rmsNorm(out, this.outputNorm, this.layout.description.normEps);
    const logits = this.layout.description.headSize === 0 ? this.host.target.head(normed) : this.model.head(normed);
    return { logits, state: this.layout.normsState ? normed : out };
  }

  /** Target ids of draft ids, in any shape. */
  tokens(ids: Tensor): Tensor {
    return this.vocabulary === undefined ? ids : this.host.ops.gather(this.vocabulary, ids, 0);
  }
}

function featuresOf({ ops }: StrategyHost, features: Features, hidden: number, get: (name: string) => Tensor): LoadedFeatures {
  const stored = get(features.projection);
  const rows = Int32Array.from({ length: hidden }, (_, i) => i);
  const isLonger = stored.shape[0]! > hidden;
  const bias = features.bias === undefined ? undefined : get(features.bias);
  return {
    projection: isLonger ? ops.gather(stored, rows, 0) : stored,
    bias: bias !== undefined && isLonger ? ops.gather(bias, rows, 0) : bias,
    norm: features.norm === undefined ? undefined : get(features.norm),
    partNorms: features.partNorms?.map(get),
  };
}

/** A head with rows past the target's vocabulary: those are no tokens. */
function paddedVocabulary({ ops, target }: StrategyHost, { description: { headSize = 0 } }: Layout): Tensor | undefined {
  const { vocabSize } = target.description;
  return headSize <= vocabSize ? undefined : ops.fromArray(Int32Array.from({ length: headSize }, (_, id) => (id < vocabSize ? id : -1)), [headSize]);
}

/** The table of target ids, which must be ids of the target and all different: a table of the other kind is neither. Undefined: each id is its own. */
async function vocabularyOf(host: StrategyHost, stored: Tensor, { name, holds }: VocabularyMap, layout: Layout): Promise<Tensor | undefined> {
  const values = await host.read(stored);
  const ids = Int32Array.from(values, (value, j) => (holds === 'offsets' ? value + j : value));
  const { vocabSize } = host.target.description;
  const seen = new Map<number, number>();
  const fault = (message: string): CheckpointError => new CheckpointError(
    `Tensor "${name}" in ${layout.file} ${message}; expected ${holds === 'offsets' ? 'the target id minus the draft id of each token' : 'the target id of each token'}, all ids different and below ${vocabSize}.`);
  ids.forEach((id, j) => {
    const sum = holds === 'offsets' ? `${values[j]} at ${j}: target id ${id}` : `${id} at ${j}`;
    if (id < 0 || id >= vocabSize) throw fault(`holds ${sum}, which the target does not have`);
    const other = seen.get(id);
    if (other !== undefined) throw fault(`holds ${sum}, which draft id ${other} has too`);
    seen.set(id, j);
  });
  return ids.every((id, j) => id === j) && ids.length === vocabSize ? undefined : host.ops.fromArray(ids, [ids.length]);
}
