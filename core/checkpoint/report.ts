import { CheckpointError } from '../errors.js';

/** Is told of one fault of a checkpoint. It throws to end the search for more. */
export type Report = (fault: CheckpointError) => void;

/** For those who want to run the model: the first fault is the error. */
export const failAtOnce: Report = (fault) => { throw fault; };

/** Runs one check, whose fault is reported instead of thrown. */
export function attempt(report: Report, check: () => void): void {
  try {
    check();
  } catch (error) {
    if (!(error instanceof CheckpointError)) throw error;
    report(error);
  }
}
