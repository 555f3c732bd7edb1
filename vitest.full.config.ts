import { defineConfig, mergeConfig } from 'vitest/config';
import base from './vitest.config.js';

/** Everything of `npm test`, and what takes longer. */
export default mergeConfig(base, defineConfig({ test: { include: ['test/full/**/*.full.ts'] } }));
