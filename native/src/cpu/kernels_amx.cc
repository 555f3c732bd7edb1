#include "kernel_sets.h"

namespace foretoken {

const CpuKernels* amx_kernels() { return nullptr; }

}  // namespace foretoken
