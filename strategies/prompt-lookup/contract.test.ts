import { afterAll, describe, it } from 'vitest';
import { describeStrategy } from '../../core/testing/index.js';

describeStrategy({ strategy: 'prompt-lookup' }, { afterAll, describe, it });
describeStrategy({ strategy: 'prompt-lookup', options: { length: 3, branches: 3, minNgram: 1 } }, { afterAll, describe, it });
