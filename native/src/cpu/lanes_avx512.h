#pragma once
// The operations of lanes_portable.h on one AVX-512 register, with the same bits.
#include <immintrin.h>

#include <cstdint>
#include <cstring>

namespace foretoken {
namespace {

struct Lanes { __m512 v; };
struct Bits { __m512i v; };
struct Mask { __mmask16 v; };

inline Lanes splat(float x) { return {_mm512_set1_ps(x)}; }
inline Bits splat_bits(uint32_t x) { return {_mm512_set1_epi32(int(x))}; }
inline Lanes load(const float* p) { return {_mm512_loadu_ps(p)}; }
inline void store(float* p, Lanes a) { _mm512_storeu_ps(p, a.v); }
/** Selects the first n lanes, n in 0 … 16. */
inline __mmask16 first_lanes(int n) { return __mmask16((1u << n) - 1); }
inline Lanes load_part(const float* p, int n) { return {_mm512_maskz_loadu_ps(first_lanes(n), p)}; }
inline void store_part(float* p, Lanes a, int n) { _mm512_mask_storeu_ps(p, first_lanes(n), a.v); }

inline Lanes operator+(Lanes a, Lanes b) { return {_mm512_add_ps(a.v, b.v)}; }
inline Lanes operator-(Lanes a, Lanes b) { return {_mm512_sub_ps(a.v, b.v)}; }
inline Lanes operator*(Lanes a, Lanes b) { return {_mm512_mul_ps(a.v, b.v)}; }
inline Lanes operator/(Lanes a, Lanes b) { return {_mm512_div_ps(a.v, b.v)}; }
inline Lanes fused(Lanes a, Lanes b, Lanes c) { return {_mm512_fmadd_ps(a.v, b.v, c.v)}; }
inline Lanes max(Lanes a, Lanes b) { return {_mm512_max_ps(a.v, b.v)}; }
inline Lanes min(Lanes a, Lanes b) { return {_mm512_min_ps(a.v, b.v)}; }

inline Bits bits(Lanes a) { return {_mm512_castps_si512(a.v)}; }
inline Lanes floats(Bits a) { return {_mm512_castsi512_ps(a.v)}; }
inline Bits operator+(Bits a, Bits b) { return {_mm512_add_epi32(a.v, b.v)}; }
inline Bits operator-(Bits a, Bits b) { return {_mm512_sub_epi32(a.v, b.v)}; }
inline Bits operator&(Bits a, Bits b) { return {_mm512_and_si512(a.v, b.v)}; }
inline Bits operator|(Bits a, Bits b) { return {_mm512_or_si512(a.v, b.v)}; }
template <int N> inline Bits left(Bits a) { return {_mm512_slli_epi32(a.v, N)}; }
template <int N> inline Bits right(Bits a) { return {_mm512_srli_epi32(a.v, N)}; }
template <int N> inline Bits right_signed(Bits a) { return {_mm512_srai_epi32(a.v, N)}; }

inline Mask less(Lanes a, Lanes b) { return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_LT_OQ)}; }
inline Mask is_nan(Lanes a) { return {_mm512_cmp_ps_mask(a.v, a.v, _CMP_UNORD_Q)}; }
inline Mask equal(Bits a, Bits b) { return {_mm512_cmpeq_epi32_mask(a.v, b.v)}; }
inline Lanes select(Mask m, Lanes yes, Lanes no) { return {_mm512_mask_blend_ps(m.v, no.v, yes.v)}; }
inline Bits select(Mask m, Bits yes, Bits no) { return {_mm512_mask_blend_epi32(m.v, no.v, yes.v)}; }

