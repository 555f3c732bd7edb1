#include "forest.h"

#include <algorithm>

namespace foretoken::ops {

void require_row_start(const char* op, const std::vector<int32_t>& row_start, int64_t rows) {
  const auto fail = [op](const std::string& what) { throw Error(kShape, std::string(op) + ": rowStart " + what); };
  if (row_start.empty() || row_start.front() != 0) fail("must begin with 0");
  for (size_t i = 1; i < row_start.size(); i++) {
    if (row_start[i] < row_start[i - 1]) fail("must not fall, but entry " + std::to_string(i) + " is " + std::to_string(row_start[i]));
  }
  if (row_start.back() != rows) fail("must end with the " + std::to_string(rows) + " rows, got " + std::to_string(row_start.back()));
}

void require_vector(const char* op, const char* name, const Tensor& tensor, int64_t rows) {
  require_i32(op, name, tensor);
  require_shape(op, name, tensor, {rows});
}

void require_reals(const char* op, const char* name, const Tensor& tensor, int64_t rows) {
  if (tensor.dtype != DType::f32) refuse(op, name, "f32", tensor);
  require_shape(op, name, tensor, {rows});
}

Verdict make_verdict(const char* op, size_t sequences, int max_depth) {
  if (max_depth < 1) throw Error(kShape, std::string(op) + ": maxDepth must be at least 1, got " + std::to_string(max_depth));
  const auto n = static_cast<int64_t>(sequences);
  return {Tensor::make(DType::i32, {n, max_depth}), Tensor::make(DType::i32, {n}), Tensor::make(DType::i32, {n})};
}

void write_verdict(const Verdict& out, int64_t sequence, const std::vector<int32_t>& path, int32_t next) {
  const int64_t depth = out.path.shape[1];
  int32_t* to = out.path.i32() + sequence * depth;
  std::fill_n(to, depth, -1);
  const int64_t length = std::min<int64_t>(depth, static_cast<int64_t>(path.size()));
  for (int64_t i = 0; i < length; i++) to[i] = path[static_cast<size_t>(i)] - path[0];
  out.length.i32()[sequence] = static_cast<int32_t>(length);
  out.next.i32()[sequence] = next;
}

}  // namespace foretoken::ops
