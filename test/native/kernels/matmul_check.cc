// Matrix products against a scalar model of the order of sums, and rows against the same rows in other company.
#include <cmath>

#include "check.h"

namespace foretoken::check {
namespace {

constexpr int kRowCounts[] = {1, 2, 3, 4, 5, 7, 8, 12, 15, 16, 17, 31, 32, 33, 64};
constexpr float kUntouched = 12345;

struct Problem {
  WeightType type;
  Kind kind;
  int n, k;
  std::vector<float> weights, x;  // [n, k], [rows, k]
  std::vector<char> packed;
  PackedMatrix matrix;
};

std::string describe(const char* name, const Problem& p, int rows) {
  return std::string(name) + " matmul " + (p.type == WeightType::bf16 ? "bf16" : "f32") + " " + name_of(p.kind) + " n " + std::to_string(p.n) + " k " +
         std::to_string(p.k) + " rows " + std::to_string(rows);
}

Problem make_problem(Random& random, WeightType type, Kind kind, int n, int k, int rows) {
  Problem p = {type, kind, n, k, values(random, size_t(n) * k, kind), values(random, size_t(rows) * k, kind), {}, {}};
  p.packed.resize(packed_bytes(type, n, k) + 64);
  char* data = p.packed.data() + (64 - reinterpret_cast<uintptr_t>(p.packed.data()) % 64) % 64;
  const int blocks = (n + 31) / 32;
  pack_matrix(type, p.weights.data(), Stored::f32, n, k, 0, blocks, data);
  p.matrix = {type, n, k, blocks, (k + 31) / 32 * 32, data};
  return p;
}

/** From the unpacked matrices: in every 32 k one chain over even and one over odd k. The zeros of the padding count: they turn -0 into 0. */
float model(const Problem& p, int row, int column) {
  const auto value = [&](const std::vector<float>& matrix, int line, int i) {
    const float v = i < p.k ? matrix[size_t(line) * p.k + i] : 0;
    return p.type == WeightType::bf16 ? rounded_to_bf16(v) : v;
  };
  float total = 0;
  for (int block = 0; block < p.k; block += 32) {
    float chain[2] = {0, 0};
    for (int i = block; i < block + 32; i++) chain[i % 2] = std::fma(value(p.x, row, i), value(p.weights, column, i), chain[i % 2]);
    total = total + (chain[0] + chain[1]);
  }
  return total;
}

/** Rows [first, first + rows) of the problem by blocks [block_begin, block_end), packed in two pieces; y is [rows, ldy]. */
std::vector<float> product(const CpuKernels& kernels, const Problem& p, int first, int rows, int block_begin, int block_end, int ldy) {
  std::vector<char> packed(kernels.activation_bytes(p.type, rows, p.matrix.k_padded) + 64);
  const float* x = p.x.data() + size_t(first) * p.k;
  const int cut = rows / 3;
  kernels.pack_activations(p.type, x, p.k, rows, p.k, p.matrix.k_padded, cut, rows, packed.data());
  kernels.pack_activations(p.type, x, p.k, rows, p.k, p.matrix.k_padded, 0, cut, packed.data());
  std::vector<float> y(size_t(rows) * ldy, kUntouched);
  kernels.matmul(p.matrix, packed.data(), rows, y.data(), ldy, block_begin, block_end);
  return y;
}

/** All rows against the model; a few beyond the last column must be as they were. */
std::vector<float> check_against_model(const CpuKernels& kernels, const Problem& p, int rows) {
  const int width = p.matrix.blocks * 32, ldy = width + 5;
  const std::vector<float> y = product(kernels, p, 0, rows, 0, p.matrix.blocks, ldy);
  std::vector<float> want(p.n), untouched(5, kUntouched);
  for (int row = 0; row < rows; row++) {
    for (int column = 0; column < p.n; column++) want[column] = model(p, row, column);
    compare(describe(kernels.name, p, rows), y.data() + size_t(row) * ldy, want.data(), p.n);
    compare(describe(kernels.name, p, rows) + ", beyond the last block", y.data() + size_t(row) * ldy + width, untouched.data(), 5);
  }
  return y;
}

void check_row_counts(const CpuKernels& kernels, const Problem& p) {
  const int width = p.matrix.blocks * 32, ldy = width + 5;
  const std::vector<float> all = check_against_model(kernels, p, 64);
  for (int rows : kRowCounts)
    for (int first = 0; first + rows <= 64; first += rows < 8 ? 16 : rows) {
      const std::vector<float> y = product(kernels, p, first, rows, 0, p.matrix.blocks, width);
      for (int row = 0; row < rows; row++) compare(describe(kernels.name, p, rows), y.data() + size_t(row) * width, all.data() + size_t(first + row) * ldy, width);
    }
  const std::vector<float> middle = product(kernels, p, 3, 9, 1, 2, 40);
  for (int row = 0; row < 9; row++) compare(describe(kernels.name, p, 9) + ", one block", middle.data() + row * 40, all.data() + size_t(3 + row) * ldy + 32, 32);
}

}  // namespace

void check_matmul(const CpuKernels& kernels) {
  Random random;
  for (WeightType type : {WeightType::f32, WeightType::bf16}) {
    for (Kind kind : {Kind::ordinary, Kind::tiny, Kind::extreme})
      for (int k : {1, 31, 64, 100, 288}) check_row_counts(kernels, make_problem(random, type, kind, 75, k, 64));
    // more rows than pass over the weights at once, and more k than stay in a cache
    for (int rows : {65, 257, 300}) check_against_model(kernels, make_problem(random, type, Kind::ordinary, 33, 70, rows), rows);
    for (int rows : {1, 6, 40}) check_against_model(kernels, make_problem(random, type, Kind::ordinary, 65, 2100, rows), rows);
  }
}

}  // namespace foretoken::check
