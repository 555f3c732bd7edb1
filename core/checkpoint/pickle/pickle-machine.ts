// The stack machine of Python's pickle format, protocols 2 to 5, for data of strangers: nothing is executed, imported or looked up. A global is
// a name that the host knows or refuses; calling one hands its arguments to the host. There is an npm package for the format, but it has no
// persistent ids and no limits. Deliberately absent: the text opcodes of protocols 0 and 1, bytes, sets, instances, extension codes.
import { CheckpointError } from '../../errors.js';
import { describePickle, PickleDict, PickleGlobal, PickleList, PickleTuple, type PickleKey, type PickleValue } from './pickle-values.js';

/** Makes objects of the names and references that a pickle holds. Every method throws CheckpointError for what it does not know. */
export interface PickleHost {
  global(module: string, name: string): PickleGlobal;
  call(callee: PickleGlobal, args: PickleTuple): PickleValue;
  persistent(id: PickleValue): PickleValue;
  /** Python's `__setstate__`. */
  setState(object: PickleValue, state: PickleValue): void;
}

/** Opcodes of one byte can each make an object of a hundred bytes: without this a small file would fill the memory. */
const MAX_OBJECTS = 1 << 20;
const MAX_STACK = 1 << 20;
const MAX_INTEGER_BYTES = 16;
const MAX_NAME_LENGTH = 1000;

/** Thrown where the bytes end before the pickle does. */
export class TruncatedPickleError extends CheckpointError {}

/**
 * Runs one pickle.
 *
 * @param bytes from its first opcode; more may follow
 * @param source what the bytes are, as it stands at the beginning of an error message
 * @returns the value, and how many bytes the pickle has
 * @throws CheckpointError for malformed bytes, for opcodes that are absent here, and whatever the host throws
 */
export function unpickle(bytes: Uint8Array, source: string, host: PickleHost): { readonly value: PickleValue; readonly length: number } {
  return new PickleMachine(bytes, source, host).run();
}

const MARK = Symbol('mark');

class PickleMachine {
  private at = 0;
  private objects = 0;
  private readonly stack: (PickleValue | typeof MARK)[] = [];
  private readonly memo = new Map<number, PickleValue>();
  private readonly view: DataView;

  constructor(private readonly bytes: Uint8Array, private readonly source: string, private readonly host: PickleHost) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  run(): { value: PickleValue; length: number } {
    for (;;) {
      const code = this.byte();
      if (code === STOP) return { value: this.pop(), length: this.at };
      const step = OPCODES.get(code) ?? this.fail(ABSENT.has(code) ? `it uses the opcode ${ABSENT.get(code)}, which is not read` : `there is no opcode ${hex(code)}`);
      step(this);
    }
  }

  protocol(): void {
    const version = this.byte();
    if (version < 2 || version > 5) this.fail(`it has pickle protocol ${version}; 2 to 5 are read`);
  }

  // Frames only tell a reader how much to fetch at a time.
  frame(): void { this.unsigned(8); }

  push(value: PickleValue | typeof MARK): void {
    if (this.stack.length >= MAX_STACK) this.fail(`it piles up more than ${MAX_STACK} values`);
    this.stack.push(value);
  }

  /** Pushes something that takes memory of its own. */
  pushNew(value: PickleValue): void {
    this.count();
    this.push(value);
  }

  pushMark(): void { this.push(MARK); }

  pop(): PickleValue {
    const value = this.stack.pop();
    if (value === undefined || value === MARK) this.fail('it takes a value that is not there');
    return value;
  }

  /** Python's POP takes a mark too. */
  drop(): void { if (this.stack.pop() === undefined) this.fail('it takes a value that is not there'); }

  /** The values above the last mark, which goes too. */
  popMarked(): PickleValue[] {
    const mark = this.stack.lastIndexOf(MARK);
    if (mark < 0) this.fail('it looks for a mark that is not there');
    const values = this.stack.splice(mark) as PickleValue[];
    values.shift();
    return values;
  }

  top(): PickleValue {
    const value = this.stack.at(-1);
    if (value === undefined || value === MARK) this.fail('it looks at a value that is not there');
    return value;
  }

  integer(size: 1 | 2 | 4 | 8): void { this.push(this.unsigned(size)); }
  signed(): void { this.push(this.view.getInt32(this.skip(4), true)); }
  float(): void { this.push(this.view.getFloat64(this.skip(8), false)); }

