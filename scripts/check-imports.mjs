// Enforces the architecture that a linter cannot know: imports go one way (apps → core → core/native → addon; strategies → core's public
// modules), core and native know no strategy by name, and files stay small. `npm run lint` runs it; it prints one line per problem.
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { dirname, join, posix, relative, resolve, sep } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import ts from 'typescript';

const FOLDERS = ['core', 'strategies', 'apps', 'native', 'test', 'scripts', 'bench'];
const SKIPPED = new Set(['node_modules', 'dist', 'build', 'fixtures']);
const SOURCE = /\.(ts|mjs|cc|h|inl|cu|cuh)$/;
const MAX_LINES = 400;
const LOOP = 'core/decode.ts';
const MAX_LOOP_LINES = 80;
const BINDING = 'core/native/binding.ts';
const CONTAINER = 'core/container.ts';
const PUBLIC = ['core/index.ts', 'core/testing/index.ts'];
const SHIPPED_STRATEGIES = ['medusa', 'draft-target', 'prompt-lookup', 'redrafter', 'eagle', 'lookahead'];
const NAMELESS = /^(utils|helpers|misc|common)\.(ts|h|cc|mjs)$/;
const NODE_HEADERS = /^(napi|napi-inl|node_api|js_native_api|node|v8|uv)\.h$/;
const CUDA_HEADERS = /^(cuda|cublas|cutlass|cub|nv|thrust|curand|mma)[\w/.-]*/;

/** @returns {{ file: string, line: number, message: string }[]} what breaks a rule in the tree at `root` */
export function checkTree(root) {
  const files = FOLDERS.flatMap((folder) => list(root, folder)).map((path) => readSource(root, path));
  const context = { root, strategies: strategyNames(root), publicModules: publicModules(root) };
  return files.flatMap((file) => RULES.flatMap((rule) => [...rule(file, context)].map((found) => ({ file: file.path, line: found.line ?? 1, message: found.message }))));
}

const RULES = [checkSize, checkName, checkIncludes, checkImports, checkAddonAccess, checkEnvironment, checkStrategyNames];

function* checkSize({ path, lines }) {
  if (path === LOOP && lines.length >= MAX_LOOP_LINES) yield { message: `the loop has ${lines.length} lines; it stays under ${MAX_LOOP_LINES}` };
  if (lines.length > MAX_LINES) yield { message: `${lines.length} lines; past ${MAX_LINES} a file is split by idea` };
}

function* checkName({ path }) {
  const name = posix.basename(path);
  if (NAMELESS.test(name)) yield { message: `"${name}" names no idea` };
  if (name === 'index.ts' && !PUBLIC.includes(path) && !/^strategies\/[^/]+\/index\.ts$/.test(path)) yield { message: 'index files are for public surfaces only' };
}

function* checkIncludes({ path, lines }) {
  if (!/\.(cc|h|inl|cu|cuh)$/.test(path)) return;
  for (const [i, line] of lines.entries()) {
    const header = /^\s*#\s*include\s*[<"]([^>"]+)[>"]/.exec(line)?.[1];
    if (header === undefined) continue;
    if (NODE_HEADERS.test(header) && !path.startsWith('native/src/addon/')) yield { line: i + 1, message: `only native/src/addon includes ${header}` };
    if (CUDA_HEADERS.test(header) && !path.startsWith('native/src/cuda/') && !path.startsWith('test/')) yield { line: i + 1, message: `only native/src/cuda includes ${header}` };
  }
}

