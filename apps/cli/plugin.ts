import { mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { type Command, InvalidArgumentError } from 'commander';
import { packageFiles } from '../plugin/package-files.js';
import { EXIT, UsageError } from './errors.js';
import { toJson } from './output.js';
import { packageVersion } from './package.js';

interface CertifyFlags {
  readonly options?: Readonly<Record<string, unknown>>;
  readonly model?: string;
  readonly json?: string;
}

export function addPluginCommand(program: Command): void {
  const command = program.command('plugin').description('write and certify strategies of your own');
  command.command('new')
    .description('write a package with a strategy that works, to be changed')
    .argument('<name>', 'of the package and of its folder, e.g. foretoken-strategy-mine')
    .exitOverride()
    .action(newPlugin);
  command.command('certify')
    .description('run the contract that every strategy keeps, and print a certificate; exit code 1 where a promise is broken')
    .argument('<module>', 'path of a module, installed package, or name of a shipped strategy')
    .option('--options <json>', 'options of the strategy', jsonObject)
    .option('-m, --model <folder>', 'target; default: a tiny random model')
    .option('--json <file>', 'write the certificate as JSON')
    .exitOverride()
    .action(certify);
}

function newPlugin(name: string): void {
  if (!/^[a-z][a-z0-9-]*$/.test(name)) throw new UsageError(`"${name}" is no name for a package; expected small letters, digits and "-", such as foretoken-strategy-mine.`);
  const folder = resolve(name);
  try {
    mkdirSync(folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') throw new UsageError(`${folder} is there already; choose another name.`);
    throw error;
  }
  const files = packageFiles(name, packageVersion());
  for (const [file, text] of Object.entries(files)) writeFileSync(join(folder, file), text);
  process.stdout.write(`${name}/\n${Object.keys(files).map((file) => `  ${file}\n`).join('')}Next: foretoken plugin certify ./${name}/index.js\n`);
}

async function certify(module: string, { options, model, json }: CertifyFlags): Promise<void> {
  const { certificateJson, strategyContract } = await import('../../core/testing/index.js');
  const subject = { strategy: module, ...(options === undefined ? {} : { options }), ...(model === undefined ? {} : { model }) };
  const certificate = await strategyContract(subject).run((line) => process.stdout.write(`${line}\n`));
  if (json !== undefined) writeFileSync(json, `${toJson(certificateJson(certificate), 2)}\n`);
  if (certificate.failed.length > 0) process.exitCode = EXIT.failed;
}

function jsonObject(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  } catch {
    // told below, with everything else that is no object
  }
  throw new InvalidArgumentError('Expected a JSON object, such as {"length":4}.');
}
