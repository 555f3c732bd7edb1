// Row kernels, written once over lanes. Tails are padded with zeros. Included after a lanes header and elementary.inl.
namespace foretoken {
namespace {

/** Calls body(offset, lanes) for 16 values at a time; the last call may have fewer. */
template <class F>
inline void by_lanes(int n, F body) {
  int i = 0;
  for (; i + 16 <= n; i += 16) body(i, 16);
  if (i < n) body(i, n - i);
}
template <class T>
inline Lanes load_up_to(const T* p, int n) { return n == 16 ? load(p) : load_part(p, n); }
inline void store_up_to(float* p, Lanes a, int n) { if (n == 16) store(p, a); else store_part(p, a, n); }

void rms_norm(const float* x, const float* weight, float eps, float weight_offset, int n, float* y) {
  Lanes squares = splat(0);
  by_lanes(n, [&](int i, int count) { const Lanes v = load_up_to(x + i, count); squares = fused(v, v, squares); });
  const Lanes factor = splat(1.0f / sqrtf(sum(squares) / float(n) + eps)), offset = splat(weight_offset);
  by_lanes(n, [&](int i, int count) {
    const Lanes scaled = load_up_to(x + i, count) * factor;
    store_up_to(y + i, scaled * (load_up_to(weight + i, count) + offset), count);
  });
}

inline Lanes activate(Activation activation, Lanes g) {
  switch (activation) {
    case Activation::silu: return g / (splat(1) + exp_lanes(splat(0) - g));
    case Activation::gelu: return g * normal_lanes(g);
    case Activation::gelu_tanh: break;
  }
  const Lanes inner = splat(0.79788456f) * fused(splat(0.044715f) * g * g, g, g);
  return splat(0.5f) * g * (splat(1) + tanh_lanes(inner));
}

void gated(Activation activation, const float* gate, const float* up, int n, float* y) {
  by_lanes(n, [&](int i, int count) {
    store_up_to(y + i, activate(activation, load_up_to(gate + i, count)) * load_up_to(up + i, count), count);
  });
}

void rope(float* x, const float* cosines, const float* sines, int half) {
  const Lanes zero = splat(0);
  by_lanes(half, [&](int i, int count) {
    const Lanes a = load_up_to(x + i, count), b = load_up_to(x + half + i, count);
    const Lanes c = load_up_to(cosines + i, count), s = load_up_to(sines + i, count);
    store_up_to(x + i, fused(zero - b, s, a * c), count);
    store_up_to(x + half + i, fused(a, s, b * c), count);
  });
}

void add_scaled(const float* x, float scale, int n, float* y) {
  const Lanes factor = splat(scale);
  by_lanes(n, [&](int i, int count) { store_up_to(y + i, fused(factor, load_up_to(x + i, count), load_up_to(y + i, count)), count); });
}

void exponentials(const float* x, int n, float* y) {
  by_lanes(n, [&](int i, int count) { store_up_to(y + i, exp_lanes(load_up_to(x + i, count)), count); });
}

void to_bf16(const float* x, int n, uint16_t* y) {
  by_lanes(n, [&](int i, int count) {
    const Bits rounded = round_bf16(load_up_to(x + i, count));
    if (count == 16) return store_high(y + i, rounded);
    uint16_t padded[16];
    store_high(padded, rounded);
    memcpy(y + i, padded, count * sizeof(uint16_t));
  });
}

}  // namespace
}  // namespace foretoken