function* checkImports({ path, imports }, { publicModules }) {
  const isTest = path.endsWith('.test.ts');
  const strategy = strategyOf(path);
  for (const { specifier, target, line } of imports) {
    if (specifier === 'tsyringe' && path !== CONTAINER && !path.startsWith('test/')) yield { line, message: `only ${CONTAINER} imports tsyringe` };
    if (target === undefined) continue;
    if (path.startsWith('core/') && !isTest && /^(strategies|apps)\//.test(target)) yield { line, message: `core imports ${target}; it knows neither strategies nor apps` };
    if (path.startsWith('apps/') && target.startsWith('core/') && !PUBLIC.includes(target)) yield { line, message: `apps import core's public surface only, not ${target}` };
    if (path.startsWith('apps/') && !isTest && target.startsWith('strategies/')) yield { line, message: `apps name no strategy folder: ${target}` };
    if (strategy === undefined) continue;
    if (target.startsWith('strategies/') && strategyOf(target) !== strategy) yield { line, message: `strategies never import each other: ${target}` };
    if (target.startsWith('apps/')) yield { line, message: `strategies import no app: ${target}` };
    if (target.startsWith('core/') && !isTest && !publicModules.has(target)) yield { line, message: `strategies import core's public modules only, not ${target}` };
  }
}

function* checkAddonAccess({ path, literals }) {
  if (path === BINDING || !isProduct(path)) return;
  for (const { text, line } of literals) if (text.endsWith('.node')) yield { line, message: `only ${BINDING} loads the addon` };
}

function* checkEnvironment({ path, lines }) {
  if (path === BINDING || !isProduct(path) || path.startsWith('apps/')) return;
  for (const [i, line] of lines.entries()) if (/\bprocess\.env\b/.test(line)) yield { line: i + 1, message: 'environment variables are read in apps only' };
}

function* checkStrategyNames({ path, lines }, { strategies }) {
  if (!/^(core|native)\//.test(path) || path.startsWith('core/testing/') || path.endsWith('.test.ts')) return;
  const pattern = new RegExp(strategies.map((name) => name.replaceAll('-', '[-_ ]?')).join('|'), 'i');
  for (const [i, line] of lines.entries()) {
    const name = pattern.exec(line)?.[0];
    if (name !== undefined) yield { line: i + 1, message: `"${name}": core and native know no strategy by name` };
  }
}

const isProduct = (path) => /^(core|strategies|apps)\//.test(path) && !path.endsWith('.test.ts');
const strategyOf = (path) => /^strategies\/([^/]+)\//.exec(path)?.[1];

function strategyNames(root) {
  const folder = join(root, 'strategies');
  const present = existsSync(folder) ? readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isDirectory()).map(({ name }) => name) : [];
  return [...new Set([...SHIPPED_STRATEGIES, ...present])];
}

/** `core/index.ts` and what it re-exports. */
function publicModules(root) {
  if (!existsSync(join(root, PUBLIC[0]))) return new Set(PUBLIC);
  return new Set([...PUBLIC, ...readSource(root, PUBLIC[0]).imports.flatMap(({ target }) => target ?? [])]);
}

function list(root, folder) {
  if (!existsSync(join(root, folder))) return [];
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory()) return SKIPPED.has(entry.name) ? [] : list(root, path);
    return SOURCE.test(entry.name) ? [path] : [];
  });
}

function readSource(root, path) {
  const text = readFileSync(join(root, path), 'utf8');
  const file = { path, lines: text.replace(/\n$/, '').split('\n'), imports: [], literals: [] };
  if (!/\.(ts|mjs)$/.test(path)) return file;
  const source = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true);
  const lineOf = (node) => source.getLineAndCharacterOfPosition(node.getStart(source)).line + 1;
  const visit = (node) => {
    if (ts.isStringLiteralLike(node)) file.literals.push({ text: node.text, line: lineOf(node) });
    if (ts.isTemplateTail(node)) file.literals.push({ text: node.text, line: lineOf(node) });
    const specifier = importOf(node);
    if (specifier !== undefined) file.imports.push({ specifier, target: targetOf(root, path, specifier), line: lineOf(node) });
    ts.forEachChild(node, visit);
  };
  visit(source);
  return file;
}

/** The module that a node imports: static, re-exported, dynamic, `require`, or the type `import('…')`. */
function importOf(node) {
  if ((ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) && node.moduleSpecifier && ts.isStringLiteral(node.moduleSpecifier)) return node.moduleSpecifier.text;
  if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument) && ts.isStringLiteral(node.argument.literal)) return node.argument.literal.text;
  if (!ts.isCallExpression(node) || node.arguments.length === 0 || !ts.isStringLiteralLike(node.arguments[0])) return undefined;
  const called = node.expression;
  return called.kind === ts.SyntaxKind.ImportKeyword || (ts.isIdentifier(called) && called.text === 'require') ? node.arguments[0].text : undefined;
}

/** The file in the tree that a relative specifier, or this package by its own name, means. */
function targetOf(root, path, specifier) {
  if (specifier === 'foretoken') return PUBLIC[0];
  if (specifier === 'foretoken/testing') return PUBLIC[1];
  if (!specifier.startsWith('.')) return undefined;
  return relative(root, resolve(root, dirname(path), specifier)).split(sep).join('/').replace(/\.js$/, '.ts');
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const root = dirname(dirname(fileURLToPath(import.meta.url)));
  const problems = checkTree(root);
  for (const { file, line, message } of problems) console.error(`${file}:${line} ${message}`);
  console.log(problems.length === 0 ? 'imports, names and sizes: no problem' : `imports, names and sizes: ${problems.length} problems`);
  process.exitCode = problems.length === 0 ? 0 : 1;
}
