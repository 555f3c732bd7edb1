// The few Python objects of which a PyTorch file of tensors is made. Everything else is refused by its name.
import { CheckpointError } from '../../errors.js';
import { byteCount, DTYPE_BITS, type StoredDtype } from '../safetensors.js';
import type { PickleHost } from './pickle-machine.js';
import { describePickle, PickleDict, PickleGlobal, PickleList, PickleObject, PickleTuple, type PickleValue } from './pickle-values.js';

/** A run of numbers that tensors are views of. */
export class TorchStorage extends PickleObject {
  readonly kind = 'a storage';
  /** @param count of elements */
  constructor(readonly key: string, readonly dtype: StoredDtype, readonly count: number) { super(); }
}

/** A view of a storage; `offset` and `strides` in elements. */
export class TorchTensor extends PickleObject {
  readonly kind = 'a tensor';
  constructor(readonly storage: TorchStorage, readonly offset: number, readonly shape: readonly number[], readonly strides: readonly number[]) { super(); }

  get dtype(): StoredDtype { return this.storage.dtype; }

  /** Whether the elements lie one behind the other in the order of the shape. */
  get isContiguous(): boolean {
    let expected = 1;
    for (let axis = this.shape.length - 1; axis >= 0; axis--) {
      const size = this.shape[axis]!;
      if (size === 0) return true;
      if (size !== 1 && this.strides[axis] !== expected) return false;
      expected *= size;
    }
    return true;
  }
}

/** Makes the storage of a persistent id. @param count of elements @throws CheckpointError when the container does not hold it */
export type StorageMaker = (key: string, dtype: StoredDtype, count: number, view: PickleValue | undefined) => TorchStorage;

const MAX_RANK = 64;

const STORAGE_DTYPES: ReadonlyMap<string, StoredDtype> = new Map([
  ['DoubleStorage', 'F64'], ['FloatStorage', 'F32'], ['HalfStorage', 'F16'], ['BFloat16Storage', 'BF16'], ['ComplexFloatStorage', 'C64'],
  ['LongStorage', 'I64'], ['IntStorage', 'I32'], ['ShortStorage', 'I16'], ['CharStorage', 'I8'], ['ByteStorage', 'U8'], ['BoolStorage', 'BOOL'],
]);

/** The host that a pickle of tensors runs on. @param source stands at the beginning of an error message */
export function torchHost(source: string, makeStorage: StorageMaker): PickleHost {
  const objects = new TorchObjects(source, makeStorage);
  return {
    global: (module, name) => objects.global(module, name),
    call: (callee, args) => objects.call(callee, args),
    persistent: (id) => objects.storage(id),
    setState: (object, state) => objects.setState(object, state),
  };
}

class TorchObjects {
  private readonly functions = new Map<string, (args: readonly PickleValue[]) => PickleValue>([
    ['torch._utils._rebuild_tensor', (args) => this.tensor(args)],
    ['torch._utils._rebuild_tensor_v2', (args) => this.tensor(args)],
    ['torch._utils._rebuild_parameter', (args) => this.parameter(args)],
    ['collections.OrderedDict', (args) => this.orderedDict(args)],
  ]);

  constructor(private readonly source: string, private readonly makeStorage: StorageMaker) {}

  global(module: string, name: string): PickleGlobal {
    const full = `${module}.${name}`;
    if (this.functions.has(full) || storageDtype(full) !== undefined) return new PickleGlobal(full);
    const shown = JSON.stringify(full.length <= 200 ? full : `${full.slice(0, 199)}…`);
    throw new CheckpointError(
      `${this.source} wants the Python object ${shown}, which is no part of a tensor; nothing that a pickle asks for is executed or imported. `
      + 'Save the tensors alone (in Python: torch.save(model.state_dict(), file)), or take the checkpoint as safetensors',
    );
  }

  call({ name }: PickleGlobal, { items }: PickleTuple): PickleValue {
    const make = this.functions.get(name);
    return make === undefined ? this.fail(`it calls the type "${name}"`) : make(items);
  }

