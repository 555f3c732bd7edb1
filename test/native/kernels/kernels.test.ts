// Every instruction set gives the bits of one scalar model: executed where this machine has the instructions, emulated where not.
import { beforeAll, describe, expect, it } from 'vitest';
import { checkProgram, hasSimde, instructionSets, runProgram, setObject, weakSymbols, type InstructionSet } from './build.js';

const x86 = process.arch === 'x64';
const compileTime = 300_000;

describe.skipIf(process.platform === 'win32')('CPU kernels', () => {
  let program = '';
  let executable: string[] = [];

  beforeAll(async () => {
    program = await checkProgram([]);
    executable = (await runProgram(program, [])).trim().split('\n');
  }, compileTime);

  it('packing, own mathematics and the choice of the set are right', async () => {
    await runProgram(program, ['shared']);
  }, compileTime);

  it('the portable set equals the scalar model bit for bit', async () => {
    report(await runProgram(program, ['portable']), 'executed portable');
  }, compileTime);

  it.for(instructionSets)('%s equals the scalar model bit for bit', { timeout: compileTime }, async (set, context) => {
    if (executable.includes(set)) return report(await runProgram(program, [set]), `executed ${set}`);
    const obstacle = await obstacleToEmulation(set);
    if (obstacle) {
      console.log(`kernels: ${set} was neither executed nor emulated: ${obstacle}`);
      return context.skip(obstacle);
    }
    const missing = instructionSets.filter((other) => other !== 'avx2' && !executable.includes(other));
    report(await runProgram(await checkProgram(missing), [`${set}:emulated`]), `emulated ${set}`);
  });

  it.skipIf(!x86).each(instructionSets)('the object of %s exports no weak symbol that generic code could pick up', async (set) => {
    expect(await weakSymbols(await setObject(set))).toEqual([]);
  }, compileTime);
});

function report(output: string, claim: string): void {
  expect(output).toMatch(new RegExp(`^${claim}: [1-9]\\d+ values compared$`, 'm'));
  console.log(`kernels: ${output.trim()}`);
}

async function obstacleToEmulation(set: InstructionSet): Promise<string | undefined> {
  if (!x86) return 'this is not an x86-64 machine';
  if (set === 'avx2') return 'this processor lacks AVX2, which the emulation needs too';
  return (await hasSimde()) ? undefined : "SIMDe's headers are missing; install them with: apt-get install libsimde-dev";
}
