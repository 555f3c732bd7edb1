import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { packageRoot } from '../package-root.js';
import { environmentNames } from './environment.js';
import { configJsonSchema } from './json-schema.js';
import { loadConfig, type LoadConfigOptions, type LoadedConfig } from './load.js';

let folder: string;
beforeEach(() => { folder = mkdtempSync(join(tmpdir(), 'foretoken-config-')); });
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const write = (name: string, text: string): void => writeFileSync(join(folder, name), text);
const load = (options: LoadConfigOptions = {}): Promise<LoadedConfig> => loadConfig({ cwd: folder, ...options });
const originOf = ({ values }: LoadedConfig, path: string): [unknown, string] | undefined => {
  const found = values.find((value) => value.path === path);
  return found && [found.value, found.origin];
};

describe('a configuration file', () => {
  it.each([
    ['foretoken.config.ts', "import { defineConfig } from 'foretoken';\nconst threads: number = 2;\nexport default defineConfig({ engine: { model: 'm', threads }, strategy: 'fast', strategies: { fast: { name: 'prompt-lookup' } } });"],
    ['foretoken.config.js', "export default { engine: { model: 'm', threads: 2 }, strategy: 'fast', strategies: { fast: { name: 'prompt-lookup' } } };"],
    ['foretoken.config.json', '{ "$schema": "x", "engine": { "model": "m", "threads": 2 }, "strategy": "fast", "strategies": { "fast": { "name": "prompt-lookup" } } }'],
    ['foretoken.config.yaml', 'engine: { model: m, threads: 2 }\nstrategy: fast\nstrategies:\n  fast: { name: prompt-lookup }'],
  ])('is found and read: %s', async (name, text) => {
    write(name, text);
    const loaded = await load();
    expect(loaded.file).toBe(join(folder, name));
    expect(loaded.engine).toMatchObject({ model: join(folder, 'm'), threads: 2, strategy: 'fast', strategies: { fast: { name: 'prompt-lookup' } } });
    expect(originOf(loaded, 'engine.threads')).toEqual([2, name]);
  });

  it('may be missing', async () => {
    const loaded = await load();
    expect(loaded.file).toBeUndefined();
    expect(originOf(loaded, 'engine.maxSequences')).toEqual([8, 'default']);
    expect(() => loaded.engine).toThrow('No model: set `engine.model`');
  });

  it('is one per folder, and must exist where it is named', async () => {
    write('foretoken.config.ts', 'export default {};');
    write('foretoken.config.yaml', '');
    await expect(load()).rejects.toThrow('foretoken.config.ts and foretoken.config.yaml; keep one');
    await expect(load({ file: 'other.yaml' })).rejects.toThrow('There is no configuration file at');
    expect((await load({ file: false })).file).toBeUndefined();
  });

  it.each([
    ['{ "engin": {} }', 'Unknown option "engin" for foretoken.config.json; did you mean "engine"?'],
    ['{ "engine": { "thread": 2 } }', 'Unknown option "thread" in `engine` for foretoken.config.json; did you mean "threads"?'],
    ['{ "request": { "topk": 2 } }', 'did you mean "topK"?'],
    ['{ "engine": { "threads": 0 } }', 'Option `engine.threads` of foretoken.config.json'],
    ['{ "strategy": {} }', "a strategy's name, 'off', or an object"],
    ['{ "experiments": { "x": { "arms": { "a": "off", "b": "fast" }, "desing": "paired" } } }', '"desing"'],
    ['{ broken', 'does not load'],
  ])('is refused with the remedy: %s', async (text, complaint) => {
    write('foretoken.config.json', text);
    await expect(load()).rejects.toThrow(complaint);
  });

  it('has paths seen from its folder', async () => {
    write('foretoken.config.json', JSON.stringify({ engine: { model: 'm' }, strategy: { name: 'x', draft: './d', note: 'd' }, request: { stop: ['./d'] } }));
    expect((await load()).engine).toMatchObject({ model: join(folder, 'm'), strategy: { name: 'x', draft: join(folder, 'd'), note: 'd' }, request: { stop: ['./d'] } });
  });

  it('brings strategies and verifiers of modules', async () => {
    write('mine.ts', `import { defineStrategy, defineVerifier } from 'foretoken'; import { z } from 'zod';
      export default [defineStrategy({ name: 'mine', version: '1.0.0', api: 1, options: z.strictObject({}), plan: () => ({}) as never, create: async () => ({ propose() {} }) }),
        defineVerifier({ name: 'strict', options: z.strictObject({}), guarantee: 'identical', accepts: ['deterministic'], verify: (scored, ops) => ops.acceptChosen(scored) })];`);
    write('foretoken.config.json', '{ "engine": { "model": "m" }, "plugins": ["./mine.ts"] }');
    const { engine } = await load();
    expect([engine.plugins?.map(({ name }) => name), engine.verifiers?.map(({ name }) => name)]).toEqual([['mine'], ['strict']]);
    write('foretoken.config.json', '{ "engine": { "model": "m" }, "plugins": ["./yours.ts"] }');
    await expect(load()).rejects.toThrow('There is no strategy file at');
  });

  it('names experiments by their keys', async () => {
    write('foretoken.config.json', '{ "experiments": { "one": { "arms": { "a": "off", "b": "prompt-lookup" } } } }');
    expect((await load()).experiments).toMatchObject({ one: { name: 'one', arms: { a: 'off' } } });
  });
});

