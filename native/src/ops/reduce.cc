// Ops over the last axis. The order of a sum is part of the numerics: 16 partial sums, element i into sum i % 16, added pairwise at the end.
#include <algorithm>
#include <cmath>
#include <limits>

#include "checks.h"
#include "cpu_math.h"
#include "ops.h"

namespace foretoken::ops {
namespace {

constexpr int kLanes = 16;
constexpr int64_t kGrain = 1 << 14;  // elements that are worth another thread

float combine(float* lanes) {
  for (int width = kLanes / 2; width > 0; width /= 2) {
    for (int i = 0; i < width; i++) lanes[i] += lanes[i + width];
  }
  return lanes[0];
}

template <typename Term>
float sum_terms(int64_t count, const Term& term) {
  float lanes[kLanes] = {};
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    for (int j = 0; j < kLanes; j++) lanes[j] += term(i + j);
  }
  for (int j = 0; i + j < count; j++) lanes[j] += term(i + j);
  return combine(lanes);
}

/** Calls body(row) for every row, in parallel when there is enough work. */
template <typename Body>
void each_row(Device& device, int64_t rows, int64_t width, const Body& body) {
  device.pool().parallel_for(rows, std::max<int64_t>(1, kGrain / std::max<int64_t>(1, width)), [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; row++) body(row);
  });
}

/** y doubles as the memory for the exponentials. */
void log_softmax_row(const CpuKernels& kernels, const float* x, int64_t width, float* y) {
  float most = -std::numeric_limits<float>::infinity();
  for (int64_t i = 0; i < width; i++) most = x[i] > most ? x[i] : most;
  for (int64_t i = 0; i < width; i++) y[i] = x[i] - most;
  kernels.exp(y, static_cast<int>(width), y);
  const float total = log_f32(sum_terms(width, [y](int64_t i) { return y[i]; }));
  for (int64_t i = 0; i < width; i++) y[i] = x[i] - most - total;
}

}  // namespace

Tensor sum(Device& device, const Tensor& x) {
  require_rows("sum", "x", x);
  require_real("sum", "x", x);
  std::vector<int64_t> shape = x.shape;
  shape.back() = 1;
  Tensor out = Tensor::make(DType::f32, shape);
  device.enqueue("sum", [&device, x, out] {
    const Reals reals(x);
    const int64_t width = width_of(x);
    each_row(device, x.rows(), width, [&](int64_t row) {
      const float* values = reals.row(row, width);
      out.f32()[row] = sum_terms(width, [values](int64_t i) { return values[i]; });
    });
  });
  return out;
}

Tensor rms_norm(Device& device, const Tensor& x, const Tensor& weight, float eps) {
  require_rows("rmsNorm", "x", x);
  require_real("rmsNorm", "x", x);
  require_real("rmsNorm", "weight", weight);
  require_shape("rmsNorm", "weight", weight, {width_of(x)});
  if (width_of(x) > INT32_MAX) refuse("rmsNorm", "x", "of a last axis of at most 2^31 - 1", x);
  if (!(eps >= 0 && std::isfinite(eps))) throw Error(kShape, "rmsNorm: eps must be a finite number of at least 0");
  Tensor out = Tensor::make(DType::f32, x.shape);
  device.enqueue("rmsNorm", [&device, x, weight, eps, out] {
    const Reals reals(x), scale(weight);
    const int64_t width = width_of(x);
    each_row(device, x.rows(), width, [&](int64_t row) {
      device.kernels().rms_norm(reals.row(row, width), scale.data(), eps, 0, static_cast<int>(width), out.f32() + row * width);
    });
  });
  return out;
}

Tensor log_softmax(Device& device, const Tensor& x) {
  require_rows("logSoftmax", "x", x);
  require_real("logSoftmax", "x", x);
  if (width_of(x) > INT32_MAX) refuse("logSoftmax", "x", "of a last axis of at most 2^31 - 1", x);
  Tensor out = Tensor::make(DType::f32, x.shape);
  device.enqueue("logSoftmax", [&device, x, out] {
    const Reals reals(x);
    const int64_t width = width_of(x);
    each_row(device, x.rows(), width, [&](int64_t row) { log_softmax_row(device.kernels(), reals.row(row, width), width, out.f32() + row * width); });
  });
  return out;
}

}  // namespace foretoken::ops
