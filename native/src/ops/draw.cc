// Ops that draw tokens or make the distributions to draw from.
#include <algorithm>
#include <string>

#include "adjustments.h"
#include "forest.h"

namespace foretoken::ops {
namespace {

void require_logits(const char* op, const Tensor& logits, const ChoiceSpec& spec) {
  require_real(op, "logits", logits);
  require_shape(op, "logits", logits, {-1, -1});
  if (logits.shape[1] > INT32_MAX) refuse(op, "logits", "of at most 2^31 - 1 tokens", logits);
  check_choice(op, spec, logits.shape[0]);
}

/** Enqueues body(adjusted logits of the row, vocab, row) for every row. */
template <typename Body>
void each_row(Device& device, const char* op, const Tensor& logits, const ChoiceSpec& spec, const Body& body) {
  device.enqueue(op, [&device, logits, spec, body] {
    const Reals rows(logits);
    const int64_t vocab = logits.shape[1];
    const RowAdjustments adjustments(spec);
    device.pool().parallel_for(logits.shape[0], 1, [&](int64_t begin, int64_t end) {
      std::vector<float> own;
      for (int64_t row = begin; row < end; row++) {
        const float* given = rows.row(row, vocab);
        if (adjustments.touches(row)) {
          own.assign(given, given + vocab);
          adjustments.apply(row, own.data(), static_cast<int>(vocab), 0);
          given = own.data();
        }
        body(given, static_cast<int>(vocab), row);
      }
    });
  });
}

}  // namespace

Tensor sample(Device& device, const Tensor& weights, const Tensor& uniform) {
  require_real("sample", "weights", weights);
  require_shape("sample", "weights", weights, {-1, -1});
  require_real("sample", "uniform", uniform);
  require_shape("sample", "uniform", uniform, {weights.shape[0]});
  Tensor out = Tensor::make(DType::i32, {weights.shape[0]});
  device.enqueue("sample", [&device, weights, uniform, out] {
    const Reals rows(weights), u(uniform);
    const int64_t vocab = weights.shape[1];
    device.pool().parallel_for(weights.shape[0], 1, [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; row++) out.i32()[row] = draw_by_weight(rows.row(row, vocab), vocab, u.data()[row]);
    });
  });
  return out;
}

Tensor uniform(Device& device, const ChoiceSpec& spec) {
  const auto rows = static_cast<int64_t>(spec.row_sampler.size());
  check_choice("uniform", spec, rows);
  Tensor out = Tensor::make(DType::f32, {rows});
  device.enqueue("uniform", [spec, rows, out] {
    for (int64_t row = 0; row < rows; row++) out.f32()[row] = uniform_at(spec.sampler_of(row), spec.position_of(row), 0);
  });
  return out;
}

Tensor probs(Device& device, const Tensor& logits, const ChoiceSpec& spec) {
  require_logits("probs", logits, spec);
  Tensor out = Tensor::make(DType::f32, logits.shape);
  each_row(device, "probs", logits, spec, [spec, out](const float* row_logits, int vocab, int64_t row) {
    processed_probs(row_logits, vocab, spec.sampler_of(row), out.f32() + row * vocab);
  });
  return out;
}

Tensor choose(Device& device, const Tensor& logits, const ChoiceSpec& spec) {
  require_logits("choose", logits, spec);
  Tensor out = Tensor::make(DType::i32, {logits.shape[0]});
  each_row(device, "choose", logits, spec, [spec, out](const float* row_logits, int vocab, int64_t row) {
    const Sampler& sampler = spec.sampler_of(row);
    Best best;
    if (spec.positions.i32()[row] < 0) best.token = -1;  // an absent row
    else if (sampler.filters()) best.token = choose_filtered(row_logits, vocab, sampler, spec.position_of(row));
    else choose_over(row_logits, vocab, 0, sampler, spec.position_of(row), best);
    out.i32()[row] = best.token;
  });
  return out;
}

}  // namespace foretoken::ops
