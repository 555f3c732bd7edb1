// Trees made on the device. In a tree of n columns node numbers are column + 1 and parent 0 is the root; -1 is absent. Parents come first.
#include <algorithm>
#include <limits>
#include <string>

#include "checks.h"
#include "ops.h"

namespace foretoken::ops {
namespace {

constexpr int64_t kMaxNodes = 1 << 16;
constexpr float kAbsent = -std::numeric_limits<float>::infinity();

Tensor absent(int64_t rows, int64_t columns) { return Tensor::make(DType::i32, {rows, columns}); }

/** One row of beams into a trie: a node's children hang in a list, so that a token is looked up among siblings only. */
void merge_row(const int32_t* beams, int64_t count, int64_t length, int32_t* tokens, int32_t* parents, int32_t* node_of) {
  const int64_t columns = count * length;
  std::fill_n(tokens, columns, -1);
  std::fill_n(parents, columns, -1);
  std::fill_n(node_of, columns, -1);
  std::vector<int32_t> first_child(static_cast<size_t>(columns) + 1, 0), next_sibling(static_cast<size_t>(columns) + 1, 0);
  for (int64_t beam = 0; beam < count; beam++) {
    int32_t parent = 0;
    for (int64_t step = 0; step < length; step++) {
      const int64_t column = beam * length + step;
      const int32_t token = beams[column];
      if (token < 0) break;
      int32_t node = first_child[static_cast<size_t>(parent)];
      while (node != 0 && tokens[node - 1] != token) node = next_sibling[static_cast<size_t>(node)];
      if (node == 0) {
        node = static_cast<int32_t>(column) + 1;
        tokens[column] = token;
        parents[column] = parent;
        next_sibling[static_cast<size_t>(node)] = first_child[static_cast<size_t>(parent)];
        first_child[static_cast<size_t>(parent)] = node;
      }
      node_of[column] = node;
      parent = node;
    }
  }
}

struct Column {
  const int32_t* tokens;
  const int32_t* parents;
  const float* scores;
};

/** The columns of the `count` best present nodes, ascending. A node counts for no more than its parent, so ancestors are always among them. */
std::vector<int32_t> best_columns(const Column& tree, int64_t nodes, int32_t count) {
  std::vector<float> worth(static_cast<size_t>(nodes), kAbsent);
  std::vector<int32_t> present;
  for (int32_t j = 0; j < nodes; j++) {
    const int32_t parent = tree.parents[j];
    if (tree.tokens[j] < 0 || parent < 0 || parent > j) continue;
    const float above = parent == 0 ? std::numeric_limits<float>::infinity() : worth[static_cast<size_t>(parent) - 1];
    const float own = std::min(tree.scores[j], above);
    if (!(own > kAbsent)) continue;  // NaN is absent too
    worth[static_cast<size_t>(j)] = own;
    present.push_back(j);
  }
  const auto better = [&](int32_t a, int32_t b) {
    const float x = worth[static_cast<size_t>(a)], y = worth[static_cast<size_t>(b)];
    return x != y ? x > y : a < b;
  };
  const size_t kept = std::min(present.size(), static_cast<size_t>(std::max(count, 0)));
  std::partial_sort(present.begin(), present.begin() + static_cast<std::ptrdiff_t>(kept), present.end(), better);
  present.resize(kept);
  std::sort(present.begin(), present.end());
  return present;
}

void select_row(const Column& tree, int64_t nodes, int32_t count, int64_t width, int64_t row, const Selected& out) {
  int32_t* tokens = out.tokens.i32() + row * width;
  int32_t* parents = out.parents.i32() + row * width;
  int32_t* index = out.index.i32() + row * width;
  float* scores = out.scores.f32() + row * width;
  std::fill_n(tokens, width, -1);
  std::fill_n(parents, width, -1);
  std::fill_n(index, width, -1);
  std::fill_n(scores, width, 0.0f);
  std::vector<int32_t> number(static_cast<size_t>(nodes) + 1, 0);  // old number → new one; the root stays 0
  int32_t at = 0;
  for (int32_t column : best_columns(tree, nodes, count)) {
    tokens[at] = tree.tokens[column];
    parents[at] = number[static_cast<size_t>(tree.parents[column])];
    index[at] = column;
    scores[at] = tree.scores[column];
    number[static_cast<size_t>(column) + 1] = ++at;
  }
}

}  // namespace

Prefixes merge_prefixes(Device& device, const Tensor& beams) {
  require_i32("mergePrefixes", "beams", beams);
  require_shape("mergePrefixes", "beams", beams, {-1, -1, -1});
  const int64_t n = beams.shape[0], count = beams.shape[1], length = beams.shape[2], columns = count * length;
  if (columns > kMaxNodes) refuse("mergePrefixes", "beams", "of at most 65536 tokens a row", beams);
  Prefixes out{absent(n, columns), absent(n, columns), absent(n, columns)};
  device.enqueue("mergePrefixes", [beams, n, count, length, columns, out] {
    for (int64_t row = 0; row < n; row++) {
      const int64_t at = row * columns;
      merge_row(beams.i32() + at, count, length, out.tokens.i32() + at, out.parents.i32() + at, out.node_of.i32() + at);
    }
  });
  return out;
}

Selected select_tree(Device& device, const Tensor& tokens, const Tensor& parents, const Tensor& scores, const std::vector<int32_t>& counts) {
  require_i32("selectTree", "tokens", tokens);
  require_i32("selectTree", "parents", parents);
  require_real("selectTree", "scores", scores);
  require_shape("selectTree", "tokens", tokens, {static_cast<int64_t>(counts.size()), -1});
  const int64_t n = tokens.shape[0], nodes = tokens.shape[1];
  if (nodes > kMaxNodes) refuse("selectTree", "tokens", "of at most 65536 nodes a row", tokens);
  require_shape("selectTree", "scores", scores, {n, nodes});
  const bool shared = parents.shape.size() == 2 && parents.shape[0] == 1;
  require_shape("selectTree", "parents", parents, {shared ? 1 : n, nodes});
  int32_t width = 1;
  for (int32_t count : counts) {
    if (count < 0) throw Error(kShape, "selectTree: counts must not be negative, got " + std::to_string(count));
    width = std::max(width, count);
  }
  if (width > kMaxNodes) throw Error(kShape, "selectTree: counts may be at most 65536, got " + std::to_string(width));
  Selected out{absent(n, width), absent(n, width), Tensor::make(DType::f32, {n, width}), absent(n, width)};
  device.enqueue("selectTree", [tokens, parents, scores, counts, nodes, width, shared, out] {
    const Reals reals(scores);
    for (int64_t row = 0; row < static_cast<int64_t>(counts.size()); row++) {
      const Column tree{tokens.i32() + row * nodes, parents.i32() + (shared ? 0 : row * nodes), reals.row(row, nodes)};
      select_row(tree, nodes, counts[static_cast<size_t>(row)], width, row, out);
    }
  });
  return out;
}

}  // namespace foretoken::ops
