#pragma once
#include <string>
#include <vector>

#include "error.h"
#include "tensor.h"

namespace foretoken::ops {

/** "[2, 3]". */
std::string text_of(const std::vector<int64_t>& shape);
/** "i32 [2, 3]". */
std::string text_of(const Tensor& tensor);

/** Throws Error(kShape): what `op` expected of `name`, and what came. */
[[noreturn]] void refuse(const char* op, const char* name, const std::string& expected, const Tensor& tensor);

/** f32, or bf16 as weights are stored. */
void require_real(const char* op, const char* name, const Tensor& tensor);
void require_i32(const char* op, const char* name, const Tensor& tensor);
/** At least one axis. */
void require_rows(const char* op, const char* name, const Tensor& tensor);
/** Exactly this shape; -1 stands for any length. */
void require_shape(const char* op, const char* name, const Tensor& tensor, const std::vector<int64_t>& shape);
/** Length of the last axis. */
inline int64_t width_of(const Tensor& tensor) { return tensor.shape.back(); }

/** The values of a real tensor as f32: the tensor itself, or a converted copy. For the device thread. */
class Reals {
 public:
  explicit Reals(const Tensor& tensor);
  const float* data() const { return data_; }
  const float* row(int64_t row, int64_t width) const { return data_ + row * width; }

 private:
  std::vector<float> converted_;
  const float* data_;
};

}  // namespace foretoken::ops
