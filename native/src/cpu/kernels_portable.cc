// Plain loops for any processor: the specification of the other sets.
#include "cpu_kernels.h"
#include "lanes_portable.h"

namespace foretoken {
namespace {
constexpr int kBothRows = 4, kBf16Rows = 4, kF32Rows = 4, kUnroll = 1, kUnrollShort = 1;
}
}  // namespace foretoken

#include "elementary.inl"
#include "rows.inl"
#include "gemm.inl"
#include "attend.inl"

namespace foretoken {

const CpuKernels kPortableKernels = {"portable", activation_bytes, pack_activations, matmul, rms_norm, gated, rope, add_scaled, to_bf16, attend, exponentials};

}  // namespace foretoken
