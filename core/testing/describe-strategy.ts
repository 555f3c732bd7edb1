import { type ContractSubject, strategyContract } from './contract.js';

/** The functions of a test framework, as vitest, Jest and `node:test` (with `afterAll: after`) have them. */
export interface TestFramework {
  describe(name: string, body: () => void): unknown;
  it(name: string, body: () => Promise<void>): unknown;
  afterAll(body: () => Promise<void>): unknown;
}

/**
 * Registers every check of a strategy's contract as a test.
 *
 * @example
 * import { afterAll, describe, it } from 'vitest';
 * describeStrategy({ strategy: './my-strategy.ts' }, { afterAll, describe, it });
 */
export function describeStrategy(subject: ContractSubject, { describe, it, afterAll }: TestFramework): void {
  const contract = strategyContract(subject);
  describe(`the contract of ${contract.name}`, () => {
    for (const check of contract.checks) it(check.name, async () => void await check.run());
    afterAll(() => contract.dispose());
  });
}
