#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "checks.h"
#include "noisy_scan.h"
#include "ops.h"

namespace foretoken::ops {
namespace {

constexpr int64_t kGrain = 1 << 13;  // elements that are worth another thread

struct Entry {
  double score;
  int32_t index;
};

/** Whether a stands before b: larger score, then lower index; NaN stands last. */
bool before(const Entry& a, const Entry& b) {
  if (a.score != b.score && !std::isnan(a.score) && !std::isnan(b.score)) return a.score > b.score;
  if (std::isnan(a.score) != std::isnan(b.score)) return std::isnan(b.score);
  return a.index < b.index;
}

/** Collects the best k of a stream with ascending indices: a heap whose top is the worst kept. */
class BestK {
 public:
  explicit BestK(int64_t k) : k_(static_cast<size_t>(k)) { heap_.reserve(k_); }
  void clear() { heap_.clear(); }
  bool full() const { return heap_.size() == k_; }
  /** A score below it is of no use. */
  double floor() const { return full() ? heap_.front().score : -std::numeric_limits<double>::infinity(); }
  void offer(double score, int32_t index) {
    if (heap_.size() < k_) {
      heap_.push_back({score, index});
      std::push_heap(heap_.begin(), heap_.end(), before);
    } else if (before({score, index}, heap_.front())) {
      std::pop_heap(heap_.begin(), heap_.end(), before);
      heap_.back() = {score, index};
      std::push_heap(heap_.begin(), heap_.end(), before);
    }
  }
  const std::vector<Entry>& sorted() {
    std::sort_heap(heap_.begin(), heap_.end(), before);
    return heap_;
  }

 private:
  size_t k_;
  std::vector<Entry> heap_;
};

/** By the values themselves. What does not exceed the worst kept is of no use, its index being higher, unless that is NaN. */
void rank_values(const float* x, int32_t width, BestK& best) {
  for (int32_t begin = 0; begin < width; begin += kPhiloxBatch) {
    const int32_t count = std::min<int32_t>(kPhiloxBatch, width - begin);
    const double floor = best.floor();
    if (best.full() && !std::isnan(floor) && !any_above(x + begin, count, static_cast<float>(floor))) continue;
    for (int32_t i = begin; i < begin + count; i++) best.offer(static_cast<double>(x[i]), i);
  }
}

void rank_row(const float* x, int32_t width, const Sampler* sampler, uint32_t position, const int32_t* ids, BestK& best) {
  best.clear();
  if (sampler == nullptr || !(sampler->temperature > 0)) return rank_values(x, width, best);
  scan_noisy(x, width, 0, *sampler, position, best, ids);
  for (int32_t i = 0; i < width && !best.full(); i++) {
    if (x[i] == -std::numeric_limits<float>::infinity()) best.offer(static_cast<double>(x[i]), i);
  }
  for (int32_t i = 0; i < width && !best.full(); i++) {
    if (std::isnan(x[i])) best.offer(static_cast<double>(x[i]), i);
  }
}

void check_noise(ChoiceSpec spec, int64_t rows, int64_t width) {
  if (spec.token_ids.buffer) {
    require_i32("topK", "vocabMap", spec.token_ids);
    require_shape("topK", "vocabMap", spec.token_ids, {width});
    spec.token_ids = Tensor();
  }
  check_choice("topK", spec, rows);
}

}  // namespace

Ranked top_k(Device& device, const Tensor& x, int k, const ChoiceSpec* noise) {
  require_rows("topK", "x", x);
  require_real("topK", "x", x);
  const int64_t width = width_of(x);
  if (k < 1 || k > width || width > INT32_MAX) throw Error(kShape, "topK: k must lie from 1 to the last axis of x, got " + std::to_string(k) + " for " + text_of(x));
  if (noise != nullptr) check_noise(*noise, x.rows(), width);
  std::vector<int64_t> shape = x.shape;
  shape.back() = k;
  const Ranked out{Tensor::make(DType::f32, shape), Tensor::make(DType::i32, shape), Tensor::make(DType::f32, shape)};
  device.enqueue("topK", [&device, x, k, spec = noise ? *noise : ChoiceSpec(), noisy = noise != nullptr, out] {
    const Reals reals(x);
    const auto width = static_cast<int32_t>(width_of(x));
    device.pool().parallel_for(x.rows(), std::max<int64_t>(1, kGrain / width), [&](int64_t begin, int64_t end) {
      BestK best(k);
      for (int64_t row = begin; row < end; row++) {
        const float* from = reals.row(row, width);
        const Sampler* sampler = noisy ? &spec.sampler_of(row) : nullptr;
        rank_row(from, width, sampler, noisy ? spec.position_of(row) : 0, noisy && spec.token_ids.buffer ? spec.token_ids.i32() : nullptr, best);
        int64_t to = row * k;
        for (const Entry& each : best.sorted()) {
          out.values.f32()[to] = from[each.index];
          out.scores.f32()[to] = static_cast<float>(each.score);
          out.indices.i32()[to++] = each.index;
        }
      }
    });
  });
  return out;
}

}  // namespace foretoken::ops
