#pragma once
// One lane, with only the operations of elementary.inl: gives the scalar functions of cpu_math.h from the same source as the vector ones.
#include <math.h>

#include <cstdint>
#include <cstring>

namespace foretoken {
namespace {

struct Lanes { float v; };
struct Bits { uint32_t v; };
struct Mask { bool v; };

inline Lanes splat(float x) { return {x}; }
inline Bits splat_bits(uint32_t x) { return {x}; }
inline Lanes operator+(Lanes a, Lanes b) { return {a.v + b.v}; }
inline Lanes operator-(Lanes a, Lanes b) { return {a.v - b.v}; }
inline Lanes operator*(Lanes a, Lanes b) { return {a.v * b.v}; }
inline Lanes operator/(Lanes a, Lanes b) { return {a.v / b.v}; }
inline Lanes fused(Lanes a, Lanes b, Lanes c) { return {fmaf(a.v, b.v, c.v)}; }
inline Lanes max(Lanes a, Lanes b) { return a.v > b.v ? a : b; }
inline Lanes min(Lanes a, Lanes b) { return a.v < b.v ? a : b; }
inline Bits bits(Lanes a) { Bits r; memcpy(&r.v, &a.v, 4); return r; }
inline Lanes floats(Bits a) { Lanes r; memcpy(&r.v, &a.v, 4); return r; }
inline Bits operator+(Bits a, Bits b) { return {a.v + b.v}; }
inline Bits operator-(Bits a, Bits b) { return {a.v - b.v}; }
inline Bits operator&(Bits a, Bits b) { return {a.v & b.v}; }
inline Bits operator|(Bits a, Bits b) { return {a.v | b.v}; }
template <int N> inline Bits left(Bits a) { return {a.v << N}; }
template <int N> inline Bits right(Bits a) { return {a.v >> N}; }
template <int N> inline Bits right_signed(Bits a) { return {uint32_t(int32_t(a.v) >> N)}; }
inline Mask less(Lanes a, Lanes b) { return {a.v < b.v}; }
inline Mask is_nan(Lanes a) { return {a.v != a.v}; }
inline Mask equal(Bits a, Bits b) { return {a.v == b.v}; }
inline Lanes select(Mask m, Lanes yes, Lanes no) { return m.v ? yes : no; }
inline Bits select(Mask m, Bits yes, Bits no) { return m.v ? yes : no; }

}  // namespace
}  // namespace foretoken
