// A strategy in bad company: the same strategy, wrapped so that it fails, dawdles, talks nonsense or says nothing. What core makes of them
// must never show in the output.
import type { DraftBatch, DraftBuilder, DraftProposer, Strategy } from '../strategy.js';

/** Wraps the proposers that a strategy makes. The variant is registered under `name`. */
export function variantOf(strategy: Strategy, name: string, wrap: (inner: DraftProposer) => DraftProposer): Strategy {
  return {
    name, version: strategy.version, api: strategy.api, options: strategy.options,
    plan: (options, target, checkpoints) => strategy.plan(options, target, checkpoints),
    create: async (host, options, plan) => wrap(await strategy.create(host, options, plan)),
  };
}

/** Calls go to `inner` unless overridden; what `inner` lacks stays absent, as core looks at which callbacks there are. */
export function delegate(inner: DraftProposer, overrides: Partial<DraftProposer> = {}): DraftProposer {
  const { observe, forked, left } = inner;
  const dispose = inner[Symbol.dispose];
  return {
    propose: (batch, draft) => inner.propose(batch, draft),
    ...(observe && { observe: (batch) => observe.call(inner, batch) }),
    ...(forked && { forked: (from, to) => forked.call(inner, from, to) }),
    ...(left && { left: (sequence) => left.call(inner, sequence) }),
    ...(dispose && { [Symbol.dispose]: () => dispose.call(inner) }),
    ...overrides,
  };
}

/** Drafts only in every `every`-th call. */
export function silentVariant(strategy: Strategy, every: number): Strategy {
  return variantOf(strategy, `${strategy.name}-silent-${every}`, (inner) => {
    let calls = 0;
    return delegate(inner, { propose: (batch, draft) => { if (++calls % every === 0) inner.propose(batch, draft); } });
  });
}

/** Throws in every `every`-th `propose`, halfway through. */
export function throwingVariant(strategy: Strategy, every: number): Strategy {
  return variantOf(strategy, `${strategy.name}-throwing-${every}`, (inner) => {
    let calls = 0;
    return delegate(inner, {
      propose: (batch, draft) => {
        inner.propose(batch, draft);
        if (++calls % every === 0) throw new Error('planted: propose');
      },
    });
  });
}

/** Throws in every `every`-th `observe`. */
export function forgetfulVariant(strategy: Strategy, every: number): Strategy {
  return variantOf(strategy, `${strategy.name}-forgetful-${every}`, (inner) => {
    let calls = 0;
    return delegate(inner, {
      observe: (batch) => {
        if (++calls % every === 0) throw new Error('planted: observe');
        inner.observe?.(batch);
      },
    });
  });
}

/** Blocks for `ms` milliseconds in every `propose`. */
export function slowVariant(strategy: Strategy, ms: number): Strategy {
  return variantOf(strategy, `${strategy.name}-slow`, (inner) => delegate(inner, {
    propose: (batch, draft) => {
      inner.propose(batch, draft);
      const end = performance.now() + ms;
      while (performance.now() < end);
    },
  }));
}

/** Drafts tokens and parents that do not exist, and far too many, among a few that could be right. */
export function nonsenseVariant(strategy: Strategy): Strategy {
  return variantOf(strategy, `${strategy.name}-nonsense`, (inner) => delegate(inner, {
    propose: ({ sequences }: DraftBatch, draft: DraftBuilder) => {
      for (const sequence of sequences) {
        const last = sequence.tokens.at(-1) ?? 0;
        for (const token of [-1, -7, 2 ** 31 - 1, Number.NaN, 0.5, last]) draft.node(sequence, token, 0);
        for (const parent of [-1, 5, 10_000, Number.NaN]) draft.node(sequence, last, parent);
        let parent = 0;
        for (let i = 0; i < 2 * sequence.budget + 4; i++) parent = draft.node(sequence, (last + i) % 50, parent);
        draft.probe(sequence, -3, 0);
      }
    },
  }));
}
