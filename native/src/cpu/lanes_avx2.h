#pragma once
// The operations of lanes_portable.h on two AVX2 registers, with the same bits.
#include <immintrin.h>

#include <cstdint>
#include <cstring>

namespace foretoken {
namespace {

struct Lanes { __m256 lo, hi; };
struct Bits { __m256i lo, hi; };
struct Mask { __m256 lo, hi; };

inline Lanes splat(float x) { const __m256 v = _mm256_set1_ps(x); return {v, v}; }
inline Bits splat_bits(uint32_t x) { const __m256i v = _mm256_set1_epi32(int(x)); return {v, v}; }
inline Lanes load(const float* p) { return {_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)}; }
inline void store(float* p, Lanes a) { _mm256_storeu_ps(p, a.lo); _mm256_storeu_ps(p + 8, a.hi); }
/** Selects the first n lanes. */
inline Bits first_lanes(int n) {
  const __m256i places = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  return {_mm256_cmpgt_epi32(_mm256_set1_epi32(n), places), _mm256_cmpgt_epi32(_mm256_set1_epi32(n - 8), places)};
}
inline Lanes load_part(const float* p, int n) {
  const Bits m = first_lanes(n);
  return {_mm256_maskload_ps(p, m.lo), _mm256_maskload_ps(p + 8, m.hi)};
}
inline void store_part(float* p, Lanes a, int n) {
  const Bits m = first_lanes(n);
  _mm256_maskstore_ps(p, m.lo, a.lo);
  _mm256_maskstore_ps(p + 8, m.hi, a.hi);
}

inline Lanes operator+(Lanes a, Lanes b) { return {_mm256_add_ps(a.lo, b.lo), _mm256_add_ps(a.hi, b.hi)}; }
inline Lanes operator-(Lanes a, Lanes b) { return {_mm256_sub_ps(a.lo, b.lo), _mm256_sub_ps(a.hi, b.hi)}; }
inline Lanes operator*(Lanes a, Lanes b) { return {_mm256_mul_ps(a.lo, b.lo), _mm256_mul_ps(a.hi, b.hi)}; }
inline Lanes operator/(Lanes a, Lanes b) { return {_mm256_div_ps(a.lo, b.lo), _mm256_div_ps(a.hi, b.hi)}; }
inline Lanes fused(Lanes a, Lanes b, Lanes c) { return {_mm256_fmadd_ps(a.lo, b.lo, c.lo), _mm256_fmadd_ps(a.hi, b.hi, c.hi)}; }
inline Lanes max(Lanes a, Lanes b) { return {_mm256_max_ps(a.lo, b.lo), _mm256_max_ps(a.hi, b.hi)}; }
inline Lanes min(Lanes a, Lanes b) { return {_mm256_min_ps(a.lo, b.lo), _mm256_min_ps(a.hi, b.hi)}; }

inline Bits bits(Lanes a) { return {_mm256_castps_si256(a.lo), _mm256_castps_si256(a.hi)}; }
inline Lanes floats(Bits a) { return {_mm256_castsi256_ps(a.lo), _mm256_castsi256_ps(a.hi)}; }
inline Bits operator+(Bits a, Bits b) { return {_mm256_add_epi32(a.lo, b.lo), _mm256_add_epi32(a.hi, b.hi)}; }
inline Bits operator-(Bits a, Bits b) { return {_mm256_sub_epi32(a.lo, b.lo), _mm256_sub_epi32(a.hi, b.hi)}; }
inline Bits operator&(Bits a, Bits b) { return {_mm256_and_si256(a.lo, b.lo), _mm256_and_si256(a.hi, b.hi)}; }
inline Bits operator|(Bits a, Bits b) { return {_mm256_or_si256(a.lo, b.lo), _mm256_or_si256(a.hi, b.hi)}; }
template <int N> inline Bits left(Bits a) { return {_mm256_slli_epi32(a.lo, N), _mm256_slli_epi32(a.hi, N)}; }
template <int N> inline Bits right(Bits a) { return {_mm256_srli_epi32(a.lo, N), _mm256_srli_epi32(a.hi, N)}; }
template <int N> inline Bits right_signed(Bits a) { return {_mm256_srai_epi32(a.lo, N), _mm256_srai_epi32(a.hi, N)}; }

inline Mask less(Lanes a, Lanes b) { return {_mm256_cmp_ps(a.lo, b.lo, _CMP_LT_OQ), _mm256_cmp_ps(a.hi, b.hi, _CMP_LT_OQ)}; }
inline Mask is_nan(Lanes a) { return {_mm256_cmp_ps(a.lo, a.lo, _CMP_UNORD_Q), _mm256_cmp_ps(a.hi, a.hi, _CMP_UNORD_Q)}; }
inline Mask equal(Bits a, Bits b) {
  return {_mm256_castsi256_ps(_mm256_cmpeq_epi32(a.lo, b.lo)), _mm256_castsi256_ps(_mm256_cmpeq_epi32(a.hi, b.hi))};
}
inline Lanes select(Mask m, Lanes yes, Lanes no) { return {_mm256_blendv_ps(no.lo, yes.lo, m.lo), _mm256_blendv_ps(no.hi, yes.hi, m.hi)}; }
inline Bits select(Mask m, Bits yes, Bits no) { return bits(select(m, floats(yes), floats(no))); }

inline Lanes load(const uint16_t* p) {
  const __m128i* halves = reinterpret_cast<const __m128i*>(p);
  return floats(left<16>(Bits{_mm256_cvtepu16_epi32(_mm_loadu_si128(halves)), _mm256_cvtepu16_epi32(_mm_loadu_si128(halves + 1))}));
}
inline Lanes load_part(const uint16_t* p, int n) {
  uint16_t padded[16] = {};
  memcpy(padded, p, n * sizeof(uint16_t));
  return load(padded);
}
inline void store_high(uint16_t* p, Bits a) {
  const Bits high = right<16>(a);
  const __m256i packed = _mm256_permute4x64_epi64(_mm256_packus_epi32(high.lo, high.hi), 0xd8);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), packed);
}
inline Bits load_pairs(const void* pairs) {
  const __m256i* p = static_cast<const __m256i*>(pairs);
  return {_mm256_loadu_si256(p), _mm256_loadu_si256(p + 1)};
}
inline Lanes load_even(const void* pairs) { return floats(left<16>(load_pairs(pairs))); }
inline Lanes load_odd(const void* pairs) { return floats(load_pairs(pairs) & splat_bits(0xffff0000u)); }
inline Lanes splat_pair(const float* p) {
  double pair;
  memcpy(&pair, p, sizeof pair);
  const __m256 v = _mm256_castpd_ps(_mm256_set1_pd(pair));
  return {v, v};
}

