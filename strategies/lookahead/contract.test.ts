import { afterAll, describe, it } from 'vitest';
import { describeStrategy } from '../../core/testing/index.js';

describeStrategy({ strategy: 'lookahead' }, { afterAll, describe, it });
describeStrategy({ strategy: 'lookahead', options: { window: 5, ngram: 5, guesses: 3, acceptWindow: true, shift: 'token', avoid: [3] } }, { afterAll, describe, it });
describeStrategy({ strategy: 'lookahead', options: { window: 2, ngram: 2, guesses: 1, poolFromPrompt: false } }, { afterAll, describe, it });
