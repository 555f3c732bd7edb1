import { readFile, writeFile } from 'node:fs/promises';
import { basename } from 'node:path';
import type { Command } from 'commander';
import { tracePage } from '../trace/page.js';
import { parseTraceFile } from '../trace/trace-file.js';

export function addTraceCommand(program: Command): void {
  const command = program.command('trace').description('look at traces that `generate --trace` wrote');
  command.command('view')
    .description('draw the iterations of a trace as a page for the browser')
    .argument('<file>', 'a file written with foretoken generate --trace')
    .option('-o, --out <file>', 'where the page goes; default: beside the trace, with .html')
    .exitOverride()
    .action(view);
}

async function view(file: string, { out = `${file.replace(/\.jsonl$/, '')}.html` }: { out?: string }): Promise<void> {
  const trace = parseTraceFile(await readFile(file, 'utf8'), file);
  await writeFile(out, tracePage(trace, `Draft trees of ${basename(file)}`));
  process.stdout.write(`${out}: ${trace.length} iterations\n`);
}