  /** Two's complement, little-endian, of any length. */
  long(lengthSize: 1 | 4): void {
    const length = this.unsigned(lengthSize);
    if (length > MAX_INTEGER_BYTES) this.fail(`it holds an integer of ${length} bytes; at most ${MAX_INTEGER_BYTES} are read`);
    const start = this.skip(length);
    let value = 0n;
    for (let i = length - 1; i >= 0; i--) value = (value << 8n) | BigInt(this.bytes[start + i]!);
    value = BigInt.asIntN(8 * length, value);
    this.push(value >= BigInt(Number.MIN_SAFE_INTEGER) && value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value);
  }

  text(lengthSize: 1 | 4 | 8): void {
    const length = this.unsigned(lengthSize);
    const start = this.skip(length);
    try {
      this.pushNew(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(this.bytes.subarray(start, start + length)));
    } catch (error) {
      if (error instanceof CheckpointError) throw error;
      this.fail('it holds a text that is not valid UTF-8');
    }
  }

  tuple(count: number): void {
    const items: PickleValue[] = [];
    for (let i = 0; i < count; i++) items.unshift(this.pop());
    this.pushNew(new PickleTuple(items));
  }

  append(values: readonly PickleValue[]): void {
    const list = this.top();
    if (!(list instanceof PickleList)) this.fail(`it appends to ${describePickle(list)}; expected a list`);
    for (const value of values) list.items.push(value);
  }

  setItems(values: readonly PickleValue[]): void {
    const dict = this.top();
    if (!(dict instanceof PickleDict)) this.fail(`it sets entries of ${describePickle(dict)}; expected a dict`);
    if (values.length % 2 !== 0) this.fail('it sets an entry without a value');
    for (let i = 0; i < values.length; i += 2) this.setItem(dict, values[i]!, values[i + 1]!);
  }

  private setItem({ entries }: PickleDict, key: PickleValue, value: PickleValue): void {
    if (typeof key === 'object' && key !== null) this.fail(`it has a dict with ${describePickle(key)} as a key`);
    const plain: PickleKey = key;
    if (entries.has(plain)) this.fail(`it has the key ${describePickle(plain)} twice in a dict`);
    this.count();
    entries.set(plain, value);
  }

  globalByLines(): void { this.pushGlobal(this.line(), this.line()); }

  globalFromStack(): void {
    const name = this.pop(), module = this.pop();
    if (typeof name !== 'string' || typeof module !== 'string') this.fail('it names a Python object by something else than texts');
    this.pushGlobal(module, name);
  }

  private pushGlobal(module: string, name: string): void {
    if (module.length + name.length > MAX_NAME_LENGTH) this.fail('it names a Python object by an endless name');
    this.pushNew(this.host.global(module, name));
  }

  /** Class and arguments of protocol 0. Absent, but what it names is worth saying. */
  instance(): never {
    this.globalByLines();
    this.fail('it uses the opcode INST, which is not read');
  }

  call(): void {
    const args = this.pop(), callee = this.pop();
    if (!(callee instanceof PickleGlobal)) this.fail(`it calls ${describePickle(callee)}`);
    if (!(args instanceof PickleTuple)) this.fail(`it calls "${callee.name}" with ${describePickle(args)}; expected a tuple`);
    this.pushNew(this.host.call(callee, args));
  }

  setState(): void {
    const state = this.pop();
    this.host.setState(this.top(), state);
  }

  persistent(): void { this.pushNew(this.host.persistent(this.pop())); }

  remember(index: number): void {
    if (index >= MAX_OBJECTS) this.fail(`it remembers a value under the number ${index}; at most ${MAX_OBJECTS - 1} is read`);
    this.memo.set(index, this.top());
  }

  rememberNext(): void { this.remember(this.memo.size); }

  recall(index: number): void {
    const value = this.memo.get(index);
    if (value === undefined) this.fail(`it asks for the value number ${index}, which it has not remembered`);
    this.push(value);
  }

  byte(): number { return this.bytes[this.skip(1)]!; }

