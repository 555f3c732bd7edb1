#include "head.h"

#include <algorithm>
#include <cstring>

#include "adjustments.h"
#include "cpu_math.h"

namespace foretoken {
namespace {

constexpr int kTileRows = 64;   // rows that share one pass over the weights
constexpr int kGroupBlocks = 4; // blocks whose logits a thread holds at a time: they stay in its nearest cache
constexpr int kBlockOutputs = Projection::kBlockOutputs;

}  // namespace

Head::Head(Device& device, const Description& description, const Model::Weights& weights)
    : device_(device), kernels_(device.kernels()), d_(description), w_(weights),
      thread_logits_(device.pool().size()), thread_best_(device.pool().size()) {}

void Head::logits(const float* hidden, int64_t rows, float* out) {
  for (int64_t begin = 0; begin < rows; begin += kTileRows) {
    const int count = static_cast<int>(std::min<int64_t>(kTileRows, rows - begin));
    pack(hidden + begin * d_.hidden_size, count);
    stream(count, 0, blocks(), [&](int, int row, float* logits, int width, int first_token) {
      std::memcpy(out + (begin + row) * d_.head_outputs() + first_token, logits, sizeof(float) * static_cast<size_t>(width));
    });
  }
}

void Head::choose(const float* hidden, int64_t rows, const ChoiceSpec& spec, int32_t* out) {
  std::vector<int64_t> tile;
  const RowAdjustments adjustments(spec);
  for (int64_t row = 0; row < rows; row++) {
    if (spec.positions.i32()[row] >= 0) tile.push_back(row);
    else out[row] = -1;
    if (tile.size() == kTileRows || (row + 1 == rows && !tile.empty())) {
      choose_tile(hidden, tile, spec, adjustments, out);
      tile.clear();
    }
  }
}

void Head::run_blocks(int rows, int block_begin, int block_end) {
  float* hidden = gathered_.at_least(static_cast<size_t>(rows) * d_.hidden_size);
  std::fill_n(hidden, static_cast<size_t>(rows) * d_.hidden_size, 0.5f);
  pack(hidden, rows);
  for (auto& best : thread_best_) best.assign(static_cast<size_t>(rows), Best{});
  const Sampler greedy;
  stream(rows, block_begin, block_end, [&](int thread, int row, float* logits, int width, int first_token) {
    choose_over(logits, width, first_token, greedy, 0, thread_best_[thread][row]);
  });
}

void Head::pack(const float* hidden, int rows) {
  const PackedMatrix& matrix = w_.head.matrix;
  std::byte* packed = packed_.at_least(kernels_.activation_bytes(matrix.type, rows, matrix.k_padded));
  device_.pool().parallel_for(rows, 16, [&](int64_t begin, int64_t end) {
    kernels_.pack_activations(matrix.type, hidden, matrix.k, rows, matrix.k, matrix.k_padded, static_cast<int>(begin), static_cast<int>(end), packed);
  });
}

void Head::stream(int rows, int block_begin, int block_end, const Take& take) {
  const PackedMatrix& matrix = w_.head.matrix;
  const void* packed = packed_.at_least(0);
  constexpr int64_t kProductsPerShare = 65536;
  const int64_t grain = std::max<int64_t>(1, kProductsPerShare / (static_cast<int64_t>(rows) * matrix.k_padded * kBlockOutputs));
  device_.pool().parallel_shares(block_end - block_begin, grain, [&](int thread, int64_t begin, int64_t end) {
    std::vector<float>& buffer = thread_logits_[thread];
    constexpr int kWidth = kGroupBlocks * kBlockOutputs;
    buffer.resize(std::max(buffer.size(), static_cast<size_t>(rows) * kWidth));
    for (int block = block_begin + static_cast<int>(begin); block < block_begin + end; block += kGroupBlocks) {
      const int last = std::min(block + kGroupBlocks, block_begin + static_cast<int>(end));
      kernels_.matmul(matrix, packed, rows, buffer.data(), kWidth, block, last);
      const int first_token = block * kBlockOutputs, count = std::min(last * kBlockOutputs, d_.head_outputs()) - first_token;
      for (int row = 0; row < rows; row++) {
        float* logits = buffer.data() + static_cast<size_t>(row) * kWidth;
        finish_logits(logits, count);
        take(thread, row, logits, count, first_token);
      }
    }
  });
}

void Head::finish_logits(float* logits, int count) const {
  if (d_.logit_scale != 1) {
    for (int i = 0; i < count; i++) logits[i] *= d_.logit_scale;
  }
  if (d_.logit_soft_cap != 0) {
    for (int i = 0; i < count; i++) logits[i] = d_.logit_soft_cap * tanh_f32(logits[i] / d_.logit_soft_cap);
  }
}

// One pass over the weights for all rows of the tile: rows with filters keep their logits, the others choose as the logits come by.
void Head::choose_tile(const float* hidden, const std::vector<int64_t>& rows, const ChoiceSpec& spec, const RowAdjustments& adjustments, int32_t* out) {
  const int count = static_cast<int>(rows.size());
  const auto width = static_cast<size_t>(d_.hidden_size), vocab = static_cast<size_t>(d_.head_outputs());
  float* gathered = gathered_.at_least(rows.size() * width);
  std::vector<int> filtered_row(rows.size(), -1), filtered;
  for (int i = 0; i < count; i++) {
    std::memcpy(gathered + static_cast<size_t>(i) * width, hidden + static_cast<size_t>(rows[i]) * width, sizeof(float) * width);
    if (!spec.samplers[spec.row_sampler[rows[i]]].filters()) continue;
    filtered_row[i] = static_cast<int>(filtered.size());
    filtered.push_back(i);
  }
  float* kept = filtered.empty() ? nullptr : filtered_.at_least(filtered.size() * vocab);
  const auto position_of = [&](int i) { return static_cast<uint32_t>(spec.positions.i32()[rows[i]] + spec.position_offset); };
  const auto sampler_of = [&](int i) -> const Sampler& { return spec.samplers[spec.row_sampler[rows[i]]]; };
  for (auto& best : thread_best_) best.assign(rows.size(), Best{});
  pack(gathered, count);
  stream(count, 0, blocks(), [&](int thread, int i, float* logits, int some, int first_token) {
    adjustments.apply(rows[i], logits, some, first_token);
    if (filtered_row[i] < 0) choose_over(logits, some, first_token, sampler_of(i), position_of(i), thread_best_[thread][i]);
    else std::memcpy(kept + filtered_row[i] * vocab + first_token, logits, sizeof(float) * static_cast<size_t>(some));
  });
  for (int i = 0; i < count; i++) out[rows[i]] = merged(i).token;
  device_.pool().parallel_for(static_cast<int64_t>(filtered.size()), 1, [&](int64_t begin, int64_t end) {
    for (int64_t j = begin; j < end; j++) {
      const int i = filtered[j];
      out[rows[i]] = choose_filtered(kept + static_cast<size_t>(j) * vocab, d_.head_outputs(), sampler_of(i), position_of(i));
    }
  });
}

Best Head::merged(int row) const {
  Best best;
  for (const auto& each : thread_best_) best = better(best, each[row]);
  return best;
}

}  // namespace foretoken
