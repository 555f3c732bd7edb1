import { ConfigError } from './errors.js';
import type { StrategyInstance } from './strategy-instance.js';
import type { StrategyConfig } from './strategy.js';

/** Names with a meaning of their own: plain decoding, and the strategy of requests that name none. */
const OFF = 'off';
const DEFAULT = 'default';

/** Where a choice has led: to a configuration, by the names on the way. */
export interface ResolvedChoice {
  readonly choice: string | StrategyConfig;
  /** Names that were followed, the first one first. Setting one of them anew concerns this request. */
  readonly names: readonly string[];
}

/** What becomes of the sequences that run under a name when it is set anew. */
export interface SetStrategyOptions {
  /** `'finish'` (default): they end under the strategy that they have. `'move'`: they change to the new one before the next pass. Either way their tokens stay the same. */
  readonly running?: 'finish' | 'move';
}

/**
 * Strategies by names of one's own, such as `fast`, and the default of requests that name none. They can be set anew while the engine runs;
 * the new one is loaded first, and nothing has changed where it cannot run.
 */
export class NamedStrategies {
  private readonly choices: Map<string, string | StrategyConfig>;
  private last: Promise<unknown> = Promise.resolve();

  /** @internal Made by the engine. */
  constructor(
    named: Readonly<Record<string, string | StrategyConfig>>,
    fallback: string | StrategyConfig,
    private readonly load: (choice: string | StrategyConfig) => Promise<StrategyInstance | undefined>,
    private readonly move: (name: string, strategy: StrategyInstance | undefined) => void,
  ) {
    this.choices = new Map(Object.entries(named));
    for (const name of this.choices.keys()) checkFree(name);
    this.choices.set(DEFAULT, fallback);
  }

  /** Names that a request may use, `default` among them. */
  names(): string[] {
    return [...this.choices.keys()];
  }

  /** What a name stands for now; undefined for a name that was never set. */
  get(name: string): string | StrategyConfig | undefined {
    return this.choices.get(name);
  }

  /**
   * Gives a name, or `'default'`, another strategy, and loads it. Requests that start when the promise has resolved use it. Calls take effect
   * in the order in which they were made.
   *
   * @throws ConfigError for a name that is taken, and what `engine.prepare` would throw; nothing has changed then
   */
  set(name: string, choice: string | StrategyConfig, { running = 'finish' }: SetStrategyOptions = {}): Promise<void> {
    const done = this.last.then(() => this.replace(name, choice, running));
    this.last = done.catch(() => {});   // the next call does not fail with this one
    return done;
  }

  /** @internal Follows names until a configuration, `'off'`, or a name that is a strategy's own. */
  resolve(choice: string | StrategyConfig = DEFAULT, named: ReadonlyMap<string, string | StrategyConfig> = this.choices): ResolvedChoice {
    const names: string[] = [];
    let at = choice;
    while (typeof at === 'string') {
      const next = named.get(at);
      if (next === undefined || names.includes(at)) break;
      names.push(at);
      if (next === at) break;   // a name may stand for the strategy of the same name
      at = next;
      if (typeof at === 'string' && names.includes(at)) throw new ConfigError(`Strategy names go in a circle: ${[...names, at].join(' → ')}; let one of them stand for a strategy.`);
    }
    return { choice: at, names };
  }

  private async replace(name: string, choice: string | StrategyConfig, running: 'finish' | 'move'): Promise<void> {
    if (name !== DEFAULT) checkFree(name);
    if (running !== 'finish' && running !== 'move') throw new ConfigError(`Option \`running\` of strategies.set: expected 'finish' or 'move'; got ${JSON.stringify(running)}.`);
    const strategy = await this.load(this.resolve(choice, new Map([...this.choices, [name, choice]])).choice);
    this.choices.set(name, choice);
    if (running === 'move') this.move(name, strategy);
  }
}

function checkFree(name: string): void {
  if (name === OFF || name === DEFAULT) throw new ConfigError(`Option \`strategies\`: the name "${name}" has a meaning of its own (${name === OFF ? 'plain decoding' : 'the strategy of requests that name none; set `strategy` instead'}); choose another.`);
  if (!/^[A-Za-z][\w.-]*$/.test(name)) throw new ConfigError(`Option \`strategies\`: "${name}" is no name; expected a letter, then letters, digits, "-", "_" or ".".`);
}