  unsigned(size: 1 | 2 | 4 | 8): number {
    const at = this.skip(size);
    if (size === 1) return this.bytes[at]!;
    if (size === 2) return this.view.getUint16(at, true);
    if (size === 4) return this.view.getUint32(at, true);
    const value = this.view.getBigUint64(at, true);
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) this.fail(`it has a length of ${value}`);
    return Number(value);
  }

  private line(): string {
    const end = this.bytes.indexOf(0x0a, this.at);
    if (end < 0) this.endsEarly();
    if (end - this.at > MAX_NAME_LENGTH) this.fail('it names a Python object by an endless name');
    const text = new TextDecoder('latin1').decode(this.bytes.subarray(this.at, end));
    this.at = end + 1;
    return text;
  }

  private skip(count: number): number {
    if (count > this.bytes.length - this.at) this.endsEarly();
    this.at += count;
    return this.at - count;
  }

  private count(): void {
    if (++this.objects > MAX_OBJECTS) this.fail(`it makes more than ${MAX_OBJECTS} objects`);
  }

  private endsEarly(): never {
    throw new TruncatedPickleError(`${this.source} is not a valid pickle: it ends in the middle, after ${this.bytes.length} bytes`);
  }

  fail(what: string): never {
    throw new CheckpointError(`${this.source} is not a valid pickle: ${what} (before byte ${this.at})`);
  }
}

const hex = (code: number): string => `0x${code.toString(16).padStart(2, '0')}`;
const of = (char: string): number => char.charCodeAt(0);
const STOP = of('.');

const OPCODES: ReadonlyMap<number, (machine: PickleMachine) => void> = new Map<number, (machine: PickleMachine) => void>([
  [0x80, (m) => m.protocol()], [0x95, (m) => m.frame()],
  [of('('), (m) => m.pushMark()], [of('0'), (m) => m.drop()], [of('1'), (m) => { m.popMarked(); }], [of('2'), (m) => m.push(m.top())],
  [of('N'), (m) => m.push(null)], [0x88, (m) => m.push(true)], [0x89, (m) => m.push(false)],
  [of('K'), (m) => m.integer(1)], [of('M'), (m) => m.integer(2)], [of('J'), (m) => m.signed()], [of('G'), (m) => m.float()],
  [0x8a, (m) => m.long(1)], [0x8b, (m) => m.long(4)],
  // Texts of Python 2 and 3.
  [of('U'), (m) => m.text(1)], [of('T'), (m) => m.text(4)], [0x8c, (m) => m.text(1)], [of('X'), (m) => m.text(4)], [0x8d, (m) => m.text(8)],
  [of(')'), (m) => m.tuple(0)], [0x85, (m) => m.tuple(1)], [0x86, (m) => m.tuple(2)], [0x87, (m) => m.tuple(3)],
  [of('t'), (m) => m.pushNew(new PickleTuple(m.popMarked()))],
  [of(']'), (m) => m.pushNew(new PickleList())], [of('a'), (m) => m.append([m.pop()])], [of('e'), (m) => m.append(m.popMarked())],
  [of('}'), (m) => m.pushNew(new PickleDict())], [of('u'), (m) => m.setItems(m.popMarked())],
  [of('s'), (m) => { const value = m.pop(), key = m.pop(); m.setItems([key, value]); }],
  [of('c'), (m) => m.globalByLines()], [of('i'), (m) => m.instance()], [0x93, (m) => m.globalFromStack()],
  [of('R'), (m) => m.call()], [of('b'), (m) => m.setState()], [of('Q'), (m) => m.persistent()],
  [of('q'), (m) => m.remember(m.unsigned(1))], [of('r'), (m) => m.remember(m.unsigned(4))], [0x94, (m) => m.rememberNext()],
  [of('h'), (m) => m.recall(m.unsigned(1))], [of('j'), (m) => m.recall(m.unsigned(4))],
]);

/** Opcodes of the format that are absent here, by their names. */
const ABSENT: ReadonlyMap<number, string> = new Map([
  [of('o'), 'OBJ'], [0x81, 'NEWOBJ'], [0x92, 'NEWOBJ_EX'], [0x82, 'EXT1'], [0x83, 'EXT2'], [0x84, 'EXT4'], [of('P'), 'PERSID'],
  [of('I'), 'INT'], [of('L'), 'LONG'], [of('F'), 'FLOAT'], [of('S'), 'STRING'], [of('V'), 'UNICODE'], [of('l'), 'LIST'], [of('d'), 'DICT'],
  [of('p'), 'PUT'], [of('g'), 'GET'], [of('B'), 'BINBYTES'], [of('C'), 'SHORT_BINBYTES'], [0x8e, 'BINBYTES8'], [0x8f, 'EMPTY_SET'],
  [0x90, 'ADDITEMS'], [0x91, 'FROZENSET'], [0x96, 'BYTEARRAY8'], [0x97, 'NEXT_BUFFER'], [0x98, 'READONLY_BUFFER'],
]);
