import { ConfigError, StrategyRefusedError, suggestion } from '../errors.js';
import { parseOptions } from '../options.js';
import type { BoundVerifier } from '../strategy-instance.js';
import type { Plan, StrategyConfig, Verifier } from '../strategy.js';
import { block } from './block.js';
import { exact } from './exact.js';
import { rejection } from './rejection.js';
import { threshold } from './threshold.js';
import { typical } from './typical.js';

// Options of each are parsed by its own schema before it sees them: what it narrows them to makes no difference here.
const SHIPPED = [exact, rejection, block, typical, threshold] as unknown as readonly Verifier[];

/** From a name to a verifier: those that come with this package, then those given to the engine. */
export class VerifierRegistry {
  private readonly known: ReadonlyMap<string, Verifier>;

  /** @throws ConfigError for what is no verifier, or has the name of another */
  constructor(plugins: readonly Verifier[] = []) {
    const known = new Map<string, Verifier>();
    for (const verifier of [...SHIPPED, ...plugins]) {
      const name = checkedName(verifier);
      if (known.has(name)) throw new ConfigError(`There are two verifiers "${name}"; give yours another name.`);
      known.set(name, verifier);
    }
    this.known = known;
  }

  names(): string[] {
    return [...this.known.keys()];
  }

  /**
   * The verifier of a configuration, `exact` where none is named.
   *
   * @param plan of the strategy whose drafts it is to judge; undefined: there are none
   * @throws ConfigError for a name or an option, StrategyRefusedError where verifier and strategy do not go together
   */
  bind(choice: StrategyConfig['verifier'], plan: Plan | undefined, strategy: string): BoundVerifier {
    const { name, ...input } = typeof choice === 'object' ? choice : { name: choice ?? exact.name };
    const verifier = this.known.get(name);
    if (verifier === undefined) throw new ConfigError(`Unknown verifier "${name}" for strategy "${strategy}"${suggestion(name, this.names())}`);
    const options = parseOptions(verifier.options, input, `verifier "${name}"`);
    const reason = plan === undefined ? undefined : unsound(verifier, plan);
    if (reason !== undefined) throw new StrategyRefusedError(`Verifier "${name}" cannot judge strategy "${strategy}": ${reason} Verifier "${exact.name}" judges every draft.`);
    return { verifier, options, key: JSON.stringify([name, options]) };
  }
}

/** Why a verifier would not keep what it promises with drafts of this plan. */
function unsound(verifier: Verifier, { drawn, distributions }: Plan): string | undefined {
  if (!verifier.accepts.includes(drawn)) return `its drafts are ${NAMES[drawn]}, and this rule holds for drafts that are ${verifier.accepts.map((one) => NAMES[one]).join(' or ')} only.`;
  if (verifier.needsDistributions && drawn !== 'deterministic' && distributions === false) {
    return `its drafts are ${NAMES[drawn]}, and its plan says that they do not come with what they were drawn from, by which this rule judges them.`;
  }
  return undefined;
}

const NAMES: Readonly<Record<Plan['drawn'], string>> = {
  deterministic: 'deterministic', independent: 'drawn independently', 'without-replacement': 'drawn without replacement',
};

function checkedName(verifier: Partial<Verifier> | null | undefined): string {
  const lacking = (['name', 'options', 'guarantee', 'accepts', 'verify'] as const).filter((field) => verifier?.[field] === undefined);
  if (typeof verifier !== 'object' || verifier === null || lacking.length > 0) {
    throw new ConfigError(`Option \`verifiers\`: "${String(verifier?.name)}" is no verifier: it lacks ${lacking.join(', ')}; make it with defineVerifier({ ... }).`);
  }
  return verifier.name!;   // not lacking
}
