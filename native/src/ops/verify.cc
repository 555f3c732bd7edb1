// Walks from the roots of a packed forest. Parents and children come from the device and are checked here: a child lies behind its parent in
// the same sequence, so a walk always ends.
#include <algorithm>
#include <string>

#include "forest.h"

namespace foretoken::ops {
namespace {

/** Fills one sequence of a verdict; child(row) is a later row of the pack before `end`, or anything else for none. */
template <typename Child>
void walk_from(int32_t root, int32_t end, int max_depth, int64_t sequence, const int32_t* next, const Verdict& out, const Child& child) {
  int32_t* path = out.path.i32() + sequence * max_depth;
  std::fill_n(path, max_depth, -1);
  int32_t length = 0, last = -1;
  for (int32_t row = root; row < end && length < max_depth;) {
    path[length++] = row - root;
    last = row;
    const int32_t to = child(row);
    if (to <= row) break;
    row = to;
  }
  out.length.i32()[sequence] = length;
  out.next.i32()[sequence] = last < 0 ? -1 : next[last];
}

/** For every row its first child in row order whose token is the choice after it, else -1. */
std::vector<int32_t> chosen_children(const int32_t* tokens, const int32_t* parents, const int32_t* choices, const std::vector<int32_t>& row_start) {
  std::vector<int32_t> child(static_cast<size_t>(row_start.back()), -1);
  for (size_t s = 0; s + 1 < row_start.size(); s++) {
    for (int32_t row = row_start[s]; row < row_start[s + 1]; row++) {
      const int32_t parent = parents[row];
      if (tokens[row] < 0 || parent < row_start[s] || parent >= row) continue;
      int32_t& taken = child[static_cast<size_t>(parent)];
      if (taken < 0 && choices[parent] == tokens[row]) taken = row;
    }
  }
  return child;
}

}  // namespace

Verdict accept_chosen(Device& device, const Tensor& tokens, const Tensor& parents, const Tensor& choices, const std::vector<int32_t>& row_start, int max_depth) {
  const int64_t rows = tokens.count();
  require_vector("acceptChosen", "tokens", tokens, rows);
  require_vector("acceptChosen", "parents", parents, rows);
  require_vector("acceptChosen", "choices", choices, rows);
  require_row_start("acceptChosen", row_start, rows);
  Verdict out = make_verdict("acceptChosen", row_start.size() - 1, max_depth);
  device.enqueue("acceptChosen", [tokens, parents, choices, row_start, max_depth, out] {
    const std::vector<int32_t> child = chosen_children(tokens.i32(), parents.i32(), choices.i32(), row_start);
    for (size_t s = 0; s + 1 < row_start.size(); s++) {
      walk_from(row_start[s], row_start[s + 1], max_depth, static_cast<int64_t>(s), choices.i32(), out, [&](int32_t row) { return child[static_cast<size_t>(row)]; });
    }
  });
  return out;
}

Verdict walk(Device& device, const Tensor& child, const Tensor& next, const std::vector<int32_t>& row_start, int max_depth) {
  const int64_t rows = child.count();
  require_vector("walk", "child", child, rows);
  require_vector("walk", "next", next, rows);
  require_row_start("walk", row_start, rows);
  Verdict out = make_verdict("walk", row_start.size() - 1, max_depth);
  device.enqueue("walk", [child, next, row_start, max_depth, out] {
    for (size_t s = 0; s + 1 < row_start.size(); s++) {
      walk_from(row_start[s], row_start[s + 1], max_depth, static_cast<int64_t>(s), next.i32(), out, [&](int32_t row) { return child.i32()[row]; });
    }
  });
  return out;
}

Tensor children(Device& device, const Tensor& tokens, const Tensor& parents, int max_width) {
  const int64_t rows = tokens.count();
  require_vector("children", "tokens", tokens, rows);
  require_vector("children", "parents", parents, rows);
  if (max_width < 1) throw Error(kShape, "children: maxWidth must be at least 1, got " + std::to_string(max_width));
  Tensor out = Tensor::make(DType::i32, {rows, max_width});
  device.enqueue("children", [tokens, parents, rows, max_width, out] {
    std::fill_n(out.i32(), rows * max_width, -1);
    std::vector<int32_t> filled(static_cast<size_t>(rows), 0);
    for (int32_t row = 0; row < rows; row++) {
      const int32_t parent = parents.i32()[row];
      if (tokens.i32()[row] < 0 || parent < 0 || parent >= row) continue;
      int32_t& count = filled[static_cast<size_t>(parent)];
      if (count < max_width) out.i32()[static_cast<int64_t>(parent) * max_width + count++] = row;
    }
  });
  return out;
}

namespace {

/** The longest path from the root over accepted rows; of equally long ones that with the larger sum of scores, then the earlier last row. */
std::vector<int32_t> longest_path(const int32_t* tokens, const int32_t* parents, const int32_t* accepted, const float* scores, int32_t root, int32_t end, int max_depth) {
  struct Reached { int32_t depth = 0; double score = 0; };
  std::vector<Reached> reached(static_cast<size_t>(end - root));   // depth 0: not reached
  reached[0].depth = 1;
  int32_t best = root;
  for (int32_t row = root + 1; row < end; row++) {
    const int32_t parent = parents[row];
    if (tokens[row] < 0 || accepted[row] == 0 || parent < root || parent >= row) continue;
    const Reached& above = reached[static_cast<size_t>(parent - root)];
    if (above.depth == 0 || above.depth >= max_depth) continue;
    Reached& here = reached[static_cast<size_t>(row - root)];
    here = {above.depth + 1, above.score + static_cast<double>(scores[row])};
    const Reached& champion = reached[static_cast<size_t>(best - root)];
    if (here.depth > champion.depth || (here.depth == champion.depth && here.score > champion.score)) best = row;
  }
  std::vector<int32_t> path;
  for (int32_t row = best; row > root; row = parents[row]) path.push_back(row);
  path.push_back(root);
  std::reverse(path.begin(), path.end());
  return path;
}

}  // namespace

Verdict accept_longest(Device& device, const Tensor& tokens, const Tensor& parents, const Tensor& accepted, const Tensor& scores, const Tensor& next, const std::vector<int32_t>& row_start, int max_depth) {
  const int64_t rows = tokens.count();
  require_vector("acceptLongest", "tokens", tokens, rows);
  require_vector("acceptLongest", "parents", parents, rows);
  require_vector("acceptLongest", "accepted", accepted, rows);
  require_reals("acceptLongest", "scores", scores, rows);
  require_vector("acceptLongest", "next", next, rows);
  require_row_start("acceptLongest", row_start, rows);
  Verdict out = make_verdict("acceptLongest", row_start.size() - 1, max_depth);
  device.enqueue("acceptLongest", [tokens, parents, accepted, scores, next, row_start, max_depth, out] {
    for (size_t s = 0; s + 1 < row_start.size(); s++) {
      if (row_start[s] == row_start[s + 1]) {
        write_verdict(out, static_cast<int64_t>(s), {}, -1);
        continue;
      }
      const std::vector<int32_t> path = longest_path(tokens.i32(), parents.i32(), accepted.i32(), scores.f32(), row_start[s], row_start[s + 1], max_depth);
      write_verdict(out, static_cast<int64_t>(s), path, next.i32()[path.back()]);
    }
  });
  return out;
}

}  // namespace foretoken::ops
