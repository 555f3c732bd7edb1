import { createHash } from 'node:crypto';

/** A number in [0, 1) that looks random and is always the same for the same words: the first 48 bits of their SHA-256. */
export function hashFraction(...words: readonly (string | number)[]): number {
  const digest = createHash('sha256').update(words.join('\0')).digest();
  return digest.readUIntBE(0, 6) / 2 ** 48;
}

/**
 * The arm of a unit, in proportion to the weights. Sticky: the same unit gets the same arm in every process, with nothing stored; another
 * salt deals anew.
 *
 * @param weights share of each arm, any positive numbers
 */
export function assignArm(weights: ReadonlyMap<string, number>, salt: string, unit: string): string {
  const total = [...weights.values()].reduce((sum, weight) => sum + weight, 0);
  let left = hashFraction(salt, 'unit', unit) * total;
  let last = '';
  for (const [arm, weight] of weights) {
    last = arm;
    left -= weight;
    if (left < 0) break;
  }
  return last;
}

/** Arms of one round in the order of their time slices: every arm once, dealt by the salt, so that no arm is always the earlier one. */
export function roundOrder(arms: readonly string[], salt: string, round: number): string[] {
  return arms.map((arm) => ({ arm, place: hashFraction(salt, 'round', round, arm) })).sort((a, b) => a.place - b.place).map(({ arm }) => arm);
}

/**
 * Turns of one block of `paired`: A B, then B A, and so on, the next block beginning the other way round. A drift of the machine that is linear
 * in time then costs every arm the same.
 */
export function pairedOrder(arms: readonly string[], block: number, repeats: number): string[] {
  return Array.from({ length: repeats }, (_, turn) => ((block + turn) % 2 === 0 ? arms : arms.toReversed())).flat();
}
