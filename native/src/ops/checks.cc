#include "checks.h"

#include <cstring>

#include "ops.h"

namespace foretoken::ops {

std::string text_of(const std::vector<int64_t>& shape) {
  std::string text = "[";
  for (size_t i = 0; i < shape.size(); i++) text += (i ? ", " : "") + (shape[i] < 0 ? std::string("any") : std::to_string(shape[i]));
  return text + "]";
}

std::string text_of(const Tensor& tensor) { return std::string(name_of(tensor.dtype)) + " " + text_of(tensor.shape); }

void refuse(const char* op, const char* name, const std::string& expected, const Tensor& tensor) {
  throw Error(kShape, std::string(op) + ": " + name + " must be " + expected + ", got " + text_of(tensor));
}

void require_real(const char* op, const char* name, const Tensor& tensor) {
  if (tensor.dtype != DType::f32 && tensor.dtype != DType::bf16) refuse(op, name, "f32 or bf16", tensor);
}

void require_i32(const char* op, const char* name, const Tensor& tensor) {
  if (tensor.dtype != DType::i32) refuse(op, name, "i32", tensor);
}

void require_rows(const char* op, const char* name, const Tensor& tensor) {
  if (tensor.shape.empty()) refuse(op, name, "of one axis or more", tensor);
}

void require_shape(const char* op, const char* name, const Tensor& tensor, const std::vector<int64_t>& shape) {
  bool fits = tensor.shape.size() == shape.size();
  for (size_t i = 0; fits && i < shape.size(); i++) fits = shape[i] < 0 || shape[i] == tensor.shape[i];
  if (!fits) refuse(op, name, "of shape " + text_of(shape), tensor);
}

void check_choice(const char* op, const ChoiceSpec& spec, int64_t rows) {
  const auto fail = [op](const std::string& what) { throw Error(kShape, std::string(op) + ": " + what); };
  if (spec.token_ids.buffer) fail("vocabMap came, which only topK takes");
  const auto given = static_cast<int64_t>(spec.row_sampler.size());
  if (given != rows) fail("rowSampler has " + std::to_string(given) + " entries for " + std::to_string(rows) + " rows");
  const auto samplers = static_cast<int32_t>(spec.samplers.size());
  for (size_t i = 0; i < spec.row_sampler.size(); i++) {
    const int32_t index = spec.row_sampler[i];
    if (index >= 0 && index < samplers) continue;
    fail("rowSampler[" + std::to_string(i) + "] is " + std::to_string(index) + ", there are " + std::to_string(samplers) + " samplers");
  }
  require_i32(op, "positions", spec.positions);
  if (spec.positions.count() != rows) refuse(op, "positions", "of " + std::to_string(rows) + " entries", spec.positions);
  if (!spec.tree_tokens.buffer) return;
  require_i32(op, "tree.tokens", spec.tree_tokens);
  require_i32(op, "tree.parents", spec.tree_parents);
  if (spec.tree_tokens.count() != rows) refuse(op, "tree.tokens", "of " + std::to_string(rows) + " entries", spec.tree_tokens);
  if (spec.tree_parents.count() != rows) refuse(op, "tree.parents", "of " + std::to_string(rows) + " entries", spec.tree_parents);
}

Reals::Reals(const Tensor& tensor) {
  if (tensor.dtype == DType::f32) {
    data_ = tensor.f32();
    return;
  }
  converted_.resize(static_cast<size_t>(tensor.count()));
  const uint16_t* bits = tensor.u16();
  for (size_t i = 0; i < converted_.size(); i++) {
    const uint32_t wide = static_cast<uint32_t>(bits[i]) << 16;
    std::memcpy(&converted_[i], &wide, sizeof wide);
  }
  data_ = converted_.data();
}

}  // namespace foretoken::ops
