import { failAtOnce, type Report } from '../checkpoint/report.js';
import { describeJson, isObject, type JsonObject } from '../checkpoint/strict-json.js';
import { CheckpointError, nearest, suggestion } from '../errors.js';

/** The largest size that native code counts with. */
const MAX_INTEGER = 2 ** 31 - 1;

/**
 * A config.json, or an object inside one, read field by field. Every getter checks type and range and remembers that the field was read,
 * so that {@link refuseUnread} can tell what nobody has looked at. A field that is `null` counts as absent.
 */
export class ConfigFields {
  private readonly read = new Set<string>();

  /** @param source stands at the beginning of every message: the file, and the object inside it */
  constructor(private readonly values: JsonObject, readonly source: string) {}

  has(name: string): boolean {
    return this.get(name) !== undefined;
  }

  /** Whether the field is there and says `null`: to some families not the same as its absence. */
  isNull(name: string): boolean {
    this.read.add(name);
    return Object.hasOwn(this.values, name) && this.values[name] === null;
  }

  /** An integer in [min, max]; without `default` the field must be there. */
  integer(name: string, { default: fallback, min = 1, max = MAX_INTEGER }: { readonly default?: number; readonly min?: number; readonly max?: number } = {}): number {
    const value = this.get(name) ?? fallback;
    if (typeof value === 'number' && Number.isSafeInteger(value) && value >= min && value <= max) return value;
    return this.refuse(name, value, `an integer from ${min} to ${max}`);
  }

  /** A finite number in [min, max], or above `above`. */
  number(name: string, { default: fallback, min = -Infinity, above = -Infinity, max = Infinity }: { readonly default?: number; readonly min?: number; readonly above?: number; readonly max?: number } = {}): number {
    const value = this.get(name) ?? fallback;
    if (typeof value === 'number' && Number.isFinite(value) && value >= min && value > above && value <= max) return value;
    const bounds = [above > -Infinity && `above ${above}`, min > -Infinity && `of at least ${min}`, max < Infinity && `of at most ${max}`].filter(Boolean).join(' and ');
    return this.refuse(name, value, `a number${bounds && ` ${bounds}`}`);
  }

  boolean(name: string, fallback: boolean): boolean {
    const value = this.get(name) ?? fallback;
    return typeof value === 'boolean' ? value : this.refuse(name, value, 'true or false');
  }

  /** A name of `known`, mapped to what it stands for. */
  choice<T>(name: string, known: ReadonlyMap<string, T>, fallback?: string): T {
    const value = this.get(name) ?? fallback;
    if (typeof value !== 'string') return this.refuse(name, value, `one of ${[...known.keys()].join(', ')}`);
    const meaning = known.get(value);
    if (meaning === undefined) throw new CheckpointError(`${this.source} has "${name}": ${describeJson(value)}, which is not supported${suggestion(value, known.keys())}`);
    return meaning;
  }

  text(name: string): string | undefined {
    const value = this.get(name);
    return value === undefined || typeof value === 'string' ? value : this.refuse(name, value, 'a string');
  }

  object(name: string): ConfigFields | undefined {
    const value = this.get(name);
    if (value === undefined) return undefined;
    return isObject(value) ? new ConfigFields(value, `"${name}" in ${this.source}`) : this.refuse(name, value, 'an object');
  }

  array(name: string): readonly unknown[] | undefined {
    const value = this.get(name);
    return value === undefined || Array.isArray(value) ? value : this.refuse(name, value, 'an array');
  }

  /** One string or several, none empty. */
  textOrTexts(name: string): readonly string[] {
    const value = this.get(name);
    const texts: unknown[] = Array.isArray(value) ? value : [value];
    const good = texts.every((text): text is string => typeof text === 'string' && text !== '');
    return good ? texts : this.refuse(name, value, 'a string or an array of strings');
  }

  /** One token id or several. */
  tokenIds(name: string): number[] | undefined {
    const value = this.get(name);
    if (value === undefined) return undefined;
    const ids: unknown[] = Array.isArray(value) ? value : [value];
    const good = ids.every((id): id is number => typeof id === 'number' && Number.isSafeInteger(id) && id >= 0 && id <= MAX_INTEGER);
    return good ? [...new Set(ids)] : this.refuse(name, value, 'a token id or an array of token ids');
  }

  /** The last word on a field that is well-formed but impossible. */
  refuse(name: string, value: unknown, expected: string): never {
    if (value !== undefined) throw new CheckpointError(`${this.source} has "${name}": ${describeJson(value)}; expected ${expected}`);
    const near = nearest(name, Object.keys(this.values).filter((key) => !this.read.has(key)));
    throw new CheckpointError(`${this.source} has no "${name}"; expected ${expected}${near === undefined ? '' : `; is "${near}" meant?`}`);
  }

  /**
   * Refuses every field that was not read, unless it is known to be irrelevant or has a value that says nothing.
   *
   * @param family what the fields belong to, e.g. "llama"
   * @param additions first words of the fields of what lies beside the model in the same folder
   * @param report is told of each; default: the first is thrown
   * @throws CheckpointError naming the field and its value
   */
  refuseUnread(family: string, irrelevant: readonly string[], additions: ReadonlySet<string> = new Set(), report: Report = failAtOnce): void {
    const known = new Set(irrelevant);
    for (const [name, value] of Object.entries(this.values)) {
      if (this.read.has(name) || known.has(name) || isHarmless(name, value) || additions.has(name.split('_', 1)[0]!)) continue;
      report(this.unread(name, value, family));
    }
  }

  private unread(name: string, value: unknown, family: string): CheckpointError {
    if (name === 'quantization_config' || name === 'compression_config') {
      const method = isObject(value) && typeof value['quant_method'] === 'string' ? ` (${describeJson(value['quant_method'])})` : '';
      return new CheckpointError(`${this.source} has "${name}"${method}: quantised checkpoints are not supported; take the original`);
    }
    return new CheckpointError(`${this.source} has "${name}": ${describeJson(value)}, which is not implemented for ${family} and may change the numbers; remove it if it does not`);
  }

  private get(name: string): unknown {
    this.read.add(name);
    return Object.hasOwn(this.values, name) ? (this.values[name] ?? undefined) : undefined;
  }
}

/** Values that switch nothing on. */
function isHarmless(name: string, value: unknown): boolean {
  if (value === null || value === '') return true;
  if (value === false) return !ON_BY_NATURE.has(name);
  if (value === 1) return /_(multiplier|scaling|scale|factor)$/.test(name);
  if (value === 0) return /(dropout|pdrop|drop_prob|loss_coef)$/.test(name);
  if (name === 'auto_map' && isObject(value)) return Object.keys(value).every((key) => key === 'AutoTokenizer' || key === 'AutoConfig');
  return typeof value === 'object' && Object.keys(value).length === 0;
}

/** Parts that every decoder here has: `false` would take them away. */
const ON_BY_NATURE: ReadonlySet<string> = new Set(['is_causal', 'causal', 'use_causal_mask', 'use_rope', 'use_rms_norm', 'use_final_norm']);
