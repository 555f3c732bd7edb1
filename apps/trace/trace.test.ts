import { describe, expect, it } from 'vitest';
import { tracePage } from './page.js';
import { parseTraceFile, toTraceFile } from './trace-file.js';

const entry = { strategy: 'x', tokens: [5, 6, 7], parents: [-1, 0, 0], accepted: [0, 2], next: 8, choices: [7, 1, 8], ms: { draft: 1, verify: 2, commit: 3 } };

describe('a trace file', () => {
  it('holds one iteration per line and reads back as it was written', () => {
    const file = toTraceFile([entry, entry], (token) => `<${token}>`);
    expect(file.trimEnd().split('\n').length).toBe(2);
    expect(parseTraceFile(file, 'a.jsonl')).toEqual([entry, entry].map((one) => ({ ...one, texts: ['<5>', '<6>', '<7>'] })));
  });

  it('is refused with the line and its fault when it is something else', () => {
    expect(() => parseTraceFile('', 'a.jsonl')).toThrow(/holds no iteration/);
    expect(() => parseTraceFile(`${JSON.stringify(entry)}\nnonsense`, 'a.jsonl')).toThrow(/line 2 is not JSON/);
    expect(() => parseTraceFile('{"tokens":[1]}', 'a.jsonl')).toThrow(/lacks parents, accepted/);
    expect(() => parseTraceFile(JSON.stringify({ ...entry, parents: [-1, 1, 0] }), 'a.jsonl')).toThrow(/do not make a tree/);
    expect(() => parseTraceFile(JSON.stringify({ ...entry, accepted: [3] }), 'a.jsonl')).toThrow(/accepted node 3 of 3/);
  });
});

describe('the page of a trace', () => {
  it('carries the data whole, whatever the tokens spell', () => {
    const page = tracePage([{ ...entry, texts: ['</script>', '"', '&'] }], 'a <b>');
    const data = /id="data">(.*?)<\/script>/s.exec(page)![1]!;
    expect((JSON.parse(data) as { texts: string[] }[])[0]!.texts).toEqual(['</script>', '"', '&']);
    expect(page).toContain('a &lt;b>');
  });
});
