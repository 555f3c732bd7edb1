import { describeMatrix, isCorner } from './describe-matrix.js';
import { ALL, FROM_TOKENS } from './strategies.js';

// Every strategy in every cell: alone in the corner that is asked in every way, elsewhere in the mixed batch. `npm run test:full` runs all of them alone everywhere.
describeMatrix('bf16', (cell) => (isCorner(cell) ? ALL : FROM_TOKENS));
