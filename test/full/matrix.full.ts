import { describeMatrix } from '../identity/describe-matrix.js';
import { ALL } from '../identity/strategies.js';

describeMatrix(() => ALL);
