import { existsSync, readFileSync } from 'node:fs';

/** The folder of this package, as a URL that ends in a slash: the nearest one above this file with a package.json. */
export function packageRoot(): URL {
  for (let at = new URL('./', import.meta.url); ; at = new URL('../', at)) {
    if (existsSync(new URL('package.json', at))) return at;
    if (at.pathname === '/') throw new Error('package.json of foretoken not found');
  }
}

export function packageVersion(): string {
  const { version } = JSON.parse(readFileSync(new URL('package.json', packageRoot()), 'utf8')) as { version: string };
  return version;
}
