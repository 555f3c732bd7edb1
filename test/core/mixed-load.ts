// Requests of every kind at once: strategies that work and strategies that do not, samples, cancels, disposal of iterators, bad options.
import type { DraftProposer, Engine, GenerateRequest, RunResult, Strategy, StrategyConfig } from '../../core/index.js';
import { demoPrompts } from '../identity/matrix.js';
import { Random } from '../native/random.js';
import { copycat, plan, strategy } from './plugins.js';

/** Plugins that go wrong now and then, seeded: each in its own way. */
export function unreliablePlugins(seed: number): Strategy<object>[] {
  const random = new Random(seed);
  const sometimes = (): boolean => random.integer(0, 3) === 0;
  const fail = (what: string): never => { throw new Error(what); };
  const proposers: Record<string, () => DraftProposer> = {
    'throws when proposing': () => ({ propose: (batch, draft) => { copycat().propose(batch, draft); if (sometimes()) fail('no draft today'); } }),
    'throws when observing': () => ({ ...copycat(), observe: () => { if (sometimes()) fail('not listening'); } }),
    'throws when left': () => ({ ...copycat(), left: () => { if (sometimes()) fail('will not go'); } }),
    'drafts nonsense': () => ({ propose: ({ sequences }, draft) => { for (const s of sequences) for (let i = 0; i < 4; i++) draft.node(s, random.integer(-5, 5000), random.integer(-2, 6)); } }),
  };
  const all = Object.entries(proposers).map(([name, create]) => strategy(name, create, plan(6, name === 'throws when observing' ? { hidden: 'all' } : {})));
  const onDevice = strategy('nonsense on the device', (host) => ({
    propose({ sequences: of }, draft) {
      const random32 = (from: number, to: number): Int32Array => Int32Array.from(random.integers(of.length * 5, from, to));
      draft.tensors(of, { tokens: host.ops.fromArray(random32(-9, 5000), [of.length, 5]), parents: host.ops.fromArray(random32(-3, 9), [of.length, 5]) });
    },
  }));
  return [...all, onDevice, strategy('copycat', copycat)];
}

export const UNRELIABLE = ['throws when proposing', 'throws when observing', 'throws when left', 'drafts nonsense', 'nonsense on the device', 'copycat'];
const SHIPPED: readonly (string | StrategyConfig)[] = [
  'off', 'prompt-lookup', 'lookahead', { name: 'draft-target', draft: 'models/demo/draft' }, { name: 'medusa', head: 'models/demo/medusa' },
  { name: 'eagle', head: 'models/demo/eagle' }, { name: 'redrafter', head: 'models/demo/redrafter' },
];

export interface LoadFigures {
  finished: number;
  cancelled: number;
  faults: number;
  /** Error code, or name, of what failed otherwise. */
  readonly failures: Record<string, number>;
  /** Finished requests that did not get plain decoding's tokens. */
  readonly different: string[];
  compared: number;
}

/** One request, what to do to it, and which plain request it must equal. */
interface Case {
  readonly request: GenerateRequest;
  readonly plainKey: string;
  readonly plain: GenerateRequest;
  /** Chunks after which it is cancelled, or its iterator left; -1: never. */
  readonly cancelAfter: number;
  readonly isLeft: boolean;
}

/** Draws cases and remembers what plain decoding gave, computed by an engine of its own. */
export class MixedLoad {
  private readonly prompts = demoPrompts(16);
  private readonly plain = new Map<string, Promise<(readonly number[])[]>>();
  private readonly random: Random;
  readonly figures: LoadFigures = { finished: 0, cancelled: 0, faults: 0, failures: {}, different: [], compared: 0 };

  constructor(private readonly engine: Engine, private readonly reference: Engine, seed: number, private readonly maxTokens: number) {
    this.random = new Random(seed);
  }

  /** Starts `count` requests, at most `width` of them at a time. */
  async run(count: number, width: number): Promise<void> {
    let left = count;
    await Promise.all(Array.from({ length: width }, async () => { while (left-- > 0) await this.one(); }));
  }

  private async one(): Promise<void> {
    const { request, plain, plainKey, cancelAfter, isLeft } = this.draw();
    const controller = new AbortController();
    const run = this.engine.generate({ ...request, signal: controller.signal });
    const outcome = run.result.then((result) => ({ result }), (error: unknown) => ({ error }));
    let chunks = 0;
    try {
      if (cancelAfter === 0) controller.abort(new Error('cancelled'));
      for await (const _ of run) {
        if (++chunks !== cancelAfter) continue;
        if (isLeft) break;
        controller.abort(new Error('cancelled'));
      }
    } catch { /* the outcome says the same */ }
    const ended = await outcome;
    if ('error' in ended) this.failed(ended.error, cancelAfter);
    else await this.compare(ended.result, plainKey, plain);
  }

  private failed(error: unknown, cancelAfter: number): void {
    const { code, name, message } = error as { code?: unknown; name?: string; message?: string };
    if (cancelAfter >= 0 && (message === 'cancelled' || name === 'AbortError')) this.figures.cancelled++;
    else {
      const key = String(typeof code === 'string' ? code : name);
      this.figures.failures[key] = (this.figures.failures[key] ?? 0) + 1;
    }
  }

  private async compare(result: RunResult, key: string, plain: GenerateRequest): Promise<void> {
    let want = this.plain.get(key);
    if (want === undefined) {
      want = this.reference.generate(plain).result.then(({ samples }) => samples.map(({ tokens }) => tokens));
      this.plain.set(key, want);
    }
    this.figures.finished++;
    this.figures.faults += result.stats.faults;
    const texts = await want;
    result.samples.forEach(({ tokens }, i) => {
      this.figures.compared += tokens.length;
      if (tokens.join() !== texts[i]!.join()) this.figures.different.push(`${result.stats.strategy}: sample ${i} of ${key}`);
    });
  }

  private draw(): Case {
    const pick = (to: number): number => this.random.integer(0, to - 1);
    const prompt = pick(this.prompts.length);
    const variant = pick(4);
    const n = pick(8) === 0 ? 2 : 1;
    const plain: GenerateRequest = {
      promptTokens: this.prompts[prompt]!, maxTokens: 1 + ((variant * 7 + prompt * 5) % this.maxTokens), temperature: [0, 0.7, 1.2, 1][variant]!, seed: prompt, ignoreEos: variant % 2 === 0, n,
      ...(variant === 2 ? { topP: 0.9 } : {}), strategy: 'off',
    };
    const strategy = pick(2) === 0 ? UNRELIABLE[pick(UNRELIABLE.length)]! : SHIPPED[pick(SHIPPED.length)]!;
    const isBad = pick(40) === 0;
    const request = isBad ? { ...plain, temperature: -1 } : { ...plain, strategy };
    return { request, plain, plainKey: `prompt ${prompt}, variant ${variant}, n ${n}`, cancelAfter: pick(5) === 0 ? pick(6) : -1, isLeft: pick(2) === 0 };
  }
}
