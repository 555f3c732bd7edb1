// What a pickle may hold here: plain containers, numbers, texts, and objects that a host makes of the few globals it knows.

/** A Python tuple. */
export class PickleTuple {
  constructor(readonly items: readonly PickleValue[]) {}
}

/** A Python list. */
export class PickleList {
  readonly items: PickleValue[] = [];
}

/** A Python dict or OrderedDict, in the order of its entries. */
export class PickleDict {
  readonly entries = new Map<PickleKey, PickleValue>();
}

/** A Python function or class that the host allows, by its full name. */
export class PickleGlobal {
  constructor(readonly name: string) {}
}

/** Base of what hosts make of their globals. */
export abstract class PickleObject {
  /** In a word or two, for messages. */
  abstract readonly kind: string;
}

export type PickleKey = string | number | bigint | boolean | null;
export type PickleValue = PickleKey | PickleTuple | PickleList | PickleDict | PickleGlobal | PickleObject;

/** A value as it may stand in a message: short, whatever it is. Never looks inside containers, which may hold themselves. */
export function describePickle(value: PickleValue | undefined): string {
  if (value === undefined) return 'nothing';
  if (value === null) return 'None';
  if (value instanceof PickleTuple) return `a tuple of ${value.items.length}`;
  if (value instanceof PickleList) return `a list of ${value.items.length}`;
  if (value instanceof PickleDict) return `a dict of ${value.entries.size}`;
  if (value instanceof PickleGlobal) return `the Python object "${value.name}"`;
  if (value instanceof PickleObject) return value.kind;
  if (typeof value !== 'string') return String(value);
  return JSON.stringify(value.length <= 80 ? value : `${value.slice(0, 79)}…`);
}
