// Log-probabilities of what was emitted, from the rows that produced it.
#include <algorithm>
#include <limits>

#include "cpu_math.h"
#include "forest.h"

namespace foretoken::ops {
namespace {

constexpr float kNothing = -std::numeric_limits<float>::infinity();

struct Likely {
  float value;
  int32_t token;
};

/** exp(x - largest) summed in the order of the ids, in f64. NaN counts as nothing. */
struct Normaliser {
  float most = kNothing, log_total = 0;
  Normaliser(const CpuKernels& kernels, const float* x, int vocab, std::vector<float>& scratch) {
    for (int i = 0; i < vocab; i++) most = x[i] > most ? x[i] : most;
    scratch.resize(static_cast<size_t>(vocab));
    for (int i = 0; i < vocab; i++) scratch[static_cast<size_t>(i)] = x[i] > kNothing ? x[i] - most : kNothing;
    kernels.exp(scratch.data(), vocab, scratch.data());
    double total = 0;
    for (float weight : scratch) total += static_cast<double>(weight);
    log_total = total > 0 ? log_f32(static_cast<float>(total)) : 0;
  }
  float of(float x) const { return x > kNothing ? x - most - log_total : kNothing; }
};

float log_of(float probability) { return probability >= std::numeric_limits<float>::min() ? log_f32(probability) : kNothing; }

/** The `top` largest above nothing, ties to the lowest id. */
std::vector<Likely> likeliest(const float* values, int vocab, int top, float nothing) {
  std::vector<Likely> best;
  for (int32_t i = 0; i < vocab && top > 0; i++) {
    if (!(values[i] > nothing) || (best.size() == static_cast<size_t>(top) && !(values[i] > best.back().value))) continue;
    if (best.size() == static_cast<size_t>(top)) best.pop_back();
    const auto at = std::upper_bound(best.begin(), best.end(), values[i], [](float value, const Likely& each) { return value > each.value; });
    best.insert(at, {values[i], i});
  }
  return best;
}

/** What an accepted path says: at place `place` of all paths the row of the pack, and the token that follows it. */
struct Paths {
  Tensor tokens, path, next;
  std::vector<int32_t> row_start;

  int64_t depth() const { return path.shape[1]; }
  int64_t places() const { return path.count(); }
  /** -1: past the end of the path. */
  int64_t row_at(int64_t place) const {
    const auto sequence = static_cast<size_t>(place / depth());
    const int32_t row = path.i32()[place];
    return row >= 0 && row < row_start[sequence + 1] - row_start[sequence] ? row_start[sequence] + row : -1;
  }
  int32_t token_after(int64_t place) const {
    const bool is_last = (place + 1) % depth() == 0;
    const int64_t after = is_last ? -1 : row_at(place + 1);
    return after >= 0 ? tokens.i32()[after] : next.i32()[place / depth()];
  }
};

/** Writes one place; `log_probability` of a row's value. */
template <typename LogProbability>
void write_place(const Logprobs& out, int64_t place, const float* row, int vocab, int32_t token, float nothing, const LogProbability& log_probability) {
  const auto top = static_cast<int>(out.ids.shape[2]);
  if (token >= 0 && token < vocab) out.chosen.f32()[place] = log_probability(row[token]);
  int64_t to = place * top;
  for (const Likely& each : likeliest(row, vocab, top, nothing)) {
    out.ids.i32()[to] = each.token;
    out.values.f32()[to++] = log_probability(each.value);
  }
}

}  // namespace

Logprobs logprobs(Device& device, const Tensor& rows, bool are_logits, const Tensor& tokens, const Tensor& path, const Tensor& next, const std::vector<int32_t>& row_start, int top) {
  require_shape("logprobs", "rows", rows, {-1, -1});
  if (rows.dtype != DType::f32) refuse("logprobs", "rows", "f32", rows);
  require_row_start("logprobs", row_start, rows.shape[0]);
  const auto sequences = static_cast<int64_t>(row_start.size()) - 1;
  require_vector("logprobs", "tokens", tokens, rows.shape[0]);
  require_i32("logprobs", "path", path);
  require_shape("logprobs", "path", path, {sequences, -1});
  require_vector("logprobs", "next", next, sequences);
  const int64_t depth = path.shape[1];
  const Logprobs out{Tensor::make(DType::f32, {sequences, depth}), Tensor::make(DType::i32, {sequences, depth, top}), Tensor::make(DType::f32, {sequences, depth, top})};
  device.enqueue("logprobs", [&device, rows, are_logits, paths = Paths{tokens, path, next, row_start}, out] {
    const auto vocab = static_cast<int>(rows.shape[1]);
    std::fill_n(out.chosen.f32(), out.chosen.count(), kNothing);
    std::fill_n(out.ids.i32(), out.ids.count(), -1);
    std::fill_n(out.values.f32(), out.values.count(), kNothing);
    device.pool().parallel_for(paths.places(), 1, [&](int64_t begin, int64_t end) {
      std::vector<float> scratch;
      for (int64_t place = begin; place < end; place++) {
        const int64_t at = paths.row_at(place);
        if (at < 0) continue;
        const float* row = rows.f32() + at * vocab;
        if (are_logits) {
          const Normaliser normaliser(device.kernels(), row, vocab, scratch);
          write_place(out, place, row, vocab, paths.token_after(place), kNothing, [&](float logit) { return normaliser.of(logit); });
        } else {
          write_place(out, place, row, vocab, paths.token_after(place), 0, log_of);
        }
      }
    });
  });
  return out;
}

}  // namespace foretoken::ops
