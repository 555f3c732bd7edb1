import { basename } from 'node:path';
import type { Command } from 'commander';
import { shortPath } from './engine-flags.js';
import { toJson } from './output.js';
import { bytesInWords } from './quantities.js';

interface ConvertFlags {
  readonly out: string;
  readonly json?: true;
}

export function addConvertCommand(program: Command): void {
  program.command('convert')
    .description('rewrite PyTorch weights (.bin, .pt, .pth) as safetensors; no code in them is executed')
    .argument('<source>', 'a checkpoint folder, or one file of weights')
    .requiredOption('-o, --out <folder>', 'where the new checkpoint goes; nothing is overwritten')
    .option('--json', 'print one JSON object { written, copied, leftOut, tensors, bytes }')
    .action(async (source: string, { out, json }: ConvertFlags) => {
      const { convertCheckpoint } = await import('../../core/index.js');
      const result = await convertCheckpoint(source, out);
      if (json) {
        process.stdout.write(`${toJson(result)}\n`);
        return;
      }
      const { written, copied, leftOut, tensors, bytes } = result;
      process.stdout.write(`${tensors} tensors, ${bytesInWords(bytes)}:\n${written.map((file) => `  ${shortPath(file)}\n`).join('')}`);
      if (copied.length > 0) process.stdout.write(`copied: ${copied.map((file) => basename(file)).join(', ')}\n`);
      if (leftOut.length > 0) process.stdout.write(`left out: ${leftOut.join(', ')}\n`);
    });
}
