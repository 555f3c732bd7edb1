// Runs the compiled command line as a user would.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';

const MAIN = 'dist/apps/cli/main.js';

export interface CliResult {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CliOptions {
  /** What is piped in; default: nothing. */
  readonly input?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Called at every piece of output with all of it so far. */
  readonly onOutput?: (stdout: string, child: ReturnType<typeof spawn>) => void;
}

export function cli(args: readonly string[], { input = '', env = {}, onOutput }: CliOptions = {}): Promise<CliResult> {
  if (!existsSync(MAIN)) throw new Error(`${MAIN} is missing: npm run build`);
  const child = spawn(process.execPath, [MAIN, ...args], { env: { ...process.env, FORETOKEN_DEBUG: '', NO_COLOR: '', FORCE_COLOR: '', ...env } });
  const output = { stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => { output.stdout += text; onOutput?.(output.stdout, child); });
  child.stderr.setEncoding('utf8').on('data', (text: string) => { output.stderr += text; });
  child.stdin.on('error', () => {});   // a child that has refused its flags reads nothing
  child.stdin.end(input);
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({ code, signal, ...output }));
  });
}
