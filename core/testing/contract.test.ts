import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { defineStrategy, type DraftBatch, type DraftBuilder, type Plan } from '../strategy.js';
import { createEngine } from '../container.js';
import { type Certificate, certificateJson, strategyContract } from './contract.js';

/** A strategy of a few lines: drafts that each token is followed by the next higher one. */
const source = `
import { defineStrategy } from 'foretoken';
import { z } from 'zod';

export default defineStrategy({
  name: 'count-up', version: '0.1.0', api: 1,
  options: z.strictObject({ length: z.int().min(1).default(3) }),
  plan: ({ length }) => ({
    maxNodes: length, maxDepth: length, drawn: 'deterministic',
    needs: { hidden: 'none', choices: false, gap: 'start-late' },
    bytes: { weights: 0, perToken: 0, perSequence: 0 },
  }),
  create: async (host, { length }) => ({
    propose({ sequences }, draft) {
      for (const sequence of sequences) {
        let parent = 0;
        for (let i = 1; i <= length; i++) parent = draft.node(sequence, (sequence.tokens.at(-1)! + i) % 90, parent);
      }
    },
  }),
});
`;

const plan: Plan = {
  maxNodes: 2, maxDepth: 2, drawn: 'deterministic', needs: { hidden: 'none', choices: false, gap: 'start-late' },
  bytes: { weights: 0, perToken: 0, perSequence: 0 },
};

const strategyThat = (propose: (batch: DraftBatch, draft: DraftBuilder) => void) => defineStrategy({
  name: 'broken', version: '1.0.0', api: 1, options: z.strictObject({}), plan: () => plan, create: async () => ({ propose }),
});

async function failuresOf(strategy: Parameters<typeof strategyContract>[0]['strategy']): Promise<Map<string, string>> {
  const { failed } = await strategyContract({ strategy }).run(() => {});
  return new Map(failed.map(({ name, error }) => [name, error instanceof Error ? error.message : String(error)]));
}

describe('the contract', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'foretoken-plugin-'));
    await writeFile(join(folder, 'count-up.ts'), source);
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it('certifies a strategy in one TypeScript file outside the repository', async () => {
    const lines: string[] = [];
    const certificate: Certificate = await strategyContract({ strategy: join(folder, 'count-up.ts') }).run((line) => lines.push(line));
    expect(certificate).toMatchObject({ strategy: 'count-up', version: '0.1.0', failed: [] });
    expect(certificate.tokensCompared).toBeGreaterThan(1500);
    expect(lines.at(-1)).toBe(`${certificate.passed.length} passed, 0 failed; ${certificate.tokensCompared} tokens compared with plain decoding`);
  });

  it('makes a certificate of plain JSON that names what is broken', async () => {
    const { failed, strategy } = certificateJson(await strategyContract({ strategy: strategyThat(() => {}) }).run(() => {})) as { strategy: string; failed: { name: string; error: string }[] };
    expect(strategy).toBe('broken');
    expect(failed.find(({ name }) => name === 'proposes valid trees, within its plan')?.error).toContain('drafted nothing');
  });

  it.each([
    [{ version: 'one' }, '`version` is "one"'], [{ options: { length: 3 } }, '`options` is no schema'], [{ plan: {} }, '`plan` is object'], [{ name: 'off' }, '`name` is "off"'],
    [{ api: 2 }, 'version 2 of the plugin interface'],
  ])('is not begun where the metadata is wrong: %o', async (fields, complaint) => {
    const strategy = { ...strategyThat(() => {}), ...fields } as unknown as ReturnType<typeof strategyThat>;
    await expect(createEngine({ model: 'models/demo/target', measure: false, plugins: [strategy] })).rejects.toThrow(complaint);
  });

  it('fails a strategy that never drafts', async () => {
    const failures = await failuresOf(strategyThat(() => {}));
    expect(failures.get('gives the tokens of plain decoding, alone')).toContain('drafted nothing');
    expect(failures.get('proposes valid trees, within its plan')).toContain('drafted nothing');
  });

  it('fails a strategy that throws', async () => {
    let calls = 0;
    const failures = await failuresOf(strategyThat(({ sequences }, draft) => {
      for (const sequence of sequences) draft.node(sequence, 1, 0);
      if (++calls % 5 === 0) throw new Error('by itself');
    }));
    expect(failures.get('gives the tokens of plain decoding, alone')).toContain('iterations in which the strategy failed');
    expect(failures.get('proposes valid trees, within its plan')).toContain('by itself');
  });

  it.each([
    ['names a parent that does not exist', 'names parent 9', (batch: DraftBatch, draft: DraftBuilder) => batch.sequences.forEach((one) => draft.node(one, 1, 9))],
    ['drafts a token below 0', 'drafts token -5', (batch: DraftBatch, draft: DraftBuilder) => batch.sequences.forEach((one) => draft.node(one, -5, 0))],
    ['drafts deeper than it planned', 'at depth 3', (batch: DraftBatch, draft: DraftBuilder) => batch.sequences.forEach((one) => {
      let parent = 0;
      for (let i = 0; i < 3; i++) parent = draft.node({ ...one, budget: 3 }, i, parent);
    })],
    ['drafts for a text that is not in the batch', 'not in this batch', (batch: DraftBatch, draft: DraftBuilder) => draft.node({ ...batch.sequences[0]!, id: 77 }, 1, 0)],
  ])('fails a strategy that %s', async (_what, complaint, propose) => {
    const failures = await failuresOf(strategyThat((batch, draft) => void propose(batch, draft)));
    expect(failures.get('proposes valid trees, within its plan')).toContain(complaint);
  });
});
