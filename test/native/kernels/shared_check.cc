// Packing, scalar functions and the choice of the set: what does not belong to one instruction set.
#include <cfloat>
#include <cmath>
#include <cstdio>

#include "check.h"
#include "cpu_math.h"
#include "error.h"

namespace foretoken::check {
namespace {

float f16_model(uint16_t h) {
  const int exponent = h >> 10 & 31, fraction = h & 1023;
  const double magnitude = exponent == 31 ? INFINITY : exponent ? std::ldexp(1024 + fraction, exponent - 25) : std::ldexp(fraction, -24);
  return float(h & 0x8000 ? -magnitude : magnitude);
}

/** Largest error of `f` against `exact` in units of 2^-24 of the exact value. */
template <class F, class G>
double worst_error(double from, double to, double factor, double step, F f, G exact) {
  double worst = 0;
  for (double x = from; x < to; x = x * factor + step) {
    const double want = exact(double(float(x)));
    worst = std::fmax(worst, std::fabs(f(float(x)) - want) / (std::fabs(want) * 0x1p-24));
  }
  return worst;
}

void expect_below(double value, double limit, const char* what) {
  char text[120];
  snprintf(text, sizeof text, "%s: error %.3g, limit %.3g", what, value, limit);
  expect(value <= limit, text);
}

/** Where value (output, k) of a matrix lies, from the layout's description. */
size_t place_of(int n, int k, int k_blocks) {
  const size_t block = n / 32, tile = n / 16 % 2, pair = k % 32 / 2;
  return ((block * k_blocks + k / 32) * 2 + tile) * 512 + pair * 32 + n % 16 * 2 + k % 2;
}

template <class T>
void check_layout(WeightType type, Random& random) {
  const int n = 70, k = 45, blocks = 3, k_blocks = 2;
  const std::vector<float> weights = values(random, n * k, Kind::ordinary);
  std::vector<char> source(weights.size() * 4 + 1);
  memcpy(source.data() + 1, weights.data(), weights.size() * 4);  // at an odd address
  std::vector<T> want(size_t(blocks) * k_blocks * 1024, 0), got(want.size(), T(99));
  expect(packed_bytes(type, n, k) == want.size() * sizeof(T), "packed_bytes");
  for (int row = 0; row < n; row++)
    for (int i = 0; i < k; i++) {
      if constexpr (sizeof(T) == 2) want[place_of(row, i, k_blocks)] = bf16_bits(weights[row * k + i]);
      else want[place_of(row, i, k_blocks)] = weights[row * k + i];
    }
  for (int block : {2, 0, 1}) pack_matrix(type, source.data() + 1, Stored::f32, n, k, block, block + 1, got.data());
  compare("pack_matrix", got.data(), want.data(), want.size());
  std::vector<float> row(k), expected(weights.begin() + 3 * k, weights.begin() + 4 * k);
  if (type == WeightType::bf16) for (float& v : expected) v = rounded_to_bf16(v);
  unpack_row(type, source.data() + 1, Stored::f32, 3, k, row.data());
  compare("unpack_row", row.data(), expected.data(), k);
}

/** Every f16 and every bf16 number, infinities included, NaN left out. */
void check_conversions() {
  std::vector<uint16_t> f16, bf16;
  std::vector<float> f16_want, f16_rounded, bf16_want;
  for (int i = 0; i < 65536; i++) {
    if ((i & 0x7c00) != 0x7c00 || (i & 0x3ff) == 0) {
      f16.push_back(uint16_t(i));
      f16_want.push_back(f16_model(uint16_t(i)));
      f16_rounded.push_back(std::isinf(f16_want.back()) ? f16_want.back() : rounded_to_bf16(f16_want.back()));
    }
    if ((i & 0x7f80) != 0x7f80) {
      bf16.push_back(uint16_t(i));
      const uint32_t u = uint32_t(i & 0x7f80 ? i : i & 0x8000) << 16;  // subnormals are zero
      float f;
      memcpy(&f, &u, 4);
      bf16_want.push_back(f);
    }
  }
  std::vector<float> got(65536);
  unpack_row(WeightType::f32, f16.data(), Stored::f16, 0, int(f16.size()), got.data());
  compare("f16 to f32", got.data(), f16_want.data(), f16_want.size());
  unpack_row(WeightType::bf16, f16.data(), Stored::f16, 0, int(f16.size()), got.data());
  compare("f16 to bf16", got.data(), f16_rounded.data(), f16_rounded.size());
  unpack_row(WeightType::bf16, bf16.data(), Stored::bf16, 0, int(bf16.size()), got.data());
  compare("bf16 to bf16", got.data(), bf16_want.data(), bf16_want.size());
}

}  // namespace

void check_packing() {
  Random random;
  check_layout<float>(WeightType::f32, random);
  check_layout<uint16_t>(WeightType::bf16, random);
  check_conversions();
}

void check_math() {
  const auto exp_of = [](double x) { return std::exp(x); };
  const auto log_of = [](double x) { return std::log(x); };
  const auto tanh_of = [](double x) { return std::tanh(x); };
  expect_below(worst_error(-87.3, 88.7, 1, 0.00137, exp_f32, exp_of), 2, "exp_f32");
  expect_below(worst_error(1.2e-38, 3e38, 1.00021, 0, log_f32, log_of), 2, "log_f32");
  expect_below(worst_error(1e-5, 12, 1.0003, 0, tanh_f32, tanh_of), 4, "tanh_f32");
  double worst = 0;
  for (double angle = -3e6; angle < 1e12; angle = angle < 3e6 ? angle + 61.7 : angle * 1.0007) {
    float cosine, sine;
    cos_sin(angle, &cosine, &sine);
    worst = std::fmax(worst, std::fmax(std::fabs(cosine - std::cos(angle)), std::fabs(sine - std::sin(angle))));
  }
  expect_below(worst, 3.1e-8, "cos_sin");
  expect(exp_f32(-INFINITY) == 0 && exp_f32(-88) == 0 && exp_f32(0) == 1 && std::isinf(exp_f32(89)) && std::isnan(exp_f32(NAN)), "exp_f32 at its ends");
  expect(log_f32(1) == 0 && tanh_f32(0) == 0 && tanh_f32(-40) == -1 && std::isnan(tanh_f32(NAN)), "log_f32 and tanh_f32 at their ends");
  volatile float smallest = FLT_MIN;
  expect(smallest * 0.5f == 0, "flush_subnormals has no effect");
}

void check_dispatch() {
  const char* const* names = available_kernels();
  int count = 0;
  for (; names[count]; count++) expect(std::string(select_kernels(names[count]).name) == names[count], "select_kernels by name");
  expect(count > 0 && std::string(names[count - 1]) == "portable", "the portable set comes last");
  expect(count > 0 && &select_kernels(nullptr) == &select_kernels(names[0]), "the best set is the first");
  try {
    select_kernels("sse9");
    expect(false, "select_kernels takes an unknown name");
  } catch (const Error& e) {
    expect(std::string(e.what()).find("portable") != std::string::npos, "select_kernels lists the known names");
  }
}

}  // namespace foretoken::check
