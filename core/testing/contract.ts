import type { Strategy } from '../strategy.js';
import { packageVersion } from '../package-root.js';
import { ContractBench } from './bench.js';
import { draftChecks } from './draft-checks.js';
import { faultChecks } from './fault-checks.js';
import { identityChecks } from './identity-checks.js';
import { lifetimeChecks } from './lifetime-checks.js';

/** What is put to the test. */
export interface ContractSubject {
  /** A strategy, the name of a shipped one, or the path of a module that exports one by default. */
  readonly strategy: Strategy<object> | string;
  /** Its options. A function gets the folders of the models in use: `target`, and `draft`, a model with the same vocabulary. */
  readonly options?: Readonly<Record<string, unknown>> | ((models: { readonly target: string; readonly draft: string }) => Readonly<Record<string, unknown>>);
  /** Folder of the target. Default: a tiny random model that is made for the time of the contract. */
  readonly model?: string;
}

/** One promise, and the test of it. */
export interface ContractCheck {
  readonly name: string;
  /** Resolves to what was seen, in a few words; rejects with what is wrong. */
  run(): Promise<string>;
}

/** What the checks found. */
export interface Certificate {
  readonly strategy: string;
  readonly version: string;
  /** Version of this package. */
  readonly foretoken: string;
  readonly passed: readonly { readonly name: string; readonly seen: string }[];
  readonly failed: readonly { readonly name: string; readonly error: unknown }[];
  /** Tokens that were compared with plain decoding, one by one. */
  readonly tokensCompared: number;
}

/** The checks of one strategy. They share models, which `dispose` removes. */
export interface StrategyContract {
  readonly name: string;
  readonly checks: readonly ContractCheck[];
  /** Runs all checks, one after the other, and prints a certificate, line by line. */
  run(print?: (line: string) => void): Promise<Certificate>;
  dispose(): Promise<void>;
}

type CheckMaker = (bench: ContractBench) => readonly ContractCheck[];

/**
 * What every strategy promises: it begins, drafts valid trees, changes no token at any temperature in any company, survives its own faults,
 * ends cleanly at any moment and leaves no memory behind. The checks use nothing but the public interface.
 *
 * @example
 * const certificate = await strategyContract({ strategy: './my-strategy.ts' }).run();
 * process.exitCode = certificate.failed.length;
 */
export function strategyContract(subject: ContractSubject): StrategyContract {
  const bench = new ContractBench(subject);
  const makers: readonly CheckMaker[] = [draftChecks, identityChecks, lifetimeChecks, faultChecks];
  const checks = makers.flatMap((make) => make(bench));
  const name = typeof subject.strategy === 'string' ? subject.strategy : subject.strategy.name;
  return { name, checks, run: (print = console.log) => certify(bench, checks, print), dispose: () => bench.dispose() };
}

async function certify(bench: ContractBench, checks: readonly ContractCheck[], print: (line: string) => void): Promise<Certificate> {
  const { name: strategy, version } = await bench.strategy();
  const foretoken = packageVersion();
  print(`${strategy} ${version}, foretoken ${foretoken}`);
  const passed: { name: string; seen: string }[] = [];
  const failed: { name: string; error: unknown }[] = [];
  try {
    for (const check of checks) {
      try {
        const seen = await check.run();
        passed.push({ name: check.name, seen });
        print(`  ✓ ${check.name}: ${seen}`);
      } catch (error) {
        failed.push({ name: check.name, error });
        print(`  ✗ ${check.name}: ${error instanceof Error ? error.message : String(error)}`);
      }
    }
  } finally {
    await bench.dispose();
  }
  print(`${passed.length} passed, ${failed.length} failed; ${bench.tokensCompared} tokens compared with plain decoding`);
  return { strategy, version, foretoken, passed, failed, tokensCompared: bench.tokensCompared };
}

/** A certificate as plain JSON, e.g. to be published with a package: errors become their messages. */
export function certificateJson(certificate: Certificate): Readonly<Record<string, unknown>> {
  const failed = certificate.failed.map(({ name, error }) => ({ name, error: error instanceof Error ? error.message : String(error) }));
  return { ...certificate, failed };
}
