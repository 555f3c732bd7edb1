import type { Command } from 'commander';
import type { GenerateRequest } from '../../core/index.js';
import { collect, collectBias, decimal, integer, seed, tokenIds } from './values.js';

/** Flags of one request, shared by `generate` and `bench`. */
export interface RequestFlags extends Pick<GenerateRequest,
  'maxTokens' | 'temperature' | 'topK' | 'topP' | 'minP' | 'repetitionPenalty' | 'presencePenalty' | 'frequencyPenalty' | 'logitBias' | 'minTokens'> {
  readonly seed?: bigint;
  readonly ignoreEos?: true;
  readonly stop?: readonly string[];
  readonly stopTokens?: readonly number[];
  /** False where it is not to be used. */
  readonly generationConfig?: boolean;
}

export function addRequestFlags(command: Command): Command {
  return command
    .optionsGroup('Tokens:')
    .option('--max-tokens <n>', 'most tokens to generate; default: as many as the context holds', integer(1))
    .option('--temperature <t>', '0 (default, unless generation_config.json says otherwise): always the most likely token', decimal(0, 100))
    .option('--top-k <k>', 'keep the k most likely tokens', integer(1))
    .option('--top-p <p>', 'keep the most likely tokens that together reach this probability', decimal(0, 1, { above: true }))
    .option('--min-p <p>', 'keep tokens at least this share as likely as the likeliest', decimal(0, 1))
    .option('--repetition-penalty <p>', 'divide positive and multiply negative logits of tokens in prompt and output', decimal(0, 100, { above: true }))
    .option('--presence-penalty <p>', 'taken off the logits of tokens in the output, once', decimal(-100, 100))
    .option('--frequency-penalty <p>', 'taken off the logits of tokens in the output, for each occurrence', decimal(-100, 100))
    .option('--logit-bias <id=bias>', 'added to the logit of a token; -inf bans it; may be repeated', collectBias)
    .option('--min-tokens <n>', 'nothing ends the text before it has this many tokens', integer(0))
    .option('--seed <n>', 'the same seed gives the same tokens; default: drawn, and told in the stats', seed)
    .option('--stop <text>', 'end before this text; may be repeated', collect)
    .option('--stop-tokens <ids>', 'end at any of these token ids, e.g. 13,262', tokenIds)
    .option('--ignore-eos', 'go on after the end token')
    .option('--no-generation-config', "leave the defaults of the model's generation_config.json aside");
}

/** Only what was given: the library has the defaults. */
export function requestOptions(flags: RequestFlags): Partial<Pick<GenerateRequest, keyof RequestFlags>> {
  const { maxTokens, temperature, topK, topP, minP, repetitionPenalty, presencePenalty, frequencyPenalty, logitBias, minTokens, seed, ignoreEos, stop, stopTokens } = flags;
  const generationConfig = flags.generationConfig === false ? false : undefined;
  const all = { maxTokens, temperature, topK, topP, minP, repetitionPenalty, presencePenalty, frequencyPenalty, logitBias, minTokens, seed, ignoreEos, stop, stopTokens, generationConfig };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
}
