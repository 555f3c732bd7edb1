// x times a weight, by the kernels that run the models: the weight is packed once, by the device thread, and kept with its memory.
#include <algorithm>
#include <cstring>
#include <memory>
#include <string>

#include "checks.h"
#include "cpu_kernels.h"
#include "ops.h"

namespace foretoken::ops {
namespace {

constexpr int kBlock = 32;      // outputs of one block
constexpr int kPackGrain = 4;   // blocks that are worth another thread
constexpr int kMultiplyGrain = 2;

/** A packed matrix and its memory. */
struct Packed {
  PackedMatrix matrix;
  std::unique_ptr<Buffer> memory;
};

const PackedMatrix& packed_weight(Device& device, const Tensor& weight) {
  std::shared_ptr<PackedMatrix>& slot = *weight.packed;
  if (slot) return *slot;
  const WeightType type = weight.dtype == DType::bf16 ? WeightType::bf16 : WeightType::f32;
  const int n = static_cast<int>(weight.shape[0]), k = static_cast<int>(weight.shape[1]);
  const auto packed = std::make_shared<Packed>();
  packed->memory = std::make_unique<Buffer>(packed_bytes(type, n, k));
  packed->matrix = {type, n, k, (n + kBlock - 1) / kBlock, (k + kBlock - 1) / kBlock * kBlock, packed->memory->data()};
  const Stored stored = type == WeightType::bf16 ? Stored::bf16 : Stored::f32;
  device.pool().parallel_for(packed->matrix.blocks, kPackGrain, [&](int64_t begin, int64_t end) {
    pack_matrix(type, weight.buffer->data(), stored, n, k, static_cast<int>(begin), static_cast<int>(end), packed->memory->data());
  });
  slot = std::shared_ptr<PackedMatrix>(packed, &packed->matrix);
  return *slot;
}

/** Rows of whole blocks → rows of n, plus the bias. */
void write_rows(const float* blocks, int64_t stride, int64_t rows, int64_t n, const float* bias, float* out) {
  for (int64_t row = 0; row < rows; row++) {
    const float* from = blocks + row * stride;
    float* to = out + row * n;
    if (bias == nullptr) std::memcpy(to, from, static_cast<size_t>(n) * sizeof(float));
    else for (int64_t i = 0; i < n; i++) to[i] = from[i] + bias[i];
  }
}

void run_linear(Device& device, const Tensor& x, const Tensor& weight, const Tensor* bias, const Tensor& out) {
  if (out.count() == 0) return;
  const PackedMatrix& matrix = packed_weight(device, weight);
  const int rows = static_cast<int>(x.rows());
  const CpuKernels& kernels = device.kernels();
  const Reals reals(x);
  const Buffer activations(kernels.activation_bytes(matrix.type, rows, matrix.k_padded));
  kernels.pack_activations(matrix.type, reals.data(), matrix.k, rows, matrix.k, matrix.k_padded, 0, rows, activations.data());
  const int64_t stride = static_cast<int64_t>(matrix.blocks) * kBlock;
  const Buffer scratch(static_cast<size_t>(rows * stride) * sizeof(float));  // matmul writes whole blocks
  auto* blocks = static_cast<float*>(scratch.data());
  device.pool().parallel_for(matrix.blocks, kMultiplyGrain, [&](int64_t begin, int64_t end) {
    kernels.matmul(matrix, activations.data(), rows, blocks + begin * kBlock, stride, static_cast<int>(begin), static_cast<int>(end));
  });
  if (bias == nullptr) return write_rows(blocks, stride, rows, matrix.n, nullptr, out.f32());
  const Reals added(*bias);
  write_rows(blocks, stride, rows, matrix.n, added.data(), out.f32());
}

}  // namespace

Tensor linear(Device& device, const Tensor& x, const Tensor& weight, const Tensor* bias) {
  require_rows("linear", "x", x);
  require_real("linear", "x", x);
  require_real("linear", "weight", weight);
  require_shape("linear", "weight", weight, {-1, width_of(x)});
  if (bias != nullptr) {
    require_real("linear", "bias", *bias);
    require_shape("linear", "bias", *bias, {weight.shape[0]});
  }
  if (width_of(x) == 0) refuse("linear", "x", "of a last axis of 1 or more", x);
  if (std::max({weight.shape[0], weight.shape[1], x.rows()}) > INT32_MAX - kBlock) throw Error(kShape, "linear: " + text_of(x) + " times " + text_of(weight) + " is too large");
  std::vector<int64_t> shape = x.shape;
  shape.back() = weight.shape[0];
  Tensor out = Tensor::make(DType::f32, shape);
  device.enqueue("linear", [&device, x, weight, added = bias ? *bias : Tensor(), with_bias = bias != nullptr, out] {
    run_linear(device, x, weight, with_bias ? &added : nullptr, out);
  });
  return out;
}

}  // namespace foretoken::ops
