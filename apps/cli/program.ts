import { Command } from 'commander';
import { addBenchCommand } from './bench.js';
import { addConfigCommand } from './config.js';
import { addConvertCommand } from './convert.js';
import { addExperimentCommand } from './experiment.js';
import { addGenerateCommand } from './generate.js';
import { addInspectCommand } from './inspect.js';
import { packageVersion } from './package.js';
import { addPluginCommand } from './plugin.js';
import { addStrategiesCommand } from './strategies.js';
import { addTraceCommand } from './trace.js';

/** The whole command line. Parsing errors are thrown, after commander has told them. */
export function createProgram(): Command {
  const program = new Command('foretoken')
    .description('Speculative decoding for Node.js: the same tokens, sooner.')
    .version(packageVersion())
    .exitOverride()
    .showHelpAfterError('(--help lists what there is)')
    .configureHelp({ showGlobalOptions: false });
  addGenerateCommand(program);
  addBenchCommand(program);
  addExperimentCommand(program);
  addStrategiesCommand(program);
  addConfigCommand(program);
  addPluginCommand(program);
  addTraceCommand(program);
  addInspectCommand(program);
  addConvertCommand(program);
  for (const command of program.commands) command.exitOverride();
  return program;
}
