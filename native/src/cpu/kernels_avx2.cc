// AVX2 and FMA.
#include "kernel_sets.h"

#if defined(__AVX2__) && defined(__FMA__)
#include <math.h>

#include "lanes_avx2.h"

namespace foretoken {
namespace {
constexpr int kBothRows = 3, kBf16Rows = 4, kF32Rows = 3, kUnroll = 16, kUnrollShort = 4;  // 16 registers of 8 lanes
}
}  // namespace foretoken

#include "elementary.inl"
#include "rows.inl"
#include "gemm.inl"
#include "attend.inl"

namespace foretoken {
namespace {
constexpr CpuKernels kAvx2 = {"avx2", activation_bytes, pack_activations, matmul, rms_norm, gated, rope, add_scaled, to_bf16, attend, exponentials};
}

const CpuKernels* avx2_kernels() { return &kAvx2; }

}  // namespace foretoken

#else

namespace foretoken {
const CpuKernels* avx2_kernels() { return nullptr; }
}  // namespace foretoken

#endif