  /** A persistent id: ("storage", type, key, device, count), before PyTorch 1.6 with the part of the storage that is meant. */
  storage(id: PickleValue): TorchStorage {
    if (!(id instanceof PickleTuple)) this.fail(`it refers to ${describePickle(id)}; expected a tuple that names a storage`);
    const [what, type, key, , count, view] = id.items;
    if (what !== 'storage') this.fail(`it refers to ${describePickle(what)}; only storages are read`);
    const dtype = type instanceof PickleGlobal ? storageDtype(type.name) : undefined;
    if (dtype === undefined) this.fail(`it has a storage of the type ${describePickle(type)}`);
    if (typeof key !== 'string') this.fail(`it has a storage called ${describePickle(key)}; expected a text`);
    if (!isCount(count) || !isCount(count * DTYPE_BITS[dtype])) this.fail(`it has a storage of ${describePickle(count)} elements`);
    return this.makeStorage(key, dtype, count, view);
  }

  /** `_metadata` is what PyTorch notes about its modules' versions: no numbers. */
  setState(object: PickleValue, state: PickleValue): void {
    const isNote = object instanceof PickleDict && state instanceof PickleDict && state.entries.size === (state.entries.has('_metadata') ? 1 : 0);
    if (!isNote) this.fail(`it sets the state of ${describePickle(object)} to ${describePickle(state)}`);
  }

  /** (storage, offset, shape, strides, requiresGrad, hooks[, metadata]) */
  private tensor(args: readonly PickleValue[]): TorchTensor {
    const [storage, offset, shape, strides, , , metadata] = args;
    if (!(storage instanceof TorchStorage)) this.fail(`it makes a tensor of ${describePickle(storage)}; expected a storage`);
    if (!isCount(offset)) this.fail(`it makes a tensor at the offset ${describePickle(offset)}`);
    // Metadata say that a view is conjugated or negated.
    const isPlain = metadata === undefined || metadata === null || (metadata instanceof PickleDict && metadata.entries.size === 0);
    if (!isPlain || args.length > 7) this.fail('it makes a tensor with more to it than its numbers');
    const tensor = new TorchTensor(storage, offset, this.sizes(shape), this.sizes(strides));
    this.checkBounds(tensor);
    return tensor;
  }

  private checkBounds({ storage, offset, shape, strides, dtype }: TorchTensor): void {
    const what = `a tensor of shape [${shape.join(', ')}] and strides [${strides.join(', ')}]`;
    if (shape.length !== strides.length) this.fail(`it makes ${what}`);
    if (byteCount(dtype, shape) === undefined) this.fail(`it makes ${what}, which has no size that can be`);
    const isEmpty = shape.includes(0);
    const last = shape.reduce((sum, size, axis) => sum + (isEmpty ? 0 : (size - 1) * strides[axis]!), offset);
    if (!(last + (isEmpty ? 0 : 1) <= storage.count)) this.fail(`it makes ${what} at the offset ${offset} of storage ${JSON.stringify(storage.key)}, which has only ${storage.count} elements`);
  }

  private parameter([data]: readonly PickleValue[]): TorchTensor {
    return data instanceof TorchTensor ? data : this.fail(`it makes a parameter of ${describePickle(data)}; expected a tensor`);
  }

  /** Made empty, filled afterwards. */
  private orderedDict(args: readonly PickleValue[]): PickleDict {
    return args.length === 0 ? new PickleDict() : this.fail(`it makes an OrderedDict of ${describePickle(args[0])}`);
  }

  private sizes(value: PickleValue | undefined): number[] {
    const items = value instanceof PickleTuple || value instanceof PickleList ? value.items : this.fail(`it makes a tensor of shape or strides ${describePickle(value)}`);
    if (items.length > MAX_RANK) this.fail(`it makes a tensor of ${items.length} dimensions; at most ${MAX_RANK} are read`);
    return items.map((item) => (isCount(item) ? item : this.fail(`it makes a tensor with ${describePickle(item)} in its shape or strides`)));
  }

  private fail(what: string): never {
    throw new CheckpointError(`${this.source} is no PyTorch file of tensors: ${what}`);
  }
}

/** `torch.HalfStorage` and, in old files from a GPU, `torch.cuda.HalfStorage`. */
function storageDtype(global: string): StoredDtype | undefined {
  return STORAGE_DTYPES.get(/^torch\.(?:cuda\.)?(\w+)$/.exec(global)?.[1] ?? '');
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}
