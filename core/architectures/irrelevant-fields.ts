// Fields of config.json that any family may carry and that cannot change the numbers of inference: how the model was made, saved or
// trained, which tokens are special (the tokenizer and generation read those), and defaults of text generation.
export const IRRELEVANT_FIELDS: readonly string[] = [
  // What it is and who wrote it.
  'architectures', 'model_type', '_name_or_path', 'name_or_path', '_commit_hash', 'transformers_version', 'transformers.js_config', 'is_llama_config',
  'tokenizer_class', 'unsloth_fixed', 'unsloth_version', 'torch_dtype', 'dtype', 'model_name', 'license', 'language', 'library_name',
  // Special tokens.
  'bos_token_id', 'eos_token_id', 'pad_token_id', 'unk_token_id', 'sep_token_id', 'cls_token_id', 'mask_token_id', 'decoder_start_token_id',
  'forced_bos_token_id', 'forced_eos_token_id', 'suppress_tokens', 'begin_suppress_tokens', 'bad_words_ids', 'prefix',
  // Training.
  'initializer_range', 'initializer_factor', 'attention_dropout', 'hidden_dropout', 'hidden_dropout_prob', 'attention_probs_dropout_prob', 'dropout',
  'embd_pdrop', 'resid_pdrop', 'attn_pdrop', 'gradient_checkpointing', 'output_router_logits', 'router_aux_loss_coef', 'label2id', 'id2label',
  'num_labels', 'problem_type', 'finetuning_task', 'task_specific_params', 'pruned_heads', 'tf_legacy_loss', 'use_bfloat16', 'torchscript',
  // How transformers runs it. pretraining_tp cuts products into slices: the same sums.
  'use_cache', 'pretraining_tp', '_attn_implementation', 'attn_implementation', '_attn_implementation_autoset', '_flash_attn_2_enabled', 'use_flash_attn',
  'cache_implementation', 'keys_to_ignore_at_inference', 'num_logits_to_keep', 'output_attentions', 'output_hidden_states', 'return_dict',
  'return_dict_in_generate', 'output_scores', 'chunk_size_feed_forward', 'is_decoder', 'cross_attention_hidden_size',
  // Lengths that limit nothing but a tokenizer or a generation.
  'max_sequence_length', 'model_max_length', 'tokenizer_model_max_length', 'seq_length', 'max_length', 'min_length', 'max_new_tokens',
  // Defaults of generation; this package takes its own from the request.
  'do_sample', 'early_stopping', 'num_beams', 'num_beam_groups', 'diversity_penalty', 'temperature', 'top_k', 'top_p', 'typical_p',
  'repetition_penalty', 'length_penalty', 'no_repeat_ngram_size', 'encoder_no_repeat_ngram_size', 'num_return_sequences', 'remove_invalid_values',
  'exponential_decay_length_penalty',
];
