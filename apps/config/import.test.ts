import { describe, expect, it } from 'vitest';
import { importSglang, importVllm } from './import.js';

describe('settings of vLLM', () => {
  it.each([
    ['{"method":"ngram","num_speculative_tokens":5,"prompt_lookup_max":4,"prompt_lookup_min":2}', { name: 'prompt-lookup', length: 5, maxNgram: 4, minNgram: 2 }],
    ['{"model":"./draft","num_speculative_tokens":3}', { name: 'draft-target', draft: './draft', length: 3 }],
    ['{"method":"medusa","model":"./m","num_speculative_tokens":4}', { name: 'medusa', head: './m', heads: 4 }],
    ['{"method":"eagle3","model":"./e","num_speculative_tokens":2}', { name: 'eagle', head: './e', tree: 'chain', depth: 2 }],
    ['{"model":"yuhuili/EAGLE-LLaMA3","num_speculative_tokens":2}', { name: 'eagle', head: 'yuhuili/EAGLE-LLaMA3', tree: 'chain', depth: 2 }],
    ['{"model":"./d","num_speculative_tokens":3,"acceptance_method":"typical_acceptance_sampler","posterior_threshold":0.1,"posterior_alpha":0.4}',
      { name: 'draft-target', draft: './d', length: 3, verifier: { name: 'typical', posteriorThreshold: 0.1, posteriorAlpha: 0.4 } }],
  ])('become a strategy: %s', (text, strategy) => {
    expect(importVllm(text)).toEqual({ config: { strategy }, notes: [] });
  });

  it('are read from a command line, as a shell would', () => {
    const line = 'vllm serve ./model --max-model-len 2048 \\\n --max_num_seqs=4 --dtype bfloat16 --speculative-config \'{"method": "ngram", "num_speculative_tokens": 2}\' --enforce-eager';
    expect(importVllm(line)).toEqual({
      config: { engine: { model: './model', maxTokensPerSequence: 2048, maxSequences: 4, dtype: 'bf16' }, strategy: { name: 'prompt-lookup', length: 2 } },
      notes: ['no equivalent: --enforce-eager true'],
    });
  });

  it('without an equivalent are named, each of them', () => {
    const { config, notes } = importVllm('{"method":"mlp_speculator","model":"x","num_speculative_tokens":2,"draft_tensor_parallel_size":1,"quantization":"fp8","posterior_alpha":0.3,"brand_new":[1]}');
    expect(config).toEqual({});
    expect(notes.map((note) => /method "\w+"|posterior_alpha|speculative-config\.\w+/.exec(note)?.[0])).toEqual(
      ['method "mlp_speculator"', 'posterior_alpha', 'speculative-config.draft_tensor_parallel_size', 'speculative-config.quantization', 'speculative-config.brand_new']);
  });

  it('that are no JSON are refused', () => {
    expect(() => importVllm('{"method":')).toThrow('JSON of --speculative-config');
  });
});

describe('settings of SGLang', () => {
  it('become a strategy, their root token not counted', () => {
    expect(importSglang('python -m sglang.launch_server --model-path ./m --speculative-algorithm EAGLE3 --speculative-draft-model-path ./h --speculative-num-steps 5 --speculative-eagle-topk 8 --speculative-num-draft-tokens 32 --speculative-accept-threshold-single 0.4')).toEqual({
      config: { engine: { model: './m' }, strategy: { name: 'eagle', head: './h', depth: 5, topK: 8, maxNodes: 31, verifier: { name: 'threshold', probability: 0.4 } } }, notes: [],
    });
    expect(importSglang('--speculative-algorithm NGRAM --speculative-num-draft-tokens 9 --speculative-ngram-max-match-window-size 6').config.strategy).toEqual({ name: 'prompt-lookup', length: 8, maxNgram: 6 });
    expect(importSglang('--speculative-algorithm STANDALONE --speculative-draft ./d --speculative-num-steps 3').config.strategy).toEqual({ name: 'draft-target', draft: './d', length: 3 });
  });

  it('without an equivalent are named, each of them', () => {
    expect(importSglang('--speculative-algorithm DFLASH --speculative-token-map x --tp 2 --speculative-accept-threshold-acc 0.9 --dtype float16').notes.map((note) => /--[\w-]+|dtype/.exec(note)?.[0]))
      .toEqual(['dtype', '--speculative-algorithm', '--speculative-accept-threshold-acc', '--speculative-token-map', '--tp']);
  });
});
