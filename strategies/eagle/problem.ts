import type { StoredTensor } from './stored-names.js';

/** What is wrong with a checkpoint, and what to do. */
export interface Problem {
  readonly message: string;
  readonly remedy: string;
}

export const COPY_AGAIN = 'Copy the whole checkpoint again.';
export const OTHER_TARGET = 'A draft layer fits the model that it was trained on, and no other: choose that target, or another draft layer.';

const REAL = ['F32', 'F16', 'BF16'];

/** Looks up tensors and collects what is wrong with them. What nobody asks for is left over. */
export class TensorCheck {
  readonly problems: Problem[] = [];
  /** Stored names of what was asked for. */
  readonly taken = new Set<string>();

  constructor(private readonly tensors: ReadonlyMap<string, StoredTensor>, readonly file: string) {}

  has(name: string): boolean {
    return this.tensors.has(name);
  }

  /** Of a tensor that is there or not. */
  shape(name: string): readonly number[] | undefined {
    return this.tensors.get(name)?.shape;
  }

  /**
   * The stored name of a tensor of real numbers.
   *
   * @param shape -1 stands for any size
   * @param what says in the message what the tensor is
   */
  real(name: string, shape: readonly number[], what: string): string {
    return this.take(name, shape, what, REAL, 'F32, F16 or BF16');
  }

  /** The same for a tensor of token ids. */
  ids(name: string, shape: readonly number[], what: string): string {
    return this.take(name, shape, what, ['I64', 'I32'], 'I64 or I32');
  }

  /** Notes that a tensor is known and not needed. */
  ignore(name: string): void {
    const tensor = this.tensors.get(name);
    if (tensor !== undefined) this.taken.add(tensor.name);
  }

  add(message: string, remedy: string): void {
    this.problems.push({ message, remedy });
  }

  *leftOver(): Iterable<StoredTensor> {
    for (const tensor of this.tensors.values()) if (!this.taken.has(tensor.name)) yield tensor;
  }

  private take(name: string, expected: readonly number[], what: string, dtypes: readonly string[], words: string): string {
    const tensor = this.tensors.get(name);
    const wanted = `[${expected.map((size) => (size < 0 ? 'any' : size)).join(', ')}]`;
    if (tensor === undefined) {
      this.add(`${this.file} has no tensor "${name}"; expected ${wanted}, ${what}.`, COPY_AGAIN);
      return name;
    }
    this.taken.add(tensor.name);
    const found = `Tensor "${tensor.name}" in ${tensor.file ?? this.file}`;
    const fits = tensor.shape.length === expected.length && tensor.shape.every((size, axis) => expected[axis]! < 0 || size === expected[axis]);
    if (!fits) this.add(`${found} has shape [${tensor.shape.join(', ')}]; expected ${wanted}, ${what}.`, OTHER_TARGET);
    if (!dtypes.includes(tensor.dtype)) this.add(`${found} is stored as ${tensor.dtype}; expected ${words}.`, 'Take a draft layer that is not quantised.');
    return tensor.name;
  }
}
