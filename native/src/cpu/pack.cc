#include <cstring>

#include "cpu_kernels.h"

namespace foretoken {
namespace {

float from_bits(uint32_t u) { float f; memcpy(&f, &u, 4); return f; }
uint32_t to_bits(float f) { uint32_t u; memcpy(&u, &f, 4); return u; }

/** f16 → f32, exact, subnormals included. */
float from_f16(uint16_t h) {
  const uint32_t sign = uint32_t(h & 0x8000) << 16, exponent = h >> 10 & 31, fraction = h & 1023;
  if (exponent == 31) return from_bits(sign | 0x7f800000u | fraction << 13);
  if (exponent) return from_bits(sign | (exponent + 112) << 23 | fraction << 13);
  const float tiny = float(fraction) * 0x1p-24f;
  return from_bits(sign | to_bits(tiny));
}

/** Nearest even, subnormals to zero, NaN quieted: what the kernels' to_bf16 does. Integer arithmetic only, so FTZ and DAZ do not matter. */
uint16_t bf16_of(uint32_t u) {
  if ((u & 0x7f800000u) == 0) return uint16_t(u >> 16 & 0x8000);
  if ((u & 0x7fffffffu) > 0x7f800000u) return uint16_t(u >> 16 | 0x40);
  return uint16_t((u + 0x7fff + (u >> 16 & 1)) >> 16);
}

/** Value `index` of the source as f32 bits. memcpy because a checkpoint's tensors may lie at odd addresses. */
template <Stored S>
uint32_t value_bits(const void* source, int64_t index) {
  if constexpr (S == Stored::f32) {
    uint32_t u;
    memcpy(&u, static_cast<const char*>(source) + index * 4, 4);
    return u;
  } else {
    uint16_t h;
    memcpy(&h, static_cast<const char*>(source) + index * 2, 2);
    return S == Stored::bf16 ? uint32_t(h) << 16 : to_bits(from_f16(h));
  }
}

template <class T> T packed_value(uint32_t u);
template <> uint16_t packed_value(uint32_t u) { return bf16_of(u); }
template <> float packed_value(uint32_t u) { return from_bits(u); }

template <class T, Stored S>
void pack(const void* source, int n, int k, int block_begin, int block_end, void* packed) {
  const int k_blocks = (k + 31) / 32;
  T* to = static_cast<T*>(packed) + int64_t(block_begin) * k_blocks * 1024;
  for (int block = block_begin; block < block_end; block++, to += int64_t(k_blocks) * 1024) {
    memset(to, 0, size_t(k_blocks) * 1024 * sizeof(T));
    for (int column = 0; column < 32 && block * 32 + column < n; column++) {
      const int64_t row = int64_t(block * 32 + column) * k;
      T* tile = to + column / 16 * 512 + column % 16 * 2;
      for (int i = 0; i < k; i++) tile[i / 32 * 1024 + i % 32 / 2 * 32 + i % 2] = packed_value<T>(value_bits<S>(source, row + i));
    }
  }
}

template <Stored S>
void unpack(WeightType type, const void* source, int64_t row, int k, float* out) {
  for (int i = 0; i < k; i++) {
    const uint32_t u = value_bits<S>(source, row * k + i);
    out[i] = from_bits(type == WeightType::bf16 ? uint32_t(bf16_of(u)) << 16 : u);
  }
}

template <class T>
void pack_as(const void* source, Stored stored, int n, int k, int block_begin, int block_end, void* packed) {
  switch (stored) {
    case Stored::f32: return pack<T, Stored::f32>(source, n, k, block_begin, block_end, packed);
    case Stored::bf16: return pack<T, Stored::bf16>(source, n, k, block_begin, block_end, packed);
    case Stored::f16: return pack<T, Stored::f16>(source, n, k, block_begin, block_end, packed);
  }
}

}  // namespace

size_t packed_bytes(WeightType type, int n, int k) {
  const size_t blocks = (size_t(n) + 31) / 32, k_blocks = (size_t(k) + 31) / 32;
  return blocks * k_blocks * (type == WeightType::bf16 ? 2048 : 4096);
}

void pack_matrix(WeightType type, const void* source, Stored stored, int n, int k, int block_begin, int block_end, void* packed) {
  if (type == WeightType::bf16) pack_as<uint16_t>(source, stored, n, k, block_begin, block_end, packed);
  else pack_as<float>(source, stored, n, k, block_begin, block_end, packed);
}

void unpack_row(WeightType type, const void* source, Stored stored, int64_t row, int k, float* out) {
  switch (stored) {
    case Stored::f32: return unpack<Stored::f32>(type, source, row, k, out);
    case Stored::bf16: return unpack<Stored::bf16>(type, source, row, k, out);
    case Stored::f16: return unpack<Stored::f16>(type, source, row, k, out);
  }
}

}  // namespace foretoken
