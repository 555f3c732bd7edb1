import { arch, cpus, platform, release } from 'node:os';
import type { Engine } from '../../core/index.js';

/** What a number was measured on. */
export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly platform: string;
  readonly node: string;
  /** Kernels in use, e.g. "avx2". */
  readonly instructionSet: string;
  readonly threads: number;
  readonly dtype: string;
  readonly kvDtype: string;
}

export function machineOf({ info }: Pick<Engine, 'info'>): Machine {
  const { instructionSet, threads, dtype, kvDtype } = info;
  return { cpu: cpus()[0]?.model.trim() ?? 'unknown', cores: cpus().length, platform: `${platform()} ${arch()} ${release()}`, node: process.version, instructionSet, threads, dtype, kvDtype };
}
