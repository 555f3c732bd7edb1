/** Static trees by name. */
const PUBLISHED = {
  // The tree of EAGLE-1, which its repository calls mc_sim_7b_63: another list than the one of the same name for other heads.
  eagle_25: [
    [0], [1], [2], [3], [0, 0], [0, 1], [0, 2], [1, 0], [1, 1], [2, 0], [2, 1], [3, 0],
    [0, 0, 0], [0, 0, 1], [0, 0, 2], [0, 1, 0], [0, 1, 1], [0, 2, 0], [0, 2, 1], [1, 0, 0],
    [0, 0, 0, 0], [0, 0, 0, 1], [0, 0, 0, 2], [0, 0, 0, 0, 0], [0, 0, 0, 0, 1],
  ],
} as const satisfies Record<string, readonly (readonly number[])[]>;

export type ChoicesName = keyof typeof PUBLISHED | 'mc_sim_7b_63';

export const CHOICES_NAMES = ['eagle_25', 'mc_sim_7b_63'] as const satisfies readonly ChoicesName[];

/** A published list of ranks. */
export function publishedChoices(_name: ChoicesName): readonly (readonly number[])[] {
  return PUBLISHED.eagle_25;
}
