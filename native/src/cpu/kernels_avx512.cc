// AVX-512 F, BW, DQ and VL.
#include "kernel_sets.h"

// Tests define FORETOKEN_EMULATED and build this file over emulated intrinsics where the compiler flag would not execute.
#if defined(__AVX512F__) || defined(FORETOKEN_EMULATED)
#include <math.h>

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wuninitialized"  // GCC 12's own header (GCC bug 105593)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

#include "lanes_avx512.h"

namespace foretoken {
namespace {
constexpr int kBothRows = 8, kBf16Rows = 8, kF32Rows = 8, kUnroll = 16, kUnrollShort = 4;  // 32 registers of 16 lanes
}
}  // namespace foretoken

#include "elementary.inl"
#include "rows.inl"
#include "gemm.inl"
#include "attend.inl"

namespace foretoken {
namespace {
constexpr CpuKernels kAvx512 = {"avx512", activation_bytes, pack_activations, matmul, rms_norm, gated, rope, add_scaled, to_bf16, attend, exponentials};
}

const CpuKernels* avx512_kernels() { return &kAvx512; }

}  // namespace foretoken

#else

namespace foretoken {
const CpuKernels* avx512_kernels() { return nullptr; }
}  // namespace foretoken

#endif
