#!/usr/bin/env node
// The command line. It imports nothing of the library but its public surface, and that only once a command needs it.
import { CommanderError } from 'commander';
import { exitCodeOf, printError } from './errors.js';
import { endQuietlyOnClosedPipe } from './output.js';
import { createProgram } from './program.js';

endQuietlyOnClosedPipe();
try {
  await createProgram().parseAsync();
} catch (error) {
  // Commander has printed its own message already.
  if (!(error instanceof CommanderError)) await printError(error);
  process.exitCode = await exitCodeOf(error);
}
