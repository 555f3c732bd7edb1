#pragma once
// What the ops over packed forests share: a row is named by its index in the pack; row_start has one more entry than there are sequences.
#include <cstdint>
#include <string>
#include <vector>

#include "checks.h"
#include "ops.h"

namespace foretoken::ops {

/** Throws Error(kShape) unless row_start begins with 0, never falls and ends with `rows`. */
void require_row_start(const char* op, const std::vector<int32_t>& row_start, int64_t rows);
/** Throws Error(kShape) unless the tensor is i32 [rows]. */
void require_vector(const char* op, const char* name, const Tensor& tensor, int64_t rows);
/** Throws Error(kShape) unless the tensor is f32 [rows]. */
void require_reals(const char* op, const char* name, const Tensor& tensor, int64_t rows);
/** Room for a verdict on so many sequences. */
Verdict make_verdict(const char* op, size_t sequences, int max_depth);
/** Writes one sequence of a verdict; `path` holds indices of the pack, root first. */
void write_verdict(const Verdict& out, int64_t sequence, const std::vector<int32_t>& path, int32_t next);

/** Children of the rows of one sequence in row order. A child has a token, and hangs from an earlier row of its own sequence. */
class ChildLists {
 public:
  ChildLists(const int32_t* tokens, const int32_t* parents, int32_t begin, int32_t end) : begin_(begin), first_(static_cast<size_t>(end - begin), -1), next_(first_) {
    for (int32_t row = end - 1; row > begin; row--) {
      const int32_t parent = parents[row];
      if (tokens[row] < 0 || parent < begin || parent >= row) continue;
      int32_t& head = first_[static_cast<size_t>(parent - begin)];
      next_[static_cast<size_t>(row - begin)] = head;
      head = row;
    }
  }
  /** -1: none. */
  int32_t first(int32_t row) const { return first_[static_cast<size_t>(row - begin_)]; }
  int32_t after(int32_t row) const { return next_[static_cast<size_t>(row - begin_)]; }

 private:
  int32_t begin_;
  std::vector<int32_t> first_, next_;
};

/** The first index whose cumulative weight passes u of the total; what is not above 0 is never drawn; -1 when nothing is. */
template <typename Weight>
int32_t draw_by_weight(const Weight* weights, int64_t count, float u) {
  double total = 0;
  for (int64_t i = 0; i < count; i++) total += weights[i] > 0 ? static_cast<double>(weights[i]) : 0;
  double left = total * static_cast<double>(u);
  int32_t last = -1;
  for (int64_t i = 0; i < count; i++) {
    if (!(weights[i] > 0)) continue;
    last = static_cast<int32_t>(i);
    left -= static_cast<double>(weights[i]);
    if (left < 0) break;
  }
  return last;
}

}  // namespace foretoken::ops
