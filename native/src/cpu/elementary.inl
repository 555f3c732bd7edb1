// Elementary functions over lanes, included after a lanes header. Every step is one IEEE operation, so all sets give the same bits.
namespace foretoken {
namespace {

/** e^x within 2 ulp; 0 below ln(2^-126), infinity above ln(f32 max). */
inline Lanes exp_lanes(Lanes x) {
  const Lanes magic = splat(0x1.8p23f);  // adding it rounds to an integer, which then stands in the low bits
  const Lanes lowest = splat(-87.33654f), highest = splat(88.72283f);
  const Lanes inside = min(max(x, lowest), highest);
  const Lanes shifted = fused(inside, splat(1.44269504f), magic);
  const Lanes n = shifted - magic;
  Lanes r = fused(n, splat(-0.693359375f), inside);  // ln 2 in two parts (Cephes): the first product is exact
  r = fused(n, splat(2.12194440e-4f), r);
  Lanes p = splat(1.9875691500e-4f);
  p = fused(p, r, splat(1.3981999507e-3f));
  p = fused(p, r, splat(8.3334519073e-3f));
  p = fused(p, r, splat(4.1665795894e-2f));
  p = fused(p, r, splat(1.6666665459e-1f));
  p = fused(p, r, splat(5.0000001201e-1f));
  p = fused(p, r * r, r) + splat(1);
  // 2^n in two factors: n may be 128
  const Bits whole = bits(shifted) - bits(magic), half = right_signed<1>(whole), bias = splat_bits(127);
  const Lanes y = p * floats(left<23>(half + bias)) * floats(left<23>(whole - half + bias));
  const Lanes low = select(less(x, lowest), splat(0), y);
  const Lanes both = select(less(highest, x), floats(splat_bits(0x7f800000u)), low);
  return select(is_nan(x), x, both);
}

inline Lanes magnitude(Lanes x) { return floats(bits(x) & splat_bits(0x7fffffffu)); }
inline Lanes with_sign_of(Lanes x, Lanes sign) {
  return floats((bits(x) & splat_bits(0x7fffffffu)) | (bits(sign) & splat_bits(0x80000000u)));
}

/** tanh within a few ulp: Cephes' polynomial near 0, 1 - 2 / (e^2x + 1) elsewhere. */
inline Lanes tanh_lanes(Lanes x) {
  const Lanes a = magnitude(x), z = x * x, one = splat(1);
  Lanes p = splat(-5.70498872745e-3f);
  p = fused(p, z, splat(2.06390887954e-2f));
  p = fused(p, z, splat(-5.37397155531e-2f));
  p = fused(p, z, splat(1.33314422036e-1f));
  p = fused(p, z, splat(-3.33332819422e-1f));
  const Lanes near = fused(p * z, x, x);
  const Lanes far = with_sign_of(one - splat(2) / (exp_lanes(a + a) + one), x);
  return select(less(a, splat(0.625f)), near, far);
}

/** Standard normal distribution function, relative error about 1e-6 where x^2 / 2 is small: the erfc of Numerical Recipes (2nd ed., 6.2). */
inline Lanes normal_lanes(Lanes x) {
  const Lanes z = magnitude(x) * splat(0.70710678f), one = splat(1);
  const Lanes t = one / fused(z, splat(0.5f), one);
  Lanes p = splat(0.17087277f);
  p = fused(p, t, splat(-0.82215223f));
  p = fused(p, t, splat(1.48851587f));
  p = fused(p, t, splat(-1.13520398f));
  p = fused(p, t, splat(0.27886807f));
  p = fused(p, t, splat(-0.18628806f));
  p = fused(p, t, splat(0.09678418f));
  p = fused(p, t, splat(0.37409196f));
  p = fused(p, t, splat(1.00002368f));
  p = fused(p, t, splat(-1.26551223f));
  const Lanes tail = splat(0.5f) * t * exp_lanes(p - z * z);
  return select(less(x, splat(0)), tail, one - tail);
}

/** f32 → bf16 in the high half: nearest even, subnormals to zero, NaN quieted (what VCVTNE2PS2BF16 does). */
inline Bits round_bf16(Lanes x) {
  const Bits u = bits(x), high = splat_bits(0xffff0000u);
  const Bits rounded = (u + splat_bits(0x7fff) + (right<16>(u) & splat_bits(1))) & high;
  const Mask tiny = equal(u & splat_bits(0x7f800000u), splat_bits(0));
  const Bits finite = select(tiny, u & splat_bits(0x80000000u), rounded);
  return select(is_nan(x), (u | splat_bits(0x00400000u)) & high, finite);
}

}  // namespace
}  // namespace foretoken