inline Lanes load(const uint16_t* p) {
  const __m256i v = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
  return floats(left<16>(Bits{_mm512_cvtepu16_epi32(v)}));
}
inline Lanes load_part(const uint16_t* p, int n) {
  uint16_t padded[16] = {};
  memcpy(padded, p, n * sizeof(uint16_t));
  return load(padded);
}
inline void store_high(uint16_t* p, Bits a) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm512_cvtepi32_epi16(right<16>(a).v));
}
inline Bits load_pairs(const void* pairs) { return {_mm512_loadu_si512(pairs)}; }
inline Lanes load_even(const void* pairs) { return floats(left<16>(load_pairs(pairs))); }
inline Lanes load_odd(const void* pairs) { return floats(load_pairs(pairs) & splat_bits(0xffff0000u)); }
inline Lanes splat_pair(const float* p) {
  double pair;
  memcpy(&pair, p, sizeof pair);
  return {_mm512_castpd_ps(_mm512_set1_pd(pair))};
}

inline void deinterleave(Lanes a, Lanes b, Lanes* even, Lanes* odd) {
  const __m512i places = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
  *even = {_mm512_permutex2var_ps(a.v, places, b.v)};
  *odd = {_mm512_permutex2var_ps(a.v, _mm512_add_epi32(places, _mm512_set1_epi32(1)), b.v)};
}
inline Lanes pair_sums(Lanes a, Lanes b) {
  Lanes even, odd;
  deinterleave(a, b, &even, &odd);
  return even + odd;
}

inline __m256 upper_half(__m512 v) { return _mm256_castpd_ps(_mm512_extractf64x4_pd(_mm512_castps_pd(v), 1)); }
inline float sum(Lanes a) {
  const __m256 eight = _mm256_add_ps(_mm512_castps512_ps256(a.v), upper_half(a.v));
  __m128 v = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  v = _mm_add_ps(v, _mm_movehl_ps(v, v));
  return _mm_cvtss_f32(_mm_add_ss(v, _mm_movehdup_ps(v)));
}
inline float largest(Lanes a) {
  const __m256 eight = _mm256_max_ps(_mm512_castps512_ps256(a.v), upper_half(a.v));
  __m128 v = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  v = _mm_max_ps(v, _mm_movehl_ps(v, v));
  return _mm_cvtss_f32(_mm_max_ss(v, _mm_movehdup_ps(v)));
}

// The tree of sum() on several vectors at once: each step adds halves and packs what is left of two vectors into one.
inline __m512 add_halves(__m512 a, __m512 b) { return _mm512_add_ps(_mm512_shuffle_f32x4(a, b, 0x44), _mm512_shuffle_f32x4(a, b, 0xee)); }
inline __m512 add_quarters(__m512 a, __m512 b) { return _mm512_add_ps(_mm512_shuffle_f32x4(a, b, 0x88), _mm512_shuffle_f32x4(a, b, 0xdd)); }
/** Four lanes are left of each of a[0], a[4], a[8] and a[12]. */
inline __m512 four_lanes_each(const Lanes* a) { return add_quarters(add_halves(a[0].v, a[4].v), add_halves(a[8].v, a[12].v)); }
inline __m512 add_pairs(__m512 a, __m512 b) {
  const __m512d x = _mm512_castps_pd(a), y = _mm512_castps_pd(b);
  return _mm512_add_ps(_mm512_castpd_ps(_mm512_unpacklo_pd(x, y)), _mm512_castpd_ps(_mm512_unpackhi_pd(x, y)));
}
inline Lanes sums(const Lanes* a) {
  const __m512 x = add_pairs(four_lanes_each(a), four_lanes_each(a + 1)), y = add_pairs(four_lanes_each(a + 2), four_lanes_each(a + 3));
  return {_mm512_add_ps(_mm512_shuffle_ps(x, y, 0x88), _mm512_shuffle_ps(x, y, 0xdd))};
}
inline float first(Lanes a) { return _mm_cvtss_f32(_mm512_castps512_ps128(a.v)); }

inline void prefetch_near(const void* p) { _mm_prefetch(static_cast<const char*>(p), _MM_HINT_T0); }
inline void prefetch_far(const void* p) { _mm_prefetch(static_cast<const char*>(p), _MM_HINT_T1); }

}  // namespace
}  // namespace foretoken
