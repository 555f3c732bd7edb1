import { expect, it } from 'vitest';
import { switchUnderLoad } from '../core/switching.js';

it('1,000 switches under load change no token and leave no page behind', async () => {
  const report = await switchUnderLoad(1000, 'both', 64);
  console.log(JSON.stringify(report));
  expect(report).toMatchObject({ switches: 1000, different: 0, pagesLeft: 0 });
  expect(report.generations).toBeGreaterThan(20);
}, 600_000);
