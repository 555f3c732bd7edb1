#pragma once
#include "cpu_kernels.h"

// One translation unit per instruction set. Its code lives in anonymous namespaces and instantiates no library template: a weak symbol
// compiled with wide instructions could be picked by the linker for generic code.
namespace foretoken {

/** The set, or nullptr where this build's target lacks it. Call only after the CPU was found to execute it. */
const CpuKernels* avx2_kernels();
const CpuKernels* avx512_kernels();
const CpuKernels* amx_kernels();

}  // namespace foretoken
