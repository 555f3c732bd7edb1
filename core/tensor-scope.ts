import type { Tensor } from './strategy.js';
import type { NativeTensor } from './native/types.js';

/**
 * Frees the tensors of one owner: those of an iteration when it ends, those that are kept when the owner goes. Freeing a handle is always
 * safe: commands that were enqueued with it hold what they need.
 */
export class TensorScope {
  private passing = new Set<NativeTensor>();
  private readonly lasting = new Set<NativeTensor>();
  /** While true, new tensors last as long as the owner: the time of a strategy's `create`. */
  creating = false;

  track<T extends NativeTensor>(tensor: T): T {
    (this.creating ? this.lasting : this.passing).add(tensor);
    return tensor;
  }

  keep(tensor: NativeTensor): void {
    if (this.passing.delete(tensor)) this.lasting.add(tensor);
  }

  free(tensor: NativeTensor): void {
    this.passing.delete(tensor);
    this.lasting.delete(tensor);
    tensor.dispose();
  }

  endIteration(): void {
    for (const tensor of this.passing) tensor.dispose();
    this.passing.clear();
  }

  dispose(): void {
    this.endIteration();
    for (const tensor of this.lasting) tensor.dispose();
    this.lasting.clear();
  }
}

/** Strategies see {@link Tensor}; every tensor that they can hold was made by the runtime, and the addon refuses anything else by name. */
export function nativeTensor(tensor: Tensor): NativeTensor {
  return tensor as NativeTensor;
}

/** The same for arguments that may be host arrays. */
export function nativeInput<A extends Int32Array>(input: A | Tensor): A | NativeTensor {
  return input instanceof Int32Array ? input : nativeTensor(input);
}
