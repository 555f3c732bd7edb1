import { readCheckpoint, describeCheckpoint } from './checkpoint/checkpoint.js';
import { loadTensors } from './checkpoint/load-tensors.js';
import { ConfigError, DisposedError } from './errors.js';
import { DeviceOps } from './device-ops.js';
import { HostModel } from './host-model.js';
import type { StrategyRegistry } from './registry.js';
import { type BoundVerifier, StrategyInstance } from './strategy-instance.js';
import { planStrategy } from './strategy-plan.js';
import type { CheckpointSummary, Plan, Strategy, StrategyConfig, StrategyHost, TargetDescription, Tensor } from './strategy.js';
import type { Target } from './target.js';
import { nativeInput, nativeTensor, TensorScope } from './tensor-scope.js';
import type { VerifierRegistry } from './verifiers/registry.js';

/** Loads strategies on demand and keeps them: requests with equal configurations share one instance. */
export class StrategyLoader {
  private readonly instances = new Map<string, Promise<StrategyInstance>>();
  /** Those that draft for one text that nobody is served; see `loadApart`. */
  private readonly apart = new Map<string, Promise<StrategyInstance>>();

  constructor(
    private readonly registry: StrategyRegistry,
    private readonly verifiers: VerifierRegistry,
    private readonly target: Target,
    private readonly description: TargetDescription,
    /** The target's own folder. */
    private readonly own: CheckpointSummary,
    private readonly dtype: 'f32' | 'bf16',
    private readonly kvDtype: 'f32' | 'bf16',
  ) {}

  /** @returns undefined for `'off'` */
  async load(choice: string | StrategyConfig): Promise<StrategyInstance | undefined> {
    return this.loadInto(this.instances, choice, this.description);
  }

  /**
   * The same, shared with no request: what it holds of its texts and what its callbacks make cannot meet those of the running batch. It takes one
   * text at a time.
   */
  async loadApart(choice: string | StrategyConfig): Promise<StrategyInstance | undefined> {
    return this.loadInto(this.apart, choice, { ...this.description, maxSequences: 1 });
  }

  /** Those that are ready. */
  async ready(): Promise<StrategyInstance[]> {
    const settled = await Promise.allSettled([...this.instances.values(), ...this.apart.values()]);
    return settled.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []));
  }

  private async loadInto(instances: Map<string, Promise<StrategyInstance>>, choice: string | StrategyConfig, description: TargetDescription): Promise<StrategyInstance | undefined> {
    const config: StrategyConfig = typeof choice === 'string' ? { name: choice } : choice;
    if (config.name === 'off') {
      const [extra] = Object.keys(config).filter((key) => key !== 'name');
      if (extra !== undefined) throw new ConfigError(`Strategy "off" takes no option; got "${extra}".`);
      return undefined;
    }
    const key = JSON.stringify(config, sortKeys);
    let instance = instances.get(key);
    if (instance === undefined) {
      instance = this.make(config, description);
      instances.set(key, instance);
      instance.catch(() => instances.delete(key));   // the next request may find the file repaired
    }
    return instance;
  }

  private async make({ name, verifier, ...rest }: StrategyConfig, description: TargetDescription): Promise<StrategyInstance> {
    const strategy = await this.registry.resolve(name);
    const { options, plan } = await planStrategy(strategy, rest, description, this.own);
    const bound = this.verifiers.bind(verifier, plan, name);
    return this.create(strategy, options, plan, bound, description);
  }

  private async create(strategy: Strategy, options: Record<string, unknown>, plan: Plan, verifier: BoundVerifier, { maxSequences, maxTokens }: TargetDescription): Promise<StrategyInstance> {
    const scope = new TensorScope();
    const models: HostModel[] = [];
    const ops = new DeviceOps(this.target.runtime.ops, scope);
    scope.creating = true;
    try {
      const proposer = await strategy.create({ ...this.hostFor(ops, scope, models), maxSequences, maxTokens }, options, plan);
      scope.creating = false;
      return new StrategyInstance(strategy.name, plan, verifier, ops, proposer, scope, models);
    } catch (error) {
      scope.dispose();
      for (const model of models) model.dispose();
      throw error;
    }
  }

  private hostFor(ops: DeviceOps, scope: TensorScope, models: HostModel[]): Omit<StrategyHost, 'maxSequences' | 'maxTokens'> {
    const { runtime, model, description } = this.target;
    return {
      target: {
        description,
        embed: (tokens) => scope.track(model.embed(nativeInput(tokens))),
        head: (hidden) => scope.track(model.head(nativeTensor(hidden))),
      },
      ops,
      loadTensors: async (path, names) => {
        const tensors = await loadTensors(runtime, await readCheckpoint(path), this.dtype, names);
        return new Map([...tensors].map(([name, tensor]) => [name, scope.track(tensor)]));
      },
      read: async (tensor) => {
        if (!scope.creating) throw new DisposedError('`host.read` waits for the device; call it in `create` only, never in a callback of the proposer.');
        const [values] = await runtime.read([nativeTensor(tensor)]);
        return values!;   // one tensor was asked for
      },
      createModel: (own, tensors) => {
        const native = runtime.createModel(own, Object.fromEntries([...tensors].map(([name, tensor]) => [name, nativeTensor(tensor)])), this.dtype, model);
        const created = new HostModel(native, own, runtime, this.kvDtype, scope);
        models.push(created);
        return created;
      },
      loadModel: async (path) => {
        const { description: own, tensors } = describeCheckpoint(await readCheckpoint(path));
        const native = await runtime.loadModel(own, tensors, this.dtype);
        const loaded = new HostModel(native, own, runtime, this.kvDtype, scope);
        models.push(loaded);
        return loaded;
      },
      keep: <T extends Tensor>(tensor: T): T => { scope.keep(nativeTensor(tensor)); return tensor; },
      free: (tensor) => scope.free(nativeTensor(tensor)),
    };
  }
}

/** Equal configurations have equal keys, whatever the order of their fields. */
function sortKeys(_key: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}
