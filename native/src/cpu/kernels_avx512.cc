#include "kernel_sets.h"

namespace foretoken {

const CpuKernels* avx512_kernels() { return nullptr; }

}  // namespace foretoken
