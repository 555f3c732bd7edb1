import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createEngine } from '../../core/index.js';
import { describeStrategy, writeTinyModel } from '../../core/testing/index.js';
import { refusalOf } from '../../test/fixtures/drafts.js';
import { draftConfig, joinedTensors, knownTokens, pairTensors, vocabularyTables } from '../../test/fixtures/tiny-draft-layers.js';
import { readTinyTarget, writeHeadFolder } from '../../test/fixtures/tiny-heads.js';

let root: string;
let target: string;
let pair: string;
let joined: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'foretoken-eagle-'));
  [target, pair, joined] = [join(root, 'target'), join(root, 'pair'), join(root, 'joined')];
  await writeTinyModel(target);
  const tiny = readTinyTarget(target);
  await writeHeadFolder(pair, draftConfig(tiny), pairTensors());
  await writeHeadFolder(joined, draftConfig(tiny, { draft_vocab_size: knownTokens(tiny).length }), joinedTensors(tiny), { extra: vocabularyTables(tiny) });
});
afterAll(() => rm(root, { recursive: true, force: true }));

describe('EAGLE-1 with a static tree', () => describeStrategy({ strategy: 'eagle', options: () => ({ head: pair, tree: 'static' }) }, { afterAll, describe, it }));
describe('EAGLE-2', () => describeStrategy({ strategy: 'eagle', options: () => ({ head: pair, depth: 4, topK: 4, maxNodes: 12 }) }, { afterAll, describe, it }));
describe('EAGLE-3', () => describeStrategy({ strategy: 'eagle', options: () => ({ head: joined, depth: 3, topK: 3, maxNodes: 8, noise: false }) }, { afterAll, describe, it }));
describe('an EAGLE-3 chain', () => describeStrategy({ strategy: 'eagle', options: () => ({ head: joined, tree: 'chain', depth: 3 }) }, { afterAll, describe, it }));

describe('options', () => {
  it.each([
    [{ tree: 'chain', topK: 2 }, 'topK', 'A chain tree has no `topK`; it has `depth`.'],
    [{ tree: 'static', depth: 2 }, 'depth', 'A static tree has no `depth`; it has `choices`.'],
    [{ tree: 'dynamic', choices: [[0]] }, 'choices', 'A dynamic tree has no `choices`; it has `depth`, `topK`, `maxNodes`.'],
    [{ choices: [[0], [90]] }, 'choices', 'The tree uses rank 90; the draft knows 84 tokens.'],
    [{ depth: 32, topK: 64 }, 'depth', '32 levels of 64 nodes make 2048 rows; at most 1000 are held.'],
  ] as const)('%j are refused', async (options, path, message) => {
    expect(await refusalOf(target, { name: 'eagle', head: joined, ...options })).toContain(`\`${path}\`: ${message}`);
  });

  it('choices need none of the others, and mean a static tree', async () => {
    const engine = await createEngine({ model: target, dtype: 'f32', measure: false, proposeBudgetMs: 60_000, threads: 1 });
    try {
      const { trace } = await engine.generate({ promptTokens: [14, 15, 16, 17], maxTokens: 12, ignoreEos: true, trace: true, strategy: { name: 'eagle', head: pair, choices: [[0, 0], [1]] } }).result;
      expect(trace![1]!.parents).toEqual([-1, 0, 0, 1]);
    } finally {
      await engine.dispose();
    }
  });
});
