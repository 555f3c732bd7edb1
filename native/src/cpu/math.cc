#include "cpu_math.h"

#include "lanes_scalar.h"
#include "elementary.inl"

namespace foretoken {
namespace {

/** sin r and cos r for |r| <= pi / 4, Taylor series in f64: truncation below 2^-50. */
double sine_near_zero(double r) {
  const double z = r * r;
  const double p = -1 / 6.0 + z * (1 / 120.0 + z * (-1 / 5040.0 + z * (1 / 362880.0 + z * (-1 / 39916800.0 + z * (1 / 6227020800.0)))));
  return r + r * (z * p);
}
double cosine_near_zero(double r) {
  const double z = r * r;
  const double p = 1 / 24.0 + z * (-1 / 720.0 + z * (1 / 40320.0 + z * (-1 / 3628800.0 + z * (1 / 479001600.0 + z * (-1 / 87178291200.0)))));
  return 1 - z * 0.5 + z * z * p;
}

}  // namespace

float exp_f32(float x) { return exp_lanes({x}).v; }

float tanh_f32(float x) { return tanh_lanes({x}).v; }

/** x = 2^n m with m in [sqrt(1/2), sqrt(2)); ln m from (m - 1) / (m + 1) with the minimax coefficients of FreeBSD's logf. Below 1 ulp. */
float log_f32(float x) {
  const Bits u = bits(Lanes{x});
  const int32_t n = int32_t(u.v - 0x3f3504f3u) >> 23;
  const float f = floats(Bits{u.v - (uint32_t(n) << 23)}).v - 1;
  const float s = f / (2 + f), z = s * s, w = z * z;
  const float odd = w * fmaf(w, 0.24279078841f, 0.40000972152f), even = z * fmaf(w, 0.28498786688f, 0.66666662693f);
  const float half_square = 0.5f * f * f;
  const float rest = fmaf(s, half_square + (odd + even), float(n) * 9.0580006145e-6f);
  return fmaf(float(n), 0.69313812256f, f - (half_square - rest));
}

void cos_sin(double angle, float* cosine, float* sine) {
  // pi / 2 in two parts. angle - k * high is a multiple of 2^-52 (or of angle's own last place) and below 1, hence exact in one FMA.
  constexpr double kHigh = 0x1.921fb54442d18p+0, kLow = 0x1.1a62633145c07p-54, kTurns = 0x1.45f306dc9c883p-1, kMagic = 0x1.8p52;
  const double k = (angle * kTurns + kMagic) - kMagic;
  const double r = fma(-k, kLow, fma(-k, kHigh, angle));
  const double s = sine_near_zero(r), c = cosine_near_zero(r);
  switch (int64_t(k) & 3) {
    case 0: *cosine = float(c); *sine = float(s); break;
    case 1: *cosine = float(-s); *sine = float(c); break;
    case 2: *cosine = float(-c); *sine = float(-s); break;
    default: *cosine = float(s); *sine = float(-c);
  }
}

}  // namespace foretoken
