#pragma once
// 16 f32 lanes as a plain array: the specification that lanes_avx2.h and lanes_avx512.h reproduce bit for bit.
// A lanes header is included once by each kernels_*.cc, so that the row kernels are written once and compiled per instruction set.
#include <math.h>

#include <cstdint>
#include <cstring>

namespace foretoken {
namespace {

struct Lanes { float v[16]; };
struct Bits { uint32_t v[16]; };
struct Mask { bool v[16]; };

template <class R, class F>
inline R each(F value) {
  R r;
  for (int i = 0; i < 16; i++) r.v[i] = value(i);
  return r;
}

inline Lanes splat(float x) { return each<Lanes>([&](int) { return x; }); }
inline Bits splat_bits(uint32_t x) { return each<Bits>([&](int) { return x; }); }
inline Lanes load(const float* p) { Lanes r; memcpy(r.v, p, sizeof r.v); return r; }
inline Lanes load_part(const float* p, int n) { Lanes r = {}; memcpy(r.v, p, n * sizeof(float)); return r; }
inline void store(float* p, Lanes a) { memcpy(p, a.v, sizeof a.v); }
inline void store_part(float* p, Lanes a, int n) { memcpy(p, a.v, n * sizeof(float)); }

inline Lanes operator+(Lanes a, Lanes b) { return each<Lanes>([&](int i) { return a.v[i] + b.v[i]; }); }
inline Lanes operator-(Lanes a, Lanes b) { return each<Lanes>([&](int i) { return a.v[i] - b.v[i]; }); }
inline Lanes operator*(Lanes a, Lanes b) { return each<Lanes>([&](int i) { return a.v[i] * b.v[i]; }); }
inline Lanes operator/(Lanes a, Lanes b) { return each<Lanes>([&](int i) { return a.v[i] / b.v[i]; }); }
/** a * b + c, rounded once. */
#if defined(__FP_FAST_FMAF)
inline Lanes fused(Lanes a, Lanes b, Lanes c) { return each<Lanes>([&](int i) { return fmaf(a.v[i], b.v[i], c.v[i]); }); }
#else
// Without the instruction: a product of two f32 is exact in f64, and rounding the sum to f64 first matters only where that lands on the
// midpoint between two f32 numbers. Results below the normal range are right only when they are flushed, as on every thread of the pool.
#if defined(__GNUC__)
__attribute__((noinline))  // a few hundred inlined copies only slow the compiler down
#endif
Lanes fused(const Lanes& a, const Lanes& b, const Lanes& c) {
  constexpr uint32_t kDropped = 0x1fffffff, kMidpoint = 0x10000000;  // bits that the conversion to f32 drops
  Lanes r;
  uint32_t doubtful = 0;
  for (int i = 0; i < 16; i++) {
    const double s = double(a.v[i]) * double(b.v[i]) + double(c.v[i]);
    uint64_t u;
    memcpy(&u, &s, 8);
    doubtful |= (uint32_t(u) & kDropped) == kMidpoint;
    r.v[i] = float(s);
  }
  if (doubtful) return each<Lanes>([&](int i) { return fmaf(a.v[i], b.v[i], c.v[i]); });
  return r;
}
#endif
/** The second operand when one is NaN or both are equal, as MAXPS and MINPS do. */
inline Lanes max(Lanes a, Lanes b) { return each<Lanes>([&](int i) { return a.v[i] > b.v[i] ? a.v[i] : b.v[i]; }); }
inline Lanes min(Lanes a, Lanes b) { return each<Lanes>([&](int i) { return a.v[i] < b.v[i] ? a.v[i] : b.v[i]; }); }

inline Bits bits(Lanes a) { Bits r; memcpy(r.v, a.v, sizeof r.v); return r; }
inline Lanes floats(Bits a) { Lanes r; memcpy(r.v, a.v, sizeof r.v); return r; }
inline Bits operator+(Bits a, Bits b) { return each<Bits>([&](int i) { return a.v[i] + b.v[i]; }); }
inline Bits operator-(Bits a, Bits b) { return each<Bits>([&](int i) { return a.v[i] - b.v[i]; }); }
inline Bits operator&(Bits a, Bits b) { return each<Bits>([&](int i) { return a.v[i] & b.v[i]; }); }
inline Bits operator|(Bits a, Bits b) { return each<Bits>([&](int i) { return a.v[i] | b.v[i]; }); }
template <int N> inline Bits left(Bits a) { return each<Bits>([&](int i) { return a.v[i] << N; }); }
template <int N> inline Bits right(Bits a) { return each<Bits>([&](int i) { return a.v[i] >> N; }); }
/** Shifts the sign in. */
template <int N> inline Bits right_signed(Bits a) { return each<Bits>([&](int i) { return uint32_t(int32_t(a.v[i]) >> N); }); }

inline Mask less(Lanes a, Lanes b) { return each<Mask>([&](int i) { return a.v[i] < b.v[i]; }); }
inline Mask is_nan(Lanes a) { return each<Mask>([&](int i) { return a.v[i] != a.v[i]; }); }
inline Mask equal(Bits a, Bits b) { return each<Mask>([&](int i) { return a.v[i] == b.v[i]; }); }
inline Lanes select(Mask m, Lanes yes, Lanes no) { return each<Lanes>([&](int i) { return m.v[i] ? yes.v[i] : no.v[i]; }); }
inline Bits select(Mask m, Bits yes, Bits no) { return each<Bits>([&](int i) { return m.v[i] ? yes.v[i] : no.v[i]; }); }

/** bf16 values as f32. */
inline Lanes load(const uint16_t* p) { return floats(each<Bits>([&](int i) { return uint32_t(p[i]) << 16; })); }
inline Lanes load_part(const uint16_t* p, int n) {
  uint16_t padded[16] = {};
  memcpy(padded, p, n * sizeof(uint16_t));
  return load(padded);
}
/** The high halves: exact bf16 when the values were rounded before. */
inline void store_high(uint16_t* p, Bits a) { for (int i = 0; i < 16; i++) p[i] = uint16_t(a.v[i] >> 16); }
/** From 16 pairs of bf16: the first of each pair as f32, or the second. */
inline Lanes load_even(const void* pairs) { Bits b; memcpy(b.v, pairs, sizeof b.v); return floats(left<16>(b)); }
inline Lanes load_odd(const void* pairs) { Bits b; memcpy(b.v, pairs, sizeof b.v); return floats(b & splat_bits(0xffff0000u)); }
/** One pair of f32 eight times. */
inline Lanes splat_pair(const float* p) { return each<Lanes>([&](int i) { return p[i & 1]; }); }
/** (a0 + a1, a2 + a3, …, b14 + b15). */
inline Lanes pair_sums(Lanes a, Lanes b) {
  return each<Lanes>([&](int i) { return i < 8 ? a.v[2 * i] + a.v[2 * i + 1] : b.v[2 * i - 16] + b.v[2 * i - 15]; });
}
/** 32 values apart: those at even and those at odd places. */
inline void deinterleave(Lanes a, Lanes b, Lanes* even, Lanes* odd) {
  *even = each<Lanes>([&](int i) { return i < 8 ? a.v[2 * i] : b.v[2 * i - 16]; });
  *odd = each<Lanes>([&](int i) { return i < 8 ? a.v[2 * i + 1] : b.v[2 * i - 15]; });
}

/** The one tree of every reduction: lane i + lane i + 8, then + 4, + 2, + 1. */
inline float sum(Lanes a) {
  for (int half = 8; half; half /= 2)
    for (int i = 0; i < half; i++) a.v[i] = a.v[i] + a.v[i + half];
  return a.v[0];
}
inline float largest(Lanes a) {
  for (int half = 8; half; half /= 2)
    for (int i = 0; i < half; i++) a.v[i] = a.v[i] > a.v[i + half] ? a.v[i] : a.v[i + half];
  return a.v[0];
}
/** Lane i is sum(a[i]). */
inline Lanes sums(const Lanes* a) { return each<Lanes>([&](int i) { return sum(a[i]); }); }
inline float first(Lanes a) { return a.v[0]; }

inline void prefetch_near(const void* p) {
#if defined(__GNUC__)
  __builtin_prefetch(p, 0, 3);
#else
  (void)p;
#endif
}
inline void prefetch_far(const void* p) {
#if defined(__GNUC__)
  __builtin_prefetch(p, 0, 2);
#else
  (void)p;
#endif
}

}  // namespace
}  // namespace foretoken
