import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

interface Problem { readonly file: string; readonly line: number; readonly message: string }

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const { checkTree } = await import(pathToFileURL(join(root, 'scripts/check-imports.mjs')).href) as { checkTree(root: string): Problem[] };

describe('the import rules', () => {
  let tree: string;
  beforeEach(() => {
    tree = mkdtempSync(join(tmpdir(), 'foretoken-lint-'));
    plant('core/index.ts', "export * from './strategy.js';\nexport { ConfigError } from './errors.js';\n");
    plant('strategies/eagle/index.ts', "import type { Plan } from '../../core/strategy.js';\nimport './proposer.js';\nexport type { Plan };\n");
  });
  afterEach(() => rmSync(tree, { recursive: true, force: true }));

  function plant(path: string, text: string): void {
    mkdirSync(dirname(join(tree, path)), { recursive: true });
    writeFileSync(join(tree, path), text);
  }

  it('hold in this repository', () => {
    expect(checkTree(root).map(({ file, line, message }) => `${file}:${line} ${message}`)).toEqual([]);
  });

  it('find nothing in a tree that keeps them', () => {
    plant('core/container.ts', "import { container } from 'tsyringe';\nexport { container };\n");
    plant('core/native/binding.ts', "export const file = 'build/Release/foretoken.node';\n");
    plant('apps/cli/main.ts', "import { createEngine } from '../../core/index.js';\nexport { createEngine };\n");
    plant('native/src/addon/addon.cc', '#include <napi.h>\n');
    plant('core/batch.test.ts', "import lookahead from '../strategies/lookahead/index.js';\nexport { lookahead };\n");
    expect(checkTree(tree)).toEqual([]);
  });

  const planted: readonly [what: string, path: string, text: string, message: RegExp][] = [
    ['an app that imports an inner module', 'apps/cli/main.ts', "import '../../core/engine.js';\n", /public surface only/],
    ['a type import of an inner module', 'apps/cli/main.ts', "export type E = import('../../core/engine.js').Engine;\n", /public surface only/],
    ['an app that names a strategy folder', 'apps/cli/main.ts', "await import('../../strategies/eagle/index.js');\n", /name no strategy folder/],
    ['core that imports an app', 'core/engine.ts', "export * from '../apps/cli/main.js';\n", /neither strategies nor apps/],
    ['a strategy that imports another', 'strategies/eagle/tree.ts', "import '../other/index.js';\n", /never import each other/],
    ['a strategy that imports an inner module of core', 'strategies/eagle/tree.ts', "import '../../core/engine.js';\n", /public modules only/],
    ['a strategy that imports the binding', 'strategies/eagle/tree.ts', "import '../../core/native/binding.js';\n", /public modules only/],
    ['a strategy that imports tsyringe', 'strategies/eagle/tree.ts', "import { inject } from 'tsyringe';\nexport { inject };\n", /imports tsyringe/],
    ['core that imports tsyringe outside the container', 'core/engine.ts', "import { inject } from 'tsyringe';\nexport { inject };\n", /imports tsyringe/],
    ['a second loader of the addon', 'core/engine.ts', "export const addon = require('../build/Release/foretoken.node');\n", /loads the addon/],
    ['napi outside the addon', 'native/src/model/model.cc', '#include "napi.h"\n', /native\/src\/addon includes/],
    ['cuda outside its folder', 'native/include/device.h', '#include <cuda_runtime.h>\n', /native\/src\/cuda includes/],
    ['a strategy name in core', 'core/registry.ts', "const isTree = name === 'medusa';\n", /no strategy by name/],
    ['a strategy name in camel case', 'core/registry.ts', 'export class PromptLookupRegistry {}\n', /no strategy by name/],
    ['a strategy name in native code', 'native/src/ops/tree.cc', '// the eagle tree\n', /no strategy by name/],
    ['the name of a new strategy in core', 'core/registry.ts', "const only = 'my-new-one';\n", /no strategy by name/],
    ['a loop that has grown', 'core/decode.ts', 'let x = 0;\n'.repeat(80), /stays under 80/],
    ['a file that is too long', 'core/batch.ts', 'let x = 0;\n'.repeat(401), /split by idea/],
    ['a file that names no idea', 'core/utils.ts', 'export const x = 0;\n', /names no idea/],
    ['an index file inside core', 'core/steps/index.ts', 'export const x = 0;\n', /public surfaces only/],
    ['an environment variable read in core', 'core/budget.ts', 'export const debug = process.env.DEBUG;\n', /read in apps only/],
  ];
  it.each(planted)('find %s', (_what, path, text, message) => {
    plant('strategies/my-new-one/index.ts', 'export {};\n');
    plant(path, text);
    const problems = checkTree(tree);
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatchObject({ file: path, message: expect.stringMatching(message) });
  });
});
