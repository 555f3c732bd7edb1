import { describeMatrix } from '../identity/describe-matrix.js';
import { ALL } from '../identity/strategies.js';

describeMatrix('f32', () => ALL);
describeMatrix('bf16', () => ALL);
