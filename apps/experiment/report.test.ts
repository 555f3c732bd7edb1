import { describe, expect, it } from 'vitest';
import { analyse, type ExperimentRecord, type Trial } from '../../core/index.js';
import { reportPage } from './page.js';
import { textReport } from './text-report.js';

const trial = (arm: string, block: number, ms: number): Trial => ({
  arm, version: '1', unit: `p${block}`, block, category: block % 2 === 0 ? '<even>' : 'odd', promptTokens: 5, batch: 1, tokens: 10, iterations: 5, drafted: 5, accepted: 5, faults: 0, bypassed: 0, isForced: false,
  timing: { tokens: 9, ms, timeToFirstTokenMs: 2, interTokenP99Ms: 3 },
});
const record = (blocks: number, ratio: number): ExperimentRecord => ({
  definition: { name: 'a <b> & c', arms: { plain: 'off', other: { name: 'x', note: '</style>' } } }, guarantees: { plain: 'identical', other: 'identical' }, stopped: {},
  trials: Array.from({ length: blocks }, (_, i) => [trial('plain', i, 100 + (i % 7)), trial('other', i, (100 + (i % 5)) * ratio)]).flat(),
});

describe('a report', () => {
  it('answers first, in words, in the terminal and on the page', () => {
    const report = analyse(record(30, 0.8));
    const sentence = /other is better than plain: its decoding speed is 2\d\.\d % higher \(the effect lies between \+\d/;
    expect(textReport(report)).toMatch(sentence);
    expect(reportPage(report, 'some machine')).toMatch(sentence);
    expect(textReport(analyse(record(30, 1.3)))).toMatch(/other is worse than plain: its decoding speed is 2\d\.\d % lower/);
    expect(textReport(analyse(record(3, 0.8)))).toMatch(/not enough data about decoding speed \(3 of at least 5\)/);
  });

  it('is one page that needs nothing else and lets nothing in the data out of its place', () => {
    const page = reportPage(analyse(record(30, 0.8)), '<machine>');
    expect(page).not.toMatch(/<script|https?:|src=|@import/);
    expect(page).toContain('a &lt;b> &amp; c');
    expect(page).toContain('&lt;even>');
    expect(page).not.toContain('<even>');
    expect(page.match(/<\/style>/g)).toHaveLength(1);
    expect(page).not.toMatch(/NaN|undefined|Infinity/);
  });

  it('draws what there is while there is next to nothing', () => {
    for (const blocks of [0, 1, 2, 6]) expect(reportPage(analyse(record(blocks, 0.8)), '')).not.toMatch(/NaN|undefined|Infinity/);
  });

  it('leaves trials of another version out, and says so', () => {
    const { trials, ...rest } = record(10, 0.8);
    const report = analyse({ ...rest, trials: [...trials, { ...trial('plain', 99, 1), version: '0' }] });
    expect(report.warnings).toEqual(['Trials of another version of the experiment, left out: 1.']);
  });

  it('finds that shares of units are no accident', () => {
    const { definition, ...rest } = record(0, 1);
    const units = (arm: string, count: number) => Array.from({ length: count }, (_, i) => ({ ...trial(arm, i, 1), unit: `${arm}${i}` }));
    const report = analyse({ ...rest, definition: { ...definition, design: 'request' }, trials: [...units('plain', 600), ...units('other', 480)] });
    expect(report.sampleRatio).toMatchObject({ isPlausible: false, units: { plain: 600, other: 480 }, chiSquare: expect.closeTo(13.33, 2), pValue: expect.closeTo(0.00026, 5) });
    expect(textReport(report)).toMatch(/! The arms did not get their shares of units \(p = 2\.6e-4\)/);
    expect(reportPage(report, '')).toMatch(/no accident/);
  });
});
