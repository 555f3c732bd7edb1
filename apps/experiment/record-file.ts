import { readFileSync } from 'node:fs';
import { ConfigError, type ExperimentRecord, type ExperimentReport } from '../../core/index.js';
import type { Machine } from '../bench/machine.js';

/** What `experiment run --json` writes: the measurements, what they were made on, and the report as it was then. */
export interface ExperimentFile {
  readonly foretoken: string;
  readonly date: string;
  readonly model: string;
  readonly machine: Machine;
  readonly prompts: string;
  readonly record: ExperimentRecord;
  readonly report: ExperimentReport;
}

/** @throws ConfigError naming what the file lacks */
export function readExperimentFile(path: string): ExperimentFile {
  const text = readFileSync(path, 'utf8');
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new ConfigError(`${path} is not JSON: ${(error as Error).message}`, { cause: error });
  }
  const { record } = (value ?? {}) as Partial<ExperimentFile>;
  if (typeof record?.definition !== 'object' || !Array.isArray(record.trials)) {
    throw new ConfigError(`${path} is no record of an experiment: it lacks ${typeof record?.definition === 'object' ? '`record.trials`' : '`record.definition`'}. Write one with foretoken experiment run --json FILE.`);
  }
  return value as ExperimentFile;
}
