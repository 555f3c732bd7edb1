/** The files of a new package with a strategy, by name. It needs no build step and passes the contract as it stands. */
export function packageFiles(name: string, foretoken: string): Readonly<Record<string, string>> {
  return { 'package.json': manifest(name, foretoken), 'index.js': code(name), 'index.d.ts': types(name), 'README.md': readme(name) };
}

function manifest(name: string, foretoken: string): string {
  const content = {
    name, version: '0.1.0', type: 'module', exports: { '.': { types: './index.d.ts', default: './index.js' } }, files: ['index.js', 'index.d.ts', 'README.md'],
    keywords: ['foretoken-strategy'], scripts: { test: 'foretoken plugin certify ./index.js' },
    peerDependencies: { foretoken: `^${foretoken}`, zod: '^4.0.0' },
  };
  return `${JSON.stringify(content, null, 2)}\n`;
}

const code = (name: string): string => `import { defineStrategy } from 'foretoken';
import { z } from 'zod';

/** Drafts what followed the last two tokens earlier in the text. Change \`propose\`: whatever it drafts, no token of the output changes. */
export default defineStrategy({
  name: '${name}',
  version: '0.1.0',
  api: 1,
  options: z.strictObject({ length: z.int().min(1).max(16).default(4).meta({ description: 'Tokens drafted per pass.' }) }),

  // Pure and cheap: what this configuration wants and needs.
  plan: ({ length }) => ({
    maxNodes: length, maxDepth: length, drawn: 'deterministic',
    needs: { hidden: 'none', choices: false, gap: 'start-late' },
    bytes: { weights: 0, perToken: 0, perSequence: 0 },
  }),

  create: async (_host, { length }) => ({
    propose({ sequences }, draft) {
      for (const sequence of sequences) {
        const { tokens } = sequence;
        for (let end = tokens.length - 1; end >= 2; end--) {
          if (tokens[end - 1] !== tokens.at(-1) || tokens[end - 2] !== tokens.at(-2)) continue;
          let parent = 0;
          for (const token of tokens.subarray(end, end + length)) parent = draft.node(sequence, token, parent);
          break;
        }
      }
    },
  }),
});
`;

const types = (name: string): string => `import type { Strategy } from 'foretoken';

/** Options of ${name}. */
export interface Options {
  /** Tokens drafted per pass. Default 4. */
  readonly length?: number;
}

declare module 'foretoken' {
  interface StrategyOptions { '${name}': Options }
}

declare const strategy: Strategy<Required<Options>>;
export default strategy;
`;

const readme = (name: string): string => `# ${name}

A strategy for [foretoken](https://www.npmjs.com/package/foretoken).

    npx foretoken plugin certify ./index.js
    npx foretoken generate "One, two, three. One, two" --strategy ./index.js

Installed as a package it is named by its name: \`{ name: '${name}', length: 4 }\`.
`;
