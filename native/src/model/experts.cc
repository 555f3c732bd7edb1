#include "experts.h"

#include <algorithm>
#include <cstring>

namespace foretoken {
namespace {

constexpr int64_t kElementsPerShare = 8192;
constexpr int64_t kProductsPerShare = 65536;
constexpr int kBlockOutputs = Projection::kBlockOutputs;

size_t aligned(size_t bytes) { return (bytes + 63) / 64 * 64; }

}  // namespace

Experts::Experts(Device& device, const Description& description, WeightType type)
    : device_(device), kernels_(device.kernels()), d_(description), type_(type) {}

void Experts::run(const ExpertWeights& weights, const float* x, int rows, float* out, int64_t stride) {
  const int width = d_.hidden_size, per_token = d_.experts_per_token;
  const int64_t total = static_cast<int64_t>(rows) * per_token;
  route(weights, x, rows);
  group(rows);
  float* gathered = gathered_memory_.at_least(static_cast<size_t>(total) * width);
  each(total, width, [&](int64_t i) { std::memcpy(gathered + static_cast<int64_t>(gathered_[i]) * width, x + i / per_token * width, sizeof(float) * width); });
  pack(weights.gate_up, gathered, width);
  const int64_t inner_stride = weights.gate_up[0].stride();
  float* inner = inner_memory_.at_least(static_cast<size_t>(total * inner_stride));
  project(weights.gate_up, inner);
  each(total, 2 * inner_stride, [&](int64_t i) {
    float* gate = inner + i * inner_stride;
    kernels_.gated(d_.activation, gate, gate + weights.gate_up[0].columns[1], d_.expert_size, gate);
  });
  pack(weights.down, inner, inner_stride);
  const int64_t said_stride = weights.down[0].stride();
  float* said = out_memory_.at_least(static_cast<size_t>(total * said_stride));
  project(weights.down, said);
  each(rows, static_cast<int64_t>(width) * per_token, [&](int64_t row) {
    float* sum = out + row * stride;
    std::fill_n(sum, width, 0.0f);
    for (int64_t i = row * per_token; i < (row + 1) * per_token; i++) kernels_.add_scaled(said + gathered_[i] * said_stride, shares_[i], width, sum);
  });
}

// Fills in who each row chooses, and with what shares.
void Experts::route(const ExpertWeights& weights, const float* x, int rows) {
  const PackedMatrix& matrix = weights.router.matrix;
  const int64_t stride = weights.router.stride();
  std::byte* packed = packed_memory_.at_least(kernels_.activation_bytes(matrix.type, rows, matrix.k_padded));
  each(rows, d_.hidden_size, [&](int64_t row) {
    kernels_.pack_activations(matrix.type, x, d_.hidden_size, rows, matrix.k, matrix.k_padded, static_cast<int>(row), static_cast<int>(row) + 1, packed);
  });
  scores_ = scores_memory_.at_least(static_cast<size_t>(rows * stride));
  const int64_t products = static_cast<int64_t>(rows) * matrix.k_padded * kBlockOutputs;
  device_.pool().parallel_for(matrix.blocks, std::max<int64_t>(1, kProductsPerShare / products), [&](int64_t begin, int64_t end) {
    kernels_.matmul(matrix, packed, rows, scores_ + begin * kBlockOutputs, stride, static_cast<int>(begin), static_cast<int>(end));
  });
  chosen_.resize(static_cast<size_t>(rows) * d_.experts_per_token);
  shares_.resize(chosen_.size());
  each(rows, static_cast<int64_t>(d_.experts) * d_.experts_per_token, [&](int64_t row) {
    float* scores = scores_ + row * stride;
    const float highest = *std::max_element(scores, scores + d_.experts);
    for (int i = 0; i < d_.experts; i++) scores[i] -= highest;
    kernels_.exp(scores, d_.experts, scores);
    choose(scores, static_cast<int>(row));
  });
}

// `scores`: e^score of every expert, up to a factor. Whatever they hold, different experts are chosen.
void Experts::choose(const float* scores, int row) {
  const int per_token = d_.experts_per_token;
  int* chosen = chosen_.data() + static_cast<size_t>(row) * per_token;
  float* shares = shares_.data() + static_cast<size_t>(row) * per_token;
  for (int i = 0; i < per_token; i++) {
    int best = -1;
    for (int expert = 0; expert < d_.experts; expert++) {
      if (std::find(chosen, chosen + i, expert) != chosen + i) continue;
      if (best < 0 || scores[expert] > scores[best]) best = expert;
    }
    chosen[i] = best;
  }
  std::sort(chosen, chosen + per_token);
  float sum = 0;
  if (d_.experts_share_whole) {
    for (int i = 0; i < per_token; i++) sum += scores[chosen[i]];
  } else {
    for (int expert = 0; expert < d_.experts; expert++) sum += scores[expert];
  }
  for (int i = 0; i < per_token; i++) shares[i] = scores[chosen[i]] / sum;
}

// Orders (row, expert) pairs by expert, rows ascending.
void Experts::group(int rows) {
  const int total = rows * d_.experts_per_token;
  std::vector<int> counts(d_.experts), next(d_.experts);
  for (int i = 0; i < total; i++) counts[chosen_[i]]++;
  groups_.clear();
  group_of_.resize(total);
  gathered_.resize(total);
  int begin = 0;
  for (int expert = 0; expert < d_.experts; expert++) {
    if (counts[expert] == 0) continue;
    next[expert] = begin;
    std::fill_n(group_of_.begin() + begin, counts[expert], static_cast<int>(groups_.size()));
    groups_.push_back({expert, begin, counts[expert], 0});
    begin += counts[expert];
  }
  for (int i = 0; i < total; i++) gathered_[i] = next[chosen_[i]]++;
}

void Experts::pack(const std::vector<Projection>& projections, const float* x, int64_t stride) {
  size_t bytes = 0;
  for (Group& group : groups_) {
    group.packed = bytes;
    bytes += aligned(kernels_.activation_bytes(type_, group.count, projections[group.expert].matrix.k_padded));
  }
  std::byte* packed = packed_memory_.at_least(bytes);
  each(static_cast<int64_t>(group_of_.size()), projections[0].matrix.k, [&](int64_t i) {
    const Group& group = groups_[group_of_[i]];
    const PackedMatrix& matrix = projections[group.expert].matrix;
    const int row = static_cast<int>(i) - group.begin;
    kernels_.pack_activations(type_, x + group.begin * stride, stride, group.count, matrix.k, matrix.k_padded, row, row + 1, packed + group.packed);
  });
}

// Every expert's matrix times its packed rows, in the gathered order. Work is split over experts and outputs.
void Experts::project(const std::vector<Projection>& projections, float* out) {
  const std::byte* packed = packed_memory_.at_least(0);
  const int64_t blocks = projections[0].matrix.blocks, stride = projections[0].stride();
  const int64_t rows = static_cast<int64_t>(group_of_.size()) / static_cast<int64_t>(groups_.size());
  const int64_t products = std::max<int64_t>(1, rows) * projections[0].matrix.k_padded * kBlockOutputs;
  device_.pool().parallel_for(static_cast<int64_t>(groups_.size()) * blocks, std::max<int64_t>(1, kProductsPerShare / products), [&](int64_t begin, int64_t end) {
    while (begin < end) {
      const Group& group = groups_[begin / blocks];
      const int64_t first = begin % blocks, count = std::min(blocks - first, end - begin);
      kernels_.matmul(projections[group.expert].matrix, packed + group.packed, group.count, out + group.begin * stride + first * kBlockOutputs, stride,
                      static_cast<int>(first), static_cast<int>(first + count));
      begin += count;
    }
  });
}

void Experts::each(int64_t count, int64_t width, const std::function<void(int64_t)>& body) {
  device_.pool().parallel_for(count, std::max<int64_t>(1, kElementsPerShare / width), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++) body(i);
  });
}

}  // namespace foretoken
