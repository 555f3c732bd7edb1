// Row kernels against scalar loops.
#include <cmath>

#include "check.h"
#include "cpu_math.h"

namespace foretoken::check {
namespace {

constexpr int kLengths[] = {1, 7, 15, 16, 17, 31, 48, 100, 576};
constexpr float kUntouched = 12345;

/** A copy with one value more, which no kernel may touch. */
std::vector<float> guarded(const std::vector<float>& v) {
  std::vector<float> copy = v;
  copy.push_back(kUntouched);
  return copy;
}

void check_norm(const CpuKernels& kernels, Random& random, Kind kind, int n) {
  const std::vector<float> x = values(random, n, kind), weight = values(random, n, Kind::ordinary);
  std::vector<float> lanes(16, 0), want = guarded(x);
  for (int i = 0; i < n; i++) lanes[i % 16] = std::fma(x[i], x[i], lanes[i % 16]);
  const float root = std::sqrt(tree_sum(lanes) / float(n) + 1e-5f), factor = 1 / root;
  for (int i = 0; i < n; i++) want[i] = x[i] * factor * (weight[i] + 1);
  std::vector<float> got = guarded(x);
  kernels.rms_norm(got.data(), weight.data(), 1e-5f, 1, n, got.data());
  compare(std::string(kernels.name) + " rms_norm " + name_of(kind) + " " + std::to_string(n), got.data(), want.data(), n + 1);
}

float gelu_model(float x) {
  const float z = std::fabs(x) * 0.70710678f, t = 1 / std::fma(z, 0.5f, 1.0f);
  const float coefficients[] = {-0.82215223f, 1.48851587f, -1.13520398f, 0.27886807f, -0.18628806f, 0.09678418f, 0.37409196f, 1.00002368f, -1.26551223f};
  float p = 0.17087277f;
  for (float c : coefficients) p = std::fma(p, t, c);
  const float tail = 0.5f * t * exp_f32(p - z * z);
  return x * (x < 0 ? tail : 1 - tail);
}

float activation_model(Activation activation, float g) {
  if (activation == Activation::silu) return g / (1 + exp_f32(0 - g));
  if (activation == Activation::gelu) return gelu_model(g);
  const float inner = 0.79788456f * std::fma(0.044715f * g * g, g, g);
  return 0.5f * g * (1 + tanh_f32(inner));
}

void check_gated(const CpuKernels& kernels, Random& random, Kind kind, int n) {
  for (Activation activation : {Activation::silu, Activation::gelu, Activation::gelu_tanh}) {
    std::vector<float> gate = values(random, n, kind);
    if (kind == Kind::ordinary) for (float& g : gate) g *= n > 1000 ? 90 : 12;
    const std::vector<float> up = values(random, n, Kind::ordinary);
    std::vector<float> want = guarded(gate), got = guarded(gate);
    for (int i = 0; i < n; i++) want[i] = activation_model(activation, gate[i]) * up[i];
    kernels.gated(activation, got.data(), up.data(), n, got.data());
    compare(std::string(kernels.name) + " gated " + std::to_string(int(activation)) + " " + name_of(kind), got.data(), want.data(), n + 1);
  }
}

void check_rope(const CpuKernels& kernels, Random& random, Kind kind, int half) {
  const std::vector<float> x = values(random, 2 * half, kind), c = values(random, half, Kind::ordinary), s = values(random, half, Kind::ordinary);
  std::vector<float> want = guarded(x), got = guarded(x);
  for (int i = 0; i < half; i++) {
    want[i] = std::fma(0 - x[i + half], s[i], x[i] * c[i]);
    want[i + half] = std::fma(x[i], s[i], x[i + half] * c[i]);
  }
  kernels.rope(got.data(), c.data(), s.data(), half);
  compare(std::string(kernels.name) + " rope " + name_of(kind) + " " + std::to_string(half), got.data(), want.data(), 2 * half + 1);
}

void check_add(const CpuKernels& kernels, Random& random, Kind kind, int n) {
  const std::vector<float> x = values(random, n, kind), y = values(random, n, kind);
  for (float scale : {1.0f, 0.22f}) {
    std::vector<float> want = guarded(y), got = guarded(y);
    for (int i = 0; i < n; i++) want[i] = std::fma(scale, x[i], y[i]);
    kernels.add_scaled(x.data(), scale, n, got.data());
    compare(std::string(kernels.name) + " add_scaled " + name_of(kind), got.data(), want.data(), n + 1);
  }
}

void check_exponentials(const CpuKernels& kernels, Random& random, Kind kind, int n) {
  std::vector<float> x = values(random, n, kind);
  if (kind == Kind::ordinary) for (float& value : x) value *= n > 1000 ? 90 : 12;
  std::vector<float> want = guarded(x), got = guarded(x);
  for (int i = 0; i < n; i++) want[i] = exp_f32(x[i]);
  kernels.exp(got.data(), n, got.data());
  compare(std::string(kernels.name) + " exp " + name_of(kind) + " " + std::to_string(n), got.data(), want.data(), n + 1);
}

void check_rounding(const CpuKernels& kernels, Random& random, Kind kind, int n) {
  std::vector<float> x = values(random, n, kind);
  for (int i = 0; i < n; i += 3) {  // exactly between two bf16 numbers
    const uint32_t tie = 0x3f808000u + (random.next() & 0xffu) * 0x10000u;
    memcpy(&x[i], &tie, 4);
  }
  std::vector<uint16_t> want(n + 1, 777), got(n + 1, 777);
  for (int i = 0; i < n; i++) want[i] = bf16_bits(x[i]);
  kernels.to_bf16(x.data(), n, got.data());
  compare(std::string(kernels.name) + " to_bf16 " + name_of(kind), got.data(), want.data(), n + 1);
}

void check_nan(const CpuKernels& kernels) {
  const uint32_t signalling = 0x7f800001u, negative = 0xffc12345u, infinite = 0x7f800000u;
  float x[3];
  memcpy(x, &signalling, 4);
  memcpy(x + 1, &negative, 4);
  memcpy(x + 2, &infinite, 4);
  const uint16_t want[3] = {0x7fc0, 0xffc1, 0x7f80};
  uint16_t got[3];
  kernels.to_bf16(x, 3, got);
  compare(std::string(kernels.name) + " to_bf16 of NaN and infinity", got, want, 3);
}

}  // namespace

void check_rows(const CpuKernels& kernels) {
  Random random;
  for (Kind kind : {Kind::ordinary, Kind::tiny, Kind::extreme})
    for (int n : kLengths) {
      check_norm(kernels, random, kind, n);
      check_gated(kernels, random, kind, n);
      check_rope(kernels, random, kind, n);
      check_add(kernels, random, kind, n);
      check_exponentials(kernels, random, kind, n);
      check_rounding(kernels, random, kind, n);
    }
  check_gated(kernels, random, Kind::ordinary, 50000);
  check_exponentials(kernels, random, Kind::ordinary, 50000);
  check_nan(kernels);
}

}  // namespace foretoken::check