/** (a0, a2, …, b6) or, with Odd, (a1, a3, …, b7). */
template <bool Odd>
inline __m256 every_other(__m256 a, __m256 b) {
  const __m256 mixed = _mm256_shuffle_ps(a, b, Odd ? 0xdd : 0x88);
  return _mm256_castpd_ps(_mm256_permute4x64_pd(_mm256_castps_pd(mixed), 0xd8));
}
inline void deinterleave(Lanes a, Lanes b, Lanes* even, Lanes* odd) {
  *even = {every_other<false>(a.lo, a.hi), every_other<false>(b.lo, b.hi)};
  *odd = {every_other<true>(a.lo, a.hi), every_other<true>(b.lo, b.hi)};
}
inline Lanes pair_sums(Lanes a, Lanes b) {
  Lanes even, odd;
  deinterleave(a, b, &even, &odd);
  return even + odd;
}

inline float sum(Lanes a) {
  const __m256 eight = _mm256_add_ps(a.lo, a.hi);
  __m128 v = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  v = _mm_add_ps(v, _mm_movehl_ps(v, v));
  return _mm_cvtss_f32(_mm_add_ss(v, _mm_movehdup_ps(v)));
}
inline float largest(Lanes a) {
  const __m256 eight = _mm256_max_ps(a.lo, a.hi);
  __m128 v = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  v = _mm_max_ps(v, _mm_movehl_ps(v, v));
  return _mm_cvtss_f32(_mm_max_ss(v, _mm_movehdup_ps(v)));
}

// The tree of sum() on several vectors at once: each step adds halves and packs what is left of two vectors into one.
inline __m256 add_quarters(Lanes a, Lanes b) {
  const __m256 x = _mm256_add_ps(a.lo, a.hi), y = _mm256_add_ps(b.lo, b.hi);
  return _mm256_add_ps(_mm256_permute2f128_ps(x, y, 0x20), _mm256_permute2f128_ps(x, y, 0x31));
}
inline __m256 add_pairs(__m256 a, __m256 b) {
  const __m256d x = _mm256_castps_pd(a), y = _mm256_castps_pd(b);
  return _mm256_add_ps(_mm256_castpd_ps(_mm256_unpacklo_pd(x, y)), _mm256_castpd_ps(_mm256_unpackhi_pd(x, y)));
}
inline __m256 eight_sums(const Lanes* a) {
  const __m256 x = add_pairs(add_quarters(a[0], a[4]), add_quarters(a[1], a[5]));
  const __m256 y = add_pairs(add_quarters(a[2], a[6]), add_quarters(a[3], a[7]));
  return _mm256_add_ps(_mm256_shuffle_ps(x, y, 0x88), _mm256_shuffle_ps(x, y, 0xdd));
}
inline Lanes sums(const Lanes* a) { return {eight_sums(a), eight_sums(a + 8)}; }
inline float first(Lanes a) { return _mm256_cvtss_f32(a.lo); }

inline void prefetch_near(const void* p) { _mm_prefetch(static_cast<const char*>(p), _MM_HINT_T0); }
inline void prefetch_far(const void* p) { _mm_prefetch(static_cast<const char*>(p), _MM_HINT_T1); }

}  // namespace
}  // namespace foretoken
