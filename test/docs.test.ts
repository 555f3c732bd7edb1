// The code in README and guides is run as it stands: what a reader copies works.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import ts from 'typescript';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as errors from '../core/errors.js';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const { renderErrors } = await import(pathToFileURL(join(root, 'scripts/error-docs.mjs')).href) as { renderErrors(module: object): string };

/** What the tests themselves stand for: these lines cannot be run from within them. */
const NOT_RUN = ['npm ci && npx foretoken generate "Once upon a time"', 'npm test'];

interface Block { readonly language: string; readonly code: string }

const pages = ['README.md', ...readdirSync(join(root, 'docs')).filter((name) => name.endsWith('.md')).map((name) => `docs/${name}`)];
const blocksOf = (page: string): Block[] =>
  [...readFileSync(join(root, page), 'utf8').matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)].map(([, language, code]) => ({ language: language!, code: code! }));

describe.each(pages.filter((page) => blocksOf(page).length > 0))('%s', (page) => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'foretoken-docs-'));
    mkdirSync(join(folder, 'node_modules', '.bin'), { recursive: true });
    symlinkSync(root, join(folder, 'node_modules', 'foretoken'));
    symlinkSync(join(root, 'node_modules', 'zod'), join(folder, 'node_modules', 'zod'));
    symlinkSync(join(root, 'models'), join(folder, 'models'));
    writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  for (const [i, block] of blocksOf(page).entries()) it(`runs block ${i + 1} (${block.language})`, () => run(block, i));

  function run({ language, code }: Block, i: number): void {
    if (language === 'sh') return runLines(code);
    const named = /^(?:\/\/|#) ([\w.-]+\.(?:ts|yaml))\n/.exec(code)?.[1];
    if (named !== undefined) return writeFileSync(join(folder, named), code);   // a module or a configuration that later blocks use
    expect(language).toBe('ts');
    const file = join(folder, `block-${i}.mjs`);
    writeFileSync(file, ts.transpileModule(code, { compilerOptions: { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext } }).outputText);
    expectSuccess(process.execPath, [file]);
  }

  function runLines(code: string): void {
    for (const line of code.trim().split('\n')) {
      if (NOT_RUN.includes(line)) continue;
      expect(line).toMatch(/^npx foretoken /);
      expectSuccess('bash', ['-c', line.replace(/^npx foretoken/, `"${process.execPath}" node_modules/foretoken/dist/apps/cli/main.js`)]);
    }
  }

  function expectSuccess(command: string, args: string[]): void {
    expect(existsSync(join(root, 'dist/core/index.js')), 'dist/ is missing: npm run build').toBe(true);
    const { status, stdout, stderr } = spawnSync(command, args, { cwd: folder, encoding: 'utf8' });
    expect({ status, stderr: status === 0 ? '' : stderr + stdout }).toEqual({ status: 0, stderr: '' });
    expect(stdout.length).toBeGreaterThan(0);
  }
});

describe('the documentation', () => {
  it('lists every error as the code has it', () => {
    expect(readFileSync(join(root, 'docs/errors.md'), 'utf8')).toBe(renderErrors(errors));
  });

  it('links to files that exist', () => {
    const readmes = readdirSync(join(root, 'strategies')).map((name) => `strategies/${name}/README.md`);
    for (const page of [...pages, ...readmes, 'npm/README.md']) {
      for (const [, target] of readFileSync(join(root, page), 'utf8').matchAll(/\]\(([^)#]+)\)/g)) {
        if (!/^https?:/.test(target!)) expect(existsSync(join(root, dirname(page), target!)), `${page} links to ${target}`).toBe(true);
      }
    }
  });

  it('names files and folders that exist', () => {
    for (const page of pages) {
      for (const [, path] of readFileSync(join(root, page), 'utf8').matchAll(/`((?:core|native|strategies|apps|test|scripts|bench|npm)\/[\w./-]+)`/g)) {
        expect(existsSync(join(root, path!)), `${page} names ${path}`).toBe(true);
      }
    }
  });
});
