import type { ModelDescription } from '../description.js';
import type { ConfigFields } from './config-fields.js';

/** A tensor that a model needs. */
export interface PlannedTensor {
  /** Neutral name (`native/include/model.h`). */
  readonly name: string;
  /** Name in the file. */
  readonly stored: string;
  /** Of the stored tensor. */
  readonly shape: readonly number[];
  /** Which rows of the stored tensor are meant, [first, end): files of some families keep several matrices in one. Absent: all. */
  readonly rows?: readonly [number, number];
  /** The shape in words of config.json, for messages. */
  readonly meaning: string;
}

/** What an architecture makes of one config.json. */
export interface ArchitecturePlan {
  readonly description: Omit<ModelDescription, 'tied'>;
  /** Whether config.json says that the head shares the embedding's weights. */
  readonly tied: boolean;
  /** All tensors but the head; lazily, so that a wrong number of layers fails at the first that is missing. */
  tensors(): Iterable<PlannedTensor>;
  readonly head: PlannedTensor;
}

/** One family of models. `describe` reads every field that decides numbers; fields it leaves unread must be `irrelevant` or harmless. */
export interface Architecture {
  /** `model_type` of config.json. */
  readonly name: string;
  /** Entries of `architectures` in config.json that mean this family with its language-model head. */
  readonly classes: readonly string[];
  /** Fields of this family's config.json that cannot change the numbers of inference, besides those of {@link IRRELEVANT_FIELDS}. */
  readonly irrelevant: readonly string[];
  /** @throws CheckpointError naming the field, what came and what was expected */
  describe(fields: ConfigFields): ArchitecturePlan;
}
