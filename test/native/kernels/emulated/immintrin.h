// Shadows <immintrin.h> (found first through -I emulated): kernels written for AVX-512 or AMX compile unchanged and run on any CPU with AVX2
// and FMA. AVX-512 comes from SIMDe (headers only; Debian package libsimde-dev), AMX from a model of the tile instructions.
// Compile with -mavx2 -mfma: without -mfma SIMDe's fmadd rounds twice and the bits differ.
#pragma once
#include_next <immintrin.h>
#if !defined(__FMA__) || defined(__AVX512F__)
#error "emulation wants -mavx2 -mfma, and no -mavx512*"
#endif
#include <math.h>
#include <stdint.h>
#include <string.h>
#define SIMDE_ENABLE_NATIVE_ALIASES
#include <simde/x86/avx512.h>

// What SIMDe 0.7.4 lacks of the intrinsics that the kernels use.
namespace emulated {

static inline __m512 maskz_loadu_ps(__mmask16 mask, const void* p) {
  alignas(64) float lanes[16] = {};
  for (int i = 0; i < 16; i++)
    if (mask >> i & 1) memcpy(lanes + i, static_cast<const char*>(p) + 4 * i, 4);
  return _mm512_loadu_ps(lanes);
}

static inline void mask_storeu_ps(void* p, __mmask16 mask, __m512 value) {
  alignas(64) float lanes[16];
  _mm512_storeu_ps(lanes, value);
  for (int i = 0; i < 16; i++)
    if (mask >> i & 1) memcpy(static_cast<char*>(p) + 4 * i, lanes + i, 4);
}

/** Two quarters of a, then two of b, two bits of `places` each. */
static inline __m512 shuffle_f32x4(__m512 a, __m512 b, int places) {
  float from[2][16];
  alignas(64) float to[16];
  memcpy(from[0], &a, 64);
  memcpy(from[1], &b, 64);
  for (int i = 0; i < 4; i++) memcpy(to + 4 * i, from[i / 2] + 4 * (places >> 2 * i & 3), 16);
  return _mm512_loadu_ps(to);
}

static inline __m512i srai_epi32(__m512i value, unsigned count) {
  alignas(64) int32_t lanes[16];
  memcpy(lanes, &value, sizeof lanes);
  for (int32_t& lane : lanes) lane >>= count;
  return _mm512_loadu_si512(lanes);
}

static inline __m512i cvtepu16_epi32(__m256i value) {
  uint16_t narrow[16];
  alignas(64) uint32_t wide[16];
  memcpy(narrow, &value, sizeof narrow);
  for (int i = 0; i < 16; i++) wide[i] = narrow[i];
  return _mm512_loadu_si512(wide);
}

static inline __m256i cvtepi32_epi16(__m512i value) {
  uint32_t wide[16];
  uint16_t narrow[16];
  memcpy(wide, &value, sizeof wide);
  for (int i = 0; i < 16; i++) narrow[i] = uint16_t(wide[i]);
  __m256i result;
  memcpy(&result, narrow, sizeof narrow);
  return result;
}

/** Nearest even, subnormals to zero, NaN quieted, MXCSR ignored. */
static inline uint16_t to_bf16(float value) {
  uint32_t u;
  memcpy(&u, &value, 4);
  if ((u & 0x7f800000) == 0) return uint16_t(u >> 16 & 0x8000);
  if ((u & 0x7fffffff) > 0x7f800000) return uint16_t(u >> 16 | 0x40);
  return uint16_t((u + 0x7fff + (u >> 16 & 1)) >> 16);
}

static inline __m512bh cvtne2ps_pbh(__m512 high, __m512 low) {
  float from[32];
  uint16_t to[32];
  memcpy(from, &low, 64);
  memcpy(from + 16, &high, 64);
  for (int i = 0; i < 32; i++) to[i] = to_bf16(from[i]);
  __m512bh result;
  memcpy(&result, to, sizeof to);
  return result;
}

}  // namespace emulated

#undef _mm512_maskz_loadu_ps
#undef _mm512_mask_storeu_ps
#undef _mm512_shuffle_f32x4
#undef _mm512_srai_epi32
#undef _mm512_cvtepu16_epi32
#undef _mm512_cvtepi32_epi16
#undef _mm512_cvtne2ps_pbh
#define _mm512_maskz_loadu_ps(mask, p) emulated::maskz_loadu_ps(mask, p)
#define _mm512_mask_storeu_ps(p, mask, value) emulated::mask_storeu_ps(p, mask, value)
#define _mm512_shuffle_f32x4(a, b, places) emulated::shuffle_f32x4(a, b, places)
#define _mm512_srai_epi32(value, count) emulated::srai_epi32(value, count)
#define _mm512_cvtepu16_epi32(value) emulated::cvtepu16_epi32(value)
#define _mm512_cvtepi32_epi16(value) emulated::cvtepi32_epi16(value)
#define _mm512_cvtne2ps_pbh(high, low) emulated::cvtne2ps_pbh(high, low)

#include "tiles.h"