describe('precedence', () => {
  it('is defaults < file < environment < flags, value by value', async () => {
    write('foretoken.config.json', '{ "engine": { "threads": 1, "prefillChunk": 10, "maxSequences": 2 }, "request": { "temperature": 0.1 } }');
    const loaded = await load({
      environment: { FORETOKEN_THREADS: '2', FORETOKEN_MAX_SEQUENCES: '3', FORETOKEN_STRATEGY: '{"name":"lookahead"}', FORETOKEN_DTYPE: 'f32', FORETOKEN_PREFILL_CHUNK: '' },
      above: [{ config: { engine: { threads: 3 } }, origin: (path) => `flag of ${path}` }],
    });
    expect(['engine.threads', 'engine.maxSequences', 'engine.prefillChunk', 'engine.measure', 'engine.dtype', 'strategy', 'request.temperature'].map((path) => originOf(loaded, path))).toEqual([
      [3, 'flag of engine.threads'], [3, 'env FORETOKEN_MAX_SEQUENCES'], [10, 'foretoken.config.json'], [true, 'default'], ['f32', 'env FORETOKEN_DTYPE'],
      [{ name: 'lookahead' }, 'env FORETOKEN_STRATEGY'], [0.1, 'foretoken.config.json'],
    ]);
  });

  it('refuses variables that are slips, and leaves those of others alone', async () => {
    await expect(load({ environment: { FORETOKEN_THREDS: '1' } })).rejects.toThrow('FORETOKEN_THREDS; did you mean FORETOKEN_THREADS?');
    await expect(load({ environment: { FORETOKEN_THREADS: 'many' } })).rejects.toThrow('engine.threads');
    await expect(load({ environment: { FORETOKEN_SOMETHING_ELSE_ENTIRELY: '1', FORETOKEN_DEBUG: '1' } })).resolves.toBeDefined();
  });

  it('has a variable for every option, and no two with one name', () => {
    expect(environmentNames().get('FORETOKEN_PROPOSE_BUDGET_MS')).toBe('engine.proposeBudgetMs');
    expect(environmentNames().get('FORETOKEN_MAX_TOKENS')).toBe('request.maxTokens');
    expect(new Set(environmentNames().values()).size).toBe(environmentNames().size);
  });
});

describe('the JSON Schema', () => {
  it('is the published one', async () => {
    const file = join(packageRoot(), 'foretoken.schema.json');
    expect(existsSync(file)).toBe(true);
    expect(JSON.parse(readFileSync(file, 'utf8')), 'npm run build && node scripts/config-schema.mjs').toEqual(JSON.parse(JSON.stringify(await configJsonSchema())));
  });

  it('knows the options of shipped strategies wherever a strategy may stand', async () => {
    const text = JSON.stringify(await configJsonSchema());
    expect(text.match(/#\/\$defs\/strategy/g)).toHaveLength(3);   // strategy, strategies, arms of experiments
    expect(text).toContain('"maxNgram"');
  });
});
