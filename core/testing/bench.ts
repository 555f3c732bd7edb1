import assert from 'node:assert/strict';
import { cp, mkdtemp, readFile, rm, symlink, writeFile, readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createEngine } from '../container.js';
import type { Engine } from '../engine.js';
import type { EngineOptions, GenerateRequest } from '../options.js';
import { StrategyRegistry } from '../registry.js';
import type { RunResult } from '../run.js';
import type { Strategy, StrategyConfig } from '../strategy.js';
import type { ContractSubject } from './contract.js';
import { writeTinyModel } from './tiny-model.js';

/** Tokens that a check generates per text, unless it says otherwise. */
export const TEXT_TOKENS = 40;

/** Texts of different lengths: one token; a few; more than a page of KV memory. Their ids exist in every vocabulary. */
export const PROMPTS: readonly (readonly number[])[] = [
  [1],
  [14, 15, 16, 17, 18, 19, 20, 14, 15],
  Array.from({ length: 75 }, (_, i) => 7 * (i % 5) + (i % 7)),
];

/** A machine that is busy with other things makes no strategy slow: only the check of slow ones sets a budget. */
const NEVER_SLOW_MS = 60_000;

export type BenchRequest = Omit<GenerateRequest, 'strategy' | 'prompt'>;

/** Where the checks of one contract run: the models, the strategy, and what plain decoding says. */
export class ContractBench {
  tokensCompared = 0;
  private readonly plain = new Map<string, RunResult>();
  private folders: Promise<{ root: string; target: string; draft: string }> | undefined;
  private loaded: Promise<Strategy> | undefined;

  constructor(private readonly subject: ContractSubject) {}

  /** The strategy under test, loaded if it was named. */
  strategy(): Promise<Strategy> {
    const { strategy } = this.subject;
    // A strategy is called with options that its own schema has parsed: what it narrows them to makes no difference here.
    this.loaded ??= typeof strategy === 'string' ? new StrategyRegistry([]).resolve(strategy) : Promise.resolve(strategy as unknown as Strategy);
    return this.loaded;
  }

  /** Its configuration, or that of a variant with other name. */
  async config(name?: string): Promise<StrategyConfig> {
    const { options = {} } = this.subject;
    const models = await this.models();
    return { ...(typeof options === 'function' ? options(models) : options), name: name ?? (await this.strategy()).name };
  }

  /** An engine that knows the strategy, or the variants given in its place, by name. Plain decoding is its default. */
  async engine(options: Partial<EngineOptions> = {}, plugins?: readonly Strategy[]): Promise<Engine> {
    const { target } = await this.models();
    return createEngine({
      model: target, measure: false, maxSequences: 4, maxTokensPerSequence: 256, threads: 1, proposeBudgetMs: NEVER_SLOW_MS,
      plugins: plugins ?? [await this.strategy()], ...options,
    });
  }

  /** Opens an engine for the time of `use`; afterwards no page may be left. */
  async withEngine<T>(options: Partial<EngineOptions>, plugins: readonly Strategy[] | undefined, use: (engine: Engine) => Promise<T>): Promise<T> {
    const engine = await this.engine(options, plugins);
    try {
      const value = await use(engine);
      await settled(engine);
      return value;
    } finally {
      await engine.dispose();
    }
  }

  /** What plain decoding makes of a request, computed once. */
  async reference(request: BenchRequest, options: Partial<EngineOptions> = {}): Promise<RunResult> {
    const key = JSON.stringify([request, options], (_, value: unknown) => (typeof value === 'bigint' ? `${value}n` : value));
    const known = this.plain.get(key);
    if (known !== undefined) return known;
    const result = await this.withEngine(options, undefined, (engine) => engine.generate({ ...request, strategy: 'off' }).result);
    this.plain.set(key, result);
    return result;
  }

  /** Fails unless tokens and ends are those of plain decoding. */
  async expectPlain(result: RunResult, request: BenchRequest, options: Partial<EngineOptions> = {}): Promise<void> {
    const plain = await this.reference(request, options);
    plain.samples.forEach(({ tokens, finishReason }, i) => {
      const sample = result.samples[i];
      assert.deepEqual(sample?.tokens, tokens, `sample ${i}: other tokens than plain decoding (prompt of ${request.promptTokens?.length} tokens, temperature ${request.temperature ?? 0})`);
      assert.equal(sample?.finishReason, finishReason, `sample ${i}: another finish reason than plain decoding`);
      this.tokensCompared += tokens.length;
    });
  }

  /** A copy of the target whose texts end with a token. */
  async targetEndingWith(eosTokenId: number): Promise<string> {
    const { root, target } = await this.models();
    const folder = await mkdtemp(join(root, 'eos-'));
    for (const name of await readdir(target)) {
      if (!/^(generation_)?config\.json$/.test(name)) await link(join(target, name), join(folder, name));
    }
    const config = JSON.parse(await readFile(join(target, 'config.json'), 'utf8')) as Record<string, unknown>;
    await writeFile(join(folder, 'config.json'), JSON.stringify({ ...config, eos_token_id: eosTokenId }));
    return folder;
  }

  /** Folders of the target and of a smaller companion that can draft for the tiny target. */
  async models(): Promise<{ root: string; target: string; draft: string }> {
    this.folders ??= this.writeModels();
    return this.folders;
  }

  async dispose(): Promise<void> {
    const folders = await this.folders;
    this.folders = undefined;
    if (folders !== undefined) await rm(folders.root, { recursive: true, force: true });
  }

  private async writeModels(): Promise<{ root: string; target: string; draft: string }> {
    const root = await mkdtemp(join(tmpdir(), 'foretoken-contract-'));
    const draft = join(root, 'draft');
    const own = join(root, 'target');
    await writeTinyModel(draft, { seed: 2 });
    await writeTinyModel(own);
    return { root, draft, target: this.subject.model === undefined ? own : resolve(this.subject.model) };
  }
}

/** Waits until nothing runs, and fails when pages stay taken. */
export async function settled(engine: Engine): Promise<void> {
  for (let i = 0; i < 100 && engine.pages().used > 0; i++) await new Promise((wake) => setTimeout(wake, 2));
  assert.equal(engine.pages().used, 0, 'pages of KV memory stay taken when nothing runs');
}

/** Links where the system lets us, else copies. */
async function link(from: string, to: string): Promise<void> {
  await symlink(from, to).catch(() => cp(from, to));
}
