#include "kernel_sets.h"

namespace foretoken {

const CpuKernels* avx2_kernels() { return nullptr; }

}  // namespace foretoken
