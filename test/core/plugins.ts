// Strategies for tests of the loop, as a third party would write them.
import { z } from 'zod';
import { defineStrategy, type DraftProposer, type Plan, type Strategy, type StrategyHost } from '../../core/index.js';

const options = z.strictObject({ path: z.string().optional() });

export const plan = (maxNodes: number, needs: Partial<Plan['needs']> = {}): Plan => ({
  maxNodes, maxDepth: maxNodes, budget: 'fixed', drawn: 'deterministic',
  needs: { hidden: 'none', choices: false, gap: 'start-late', ...needs }, bytes: { weights: 0, perToken: 0, perSequence: 0 },
});

/** A strategy from its proposer alone. */
export function strategy(name: string, create: (host: StrategyHost) => DraftProposer, itsPlan: Plan = plan(6)): Strategy<never> {
  return defineStrategy({ name, version: '1.0.0', api: 1, options, plan: () => itsPlan, create: async (host) => create(host) }) as Strategy<never>;
}

/** Copies what followed the last occurrence of the pending token: something that is sometimes right. */
export function copycat(): DraftProposer {
  return {
    propose({ sequences }, draft) {
      for (const sequence of sequences) {
        const { tokens } = sequence;
        const last = tokens[tokens.length - 1]!;
        const at = tokens.lastIndexOf(last, tokens.length - 2);
        if (at < 0) continue;
        let parent = 0;
        for (const token of tokens.slice(at + 1, at + 1 + sequence.budget)) parent = draft.node(sequence, token, parent);
      }
    },
  };
}

/** Knows the text beforehand and drafts it, with a wrong sibling beside every right node. */
export function oracle(texts: ReadonlyMap<string, readonly number[]>, wrong: (token: number) => number): DraftProposer {
  return {
    propose({ sequences }, draft) {
      for (const sequence of sequences) {
        const text = texts.get(sequence.tokens.slice(0, sequence.promptLength).join()) ?? [];
        const done = sequence.tokens.length - sequence.promptLength;
        let parent = 0;
        for (const token of text.slice(done, done + 3)) {
          draft.node(sequence, wrong(token), parent);
          parent = draft.node(sequence, token, parent);
        }
      }
    },
  };
}
