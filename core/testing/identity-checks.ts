import assert from 'node:assert/strict';
import type { RunResult } from '../run.js';
import { type BenchRequest, type ContractBench, PROMPTS, TEXT_TOKENS } from './bench.js';
import type { ContractCheck } from './contract.js';

const TEMPERATURES = [0, 0.8];

/** The tokens are plain decoding's: alone, in company, at any chunking, in samples, and where a text ends within a block. */
export function identityChecks(bench: ContractBench): ContractCheck[] {
  return [
    { name: 'gives the tokens of plain decoding, alone', run: () => alone(bench) },
    { name: 'gives the tokens of plain decoding in a mixed batch of three', run: () => mixed(bench) },
    { name: 'gives the same tokens however the prompt is chunked', run: () => chunked(bench) },
    { name: 'gives the same tokens to every sample of a prompt', run: () => sampled(bench) },
    { name: 'ends exactly at the token limit', run: () => limited(bench) },
    { name: 'ends at an end token inside a block', run: () => ended(bench) },
    { name: 'ends where the context is full', run: () => filled(bench) },
  ];
}

export const requestOf = (prompt: number, temperature: number, rest: Partial<BenchRequest> = {}): BenchRequest =>
  ({ promptTokens: PROMPTS[prompt]!, maxTokens: TEXT_TOKENS, temperature, seed: 11n + BigInt(prompt), ignoreEos: true, ...rest });

async function alone(bench: ContractBench): Promise<string> {
  const strategy = await bench.config();
  const drafted = await bench.withEngine({}, undefined, async (engine) => {
    let nodes = 0;
    for (const temperature of TEMPERATURES) {
      for (const prompt of PROMPTS.keys()) {
        const request = requestOf(prompt, temperature);
        const result = await engine.generate({ ...request, strategy }).result;
        await bench.expectPlain(result, request);
        expectNoFault(result);
        nodes += result.stats.drafted;
      }
    }
    return nodes;
  });
  assert.ok(drafted > 0, 'it drafted nothing at all, so nothing was tested');
  return `temperatures ${TEMPERATURES.join(' and ')}, ${drafted} nodes drafted`;
}

async function mixed(bench: ContractBench): Promise<string> {
  const strategy = await bench.config();
  return bench.withEngine({}, undefined, async (engine) => {
    let concurrent = 0;
    for (const temperature of TEMPERATURES) {
      const requests = [...PROMPTS.keys()].map((prompt) => requestOf(prompt, temperature));
      const runs = requests.map((request, i) => engine.generate({ ...request, strategy: i === 1 ? 'off' : strategy }));
      const results = await Promise.all(runs.map(({ result }) => result));
      for (const [i, result] of results.entries()) {
        await bench.expectPlain(result, requests[i]!);
        expectNoFault(result);
        concurrent = Math.max(concurrent, result.stats.maxConcurrent);
      }
    }
    assert.equal(concurrent, 3, 'the three texts never shared a pass');
    return 'two texts with the strategy, one plain, in the same passes';
  });
}

async function chunked(bench: ContractBench): Promise<string> {
  const strategy = await bench.config();
  const chunks = [1, 7, 512];
  for (const prefillChunk of chunks) {
    await bench.withEngine({ prefillChunk }, undefined, async (engine) => {
      const request = requestOf(2, 0.8);
      const result = await engine.generate({ ...request, strategy }).result;
      await bench.expectPlain(result, request);
      expectNoFault(result);
    });
  }
  return `chunks of ${chunks.join(', ')} tokens`;
}

async function sampled(bench: ContractBench): Promise<string> {
  const strategy = await bench.config();
  const request = requestOf(2, 0.8, { n: 3 });
  return bench.withEngine({}, undefined, async (engine) => {
    const result = await engine.generate({ ...request, strategy }).result;
    await bench.expectPlain(result, request);
    expectNoFault(result);
    return `${result.samples.length} samples of one prompt`;
  });
}

async function limited(bench: ContractBench): Promise<string> {
  const strategy = await bench.config();
  const limits = [1, 2, 3, 5, 17];
  await bench.withEngine({}, undefined, async (engine) => {
    for (const maxTokens of limits) {
      const request = requestOf(1, 0, { maxTokens });
      const result = await engine.generate({ ...request, strategy }).result;
      assert.equal(result.tokens.length, maxTokens, 'tokens generated');
      await bench.expectPlain(result, request);
    }
  });
  return `limits ${limits.join(', ')}`;
}

async function ended(bench: ContractBench): Promise<string> {
  const strategy = await bench.config();
  const { tokens } = await bench.reference(requestOf(1, 0));
  const ends = [...new Set(tokens)].slice(1, 6);
  for (const eos of ends) {
    const model = await bench.targetEndingWith(eos);
    const request = requestOf(1, 0, { ignoreEos: false });
    await bench.withEngine({ model }, undefined, async (engine) => {
      const result = await engine.generate({ ...request, strategy }).result;
      assert.equal(result.finishReason, 'eos', `with end token ${eos}`);
      assert.equal(result.tokens.at(-1), eos, 'the last token');
      await bench.expectPlain(result, request, { model });
    });
  }
  return `${ends.length} end tokens at different places`;
}

async function filled(bench: ContractBench): Promise<string> {
  const strategy = await bench.config();
  const rooms = [1, 2, 9, 30];
  for (const room of rooms) {
    const maxTokensPerSequence = PROMPTS[1]!.length + room;
    const { maxTokens: _, ...request } = requestOf(1, 0);
    await bench.withEngine({ maxTokensPerSequence }, undefined, async (engine) => {
      const result = await engine.generate({ ...request, strategy }).result;
      assert.equal(result.finishReason, 'length');
      assert.equal(result.tokens.length, room, 'tokens until the context is full');
      await bench.expectPlain(result, request, { maxTokensPerSequence });
    });
  }
  return `${rooms.join(', ')} tokens of room`;
}

/** In these checks nothing was planted: a fault is the strategy's own, and plain decoding would hide it. */
export function expectNoFault({ stats }: RunResult): void {
  assert.equal(stats.faults, 0, 'iterations in which the strategy failed');
}
