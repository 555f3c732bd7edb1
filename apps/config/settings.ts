/** Settings by name, without leading dashes. */
export type Settings = Readonly<Record<string, unknown>>;

/**
 * The flags of a command line, as a shell would read it: quotes, backslashes and line continuations count. `--name value`, `--name=value`
 * and `--name` alone are read; `vllm serve MODEL` gives `model`. Underscores in names become dashes.
 */
export function settingsOf(line: string): Settings {
  const words = wordsOf(line);
  const settings: Record<string, unknown> = {};
  const serve = words.indexOf('serve');
  const positional = serve >= 0 ? words[serve + 1] : undefined;
  if (positional !== undefined && !positional.startsWith('-')) settings['model'] = positional;
  for (let i = 0; i < words.length; i++) {
    const match = /^--([^=]+)(?:=([\s\S]*))?$/.exec(words[i]!);
    if (match === null) continue;
    const name = match[1]!.replaceAll('_', '-');
    const next = words[i + 1];
    if (match[2] !== undefined) settings[name] = match[2];
    else settings[name] = next === undefined || next.startsWith('--') ? true : words[++i];
  }
  return settings;
}

function wordsOf(line: string): string[] {
  const words: string[] = [];
  let word: string | undefined;
  for (const [, continued, single, double, escaped, space, plain] of line.matchAll(/(\\\r?\n)|'([^']*)'|"((?:[^"\\]|\\.)*)"|\\(.)|(\s+)|([^\s'"\\]+)/g)) {
    if (continued !== undefined || space !== undefined) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else word = (word ?? '') + (single ?? double?.replace(/\\(["\\$`])/g, '$1') ?? escaped ?? plain ?? '');
  }
  if (word !== undefined) words.push(word);
  return words;
}
