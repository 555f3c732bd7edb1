// A JSON reader for files that nobody has checked. What JSON.parse lacks: it refuses a key that occurs twice (JSON.parse keeps the last and
// says nothing), says where the fault lies, bounds the depth, and refuses text that is no Unicode.
import { CheckpointError } from '../errors.js';

const MAX_DEPTH = 64;

export type JsonObject = Readonly<Record<string, unknown>>;

/**
 * Parses one JSON document. Objects are plain objects with own properties only, whatever their keys are called.
 *
 * @param source what the text is, as it stands at the beginning of an error message, e.g. the file's path
 * @throws CheckpointError with line and column of the fault
 */
export function parseStrictJson(text: string, source: string): unknown {
  return new Parser(text, source).document();
}

/** The document as an object. @throws CheckpointError when it is something else. */
export function parseStrictJsonObject(text: string, source: string): JsonObject {
  const value = parseStrictJson(text, source);
  if (!isObject(value)) throw new CheckpointError(`${source} holds ${describeJson(value)}; expected a JSON object`);
  return value;
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A JSON value as it may stand in a message: short, whatever it is. */
export function describeJson(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (Array.isArray(value) && value.length > 8) return `an array of ${value.length}`;
  const text = JSON.stringify(value) ?? String(value);
  return text.length <= 80 ? text : `${text.slice(0, 77)}…`;
}

class Parser {
  private at = 0;

  constructor(private readonly text: string, private readonly source: string) {}

  document(): unknown {
    const value = this.value(0);
    this.skipSpace();
    if (this.at < this.text.length) this.fail('more text after the end of the document');
    return value;
  }

  private value(depth: number): unknown {
    if (depth > MAX_DEPTH) this.fail(`nested deeper than ${MAX_DEPTH} levels`);
    this.skipSpace();
    const char = this.text[this.at];
    if (char === '{') return this.object(depth);
    if (char === '[') return this.array(depth);
    if (char === '"') return this.string();
    if (char === '-' || (char !== undefined && char >= '0' && char <= '9')) return this.number();
    for (const [word, value] of WORDS) {
      if (!this.text.startsWith(word, this.at)) continue;
      this.at += word.length;
      return value;
    }
    return this.fail(char === undefined ? 'it ends in the middle' : `${show(char)} where a value is expected`);
  }

  private object(depth: number): Record<string, unknown> {
    const object: Record<string, unknown> = {};
    if (this.opensEmpty('}')) return object;
    do {
      this.skipSpace();
      const start = this.at;
      if (this.text[this.at] !== '"') this.fail(this.at < this.text.length ? `${show(this.text[this.at]!)} where a key is expected` : 'it ends in the middle');
      const key = this.string();
      if (Object.hasOwn(object, key)) this.fail(`the key ${describeJson(key)} occurs twice`, start);
      this.expect(':');
      // Assigning to "__proto__" would set the prototype and lose the key.
      Object.defineProperty(object, key, { value: this.value(depth + 1), writable: true, enumerable: true, configurable: true });
    } while (this.continues('}'));
    return object;
  }

  private array(depth: number): unknown[] {
    const array: unknown[] = [];
    if (this.opensEmpty(']')) return array;
    do array.push(this.value(depth + 1));
    while (this.continues(']'));
    return array;
  }

  private string(): string {
    const start = this.at;
    let escaped = false;
    for (this.at++; ; this.at++) {
      const code = this.text.charCodeAt(this.at);
      if (code === 0x22) break;
      if (Number.isNaN(code)) this.fail('it ends inside a string', start);
      if (code < 0x20) this.fail('a control character inside a string');
      if (code !== 0x5c) continue;
      escaped = true;
      this.at++;
    }
    this.at++;
    if (!escaped) return this.text.slice(start + 1, this.at - 1);
    let value = '';
    try {
      value = JSON.parse(this.text.slice(start, this.at)) as string;
    } catch {
      this.fail('a string with a bad escape', start);
    }
    if (LONE_SURROGATE.test(value)) this.fail('a string that is no Unicode text (half a surrogate pair)', start);
    return value;
  }

  private number(): number {
    NUMBER.lastIndex = this.at;
    const [digits] = NUMBER.exec(this.text) ?? this.fail('a malformed number');
    const value = Number(digits);
    if (!Number.isFinite(value)) this.fail('a number too large for a double');
    this.at += digits.length;
    return value;
  }

  private opensEmpty(close: string): boolean {
    this.at++;
    this.skipSpace();
    if (this.text[this.at] !== close) return false;
    this.at++;
    return true;
  }

  /** Reads "," (true) or the closing bracket (false). */
  private continues(close: string): boolean {
    this.skipSpace();
    const char = this.text[this.at];
    if (char !== ',' && char !== close) this.fail(char === undefined ? 'it ends in the middle' : `${show(char)} where "," or "${close}" is expected`);
    this.at++;
    return char === ',';
  }

  private expect(char: string): void {
    this.skipSpace();
    if (this.text[this.at] !== char) this.fail(this.at < this.text.length ? `${show(this.text[this.at]!)} where "${char}" is expected` : 'it ends in the middle');
    this.at++;
  }

  private skipSpace(): void {
    for (; ; this.at++) {
      const code = this.text.charCodeAt(this.at);
      if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return;
    }
  }

  private fail(what: string, at = this.at): never {
    let line = 1;
    let lineStart = 0;
    for (let next = this.text.indexOf('\n'); next >= 0 && next < at; next = this.text.indexOf('\n', next + 1)) {
      line++;
      lineStart = next + 1;
    }
    throw new CheckpointError(`${this.source} is not valid JSON: ${what} (line ${line}, column ${at - lineStart + 1})`);
  }
}

const WORDS: readonly (readonly [string, unknown])[] = [['true', true], ['false', false], ['null', null]];
const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
const LONE_SURROGATE = /\p{Surrogate}/u;

function show(char: string): string {
  return char === '\ufeff' ? 'a byte-order mark' : JSON.stringify(char);
}
