// Top-k, top-p and min-p over whole rows. Every sum runs in the order of the ids, in f64, so that a row's result is its own.
#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "cpu_kernels.h"
#include "sampling.h"

namespace foretoken {
namespace {

constexpr float kNothing = -std::numeric_limits<float>::infinity();

/** What is left of a row: ids ascending, and for each exp((logit - largest) / temperature), so the likeliest has weight 1. */
struct Kept {
  std::vector<int32_t> ids;
  std::vector<float> weights;  // filled when first needed

  double total() const {
    double sum = 0;
    for (float weight : weights) sum += static_cast<double>(weight);
    return sum;
  }
  template <typename Keep>
  void keep_if(const Keep& keep) {
    size_t count = 0;
    for (size_t i = 0; i < ids.size(); i++) {
      if (!keep(i)) continue;
      ids[count] = ids[i];
      if (!weights.empty()) weights[count] = weights[i];
      count++;
    }
    ids.resize(count);
    if (!weights.empty()) weights.resize(count);
  }
};

Kept everything(const float* logits, int vocab) {
  Kept kept;
  kept.ids.reserve(static_cast<size_t>(vocab));
  for (int32_t i = 0; i < vocab; i++) {
    if (logits[i] > kNothing) kept.ids.push_back(i);  // nor NaN
  }
  return kept;
}

void keep_top_k(const float* logits, int32_t k, Kept& kept) {
  if (k <= 0 || static_cast<size_t>(k) >= kept.ids.size()) return;
  std::vector<float> values;
  values.reserve(kept.ids.size());
  for (int32_t id : kept.ids) values.push_back(logits[id]);
  std::nth_element(values.begin(), values.begin() + (k - 1), values.end(), std::greater<>());
  const float least = values[static_cast<size_t>(k) - 1];
  kept.keep_if([&](size_t i) { return logits[kept.ids[i]] >= least; });
}

void weigh(const float* logits, float temperature, Kept& kept) {
  float most = kNothing;
  for (int32_t id : kept.ids) most = std::max(most, logits[id]);
  kept.weights.reserve(kept.ids.size());
  for (int32_t id : kept.ids) {
    const double below = logits[id] == most ? 0 : (static_cast<double>(logits[id]) - static_cast<double>(most)) / static_cast<double>(temperature);
    kept.weights.push_back(static_cast<float>(below));
  }
  float* weights = kept.weights.data();
  select_kernels(nullptr).exp(weights, static_cast<int>(kept.weights.size()), weights);  // the same bits from every set
}

/**
 * Ascending, a token drops while the cumulative probability is at most 1 - p; in other words it stays while those before it, descending, hold
 * less than p. Only tokens above the share (1 - p) / n can stay, which leaves few to sort.
 */
void keep_top_p(const float* logits, float top_p, Kept& kept) {
  if (!(top_p < 1)) return;
  const double total = kept.total(), p = static_cast<double>(top_p);
  const double floor = (1 - p) * total / static_cast<double>(kept.ids.size()) * (1 - 1e-9);
  std::vector<size_t> rest;
  for (size_t i = 0; i < kept.ids.size(); i++) {
    if (static_cast<double>(kept.weights[i]) > floor) rest.push_back(i);
  }
  const auto behind = [&](size_t a, size_t b) {
    const float x = logits[kept.ids[a]], y = logits[kept.ids[b]];
    return x != y ? x < y : a > b;
  };
  std::make_heap(rest.begin(), rest.end(), behind);  // mostly a few of many stay: no need to sort the rest
  std::vector<bool> stays(kept.ids.size(), false);
  double before = 0;
  while (!rest.empty() && (before == 0 || before < p * total)) {
    std::pop_heap(rest.begin(), rest.end(), behind);
    stays[rest.back()] = true;
    before += static_cast<double>(kept.weights[rest.back()]);
    rest.pop_back();
  }
  kept.keep_if([&](size_t i) { return stays[i]; });
}

/** The likeliest token has weight 1 and is always kept. */
void keep_min_p(float min_p, Kept& kept) {
  if (!(min_p > 0)) return;
  kept.keep_if([&](size_t i) { return kept.weights[i] >= min_p; });
}

Kept filtered(const float* logits, int vocab, const Sampler& sampler, bool weights) {
  Kept kept = everything(logits, vocab);
  keep_top_k(logits, sampler.top_k, kept);
  if (kept.ids.empty()) return kept;
  if (weights || sampler.top_p < 1 || sampler.min_p > 0) weigh(logits, sampler.temperature, kept);
  keep_top_p(logits, sampler.top_p, kept);
  keep_min_p(sampler.min_p, kept);
  return kept;
}

}  // namespace

int32_t choose_filtered(const float* logits, int vocab, const Sampler& sampler, uint32_t position) {
  Best best;
  if (!(sampler.temperature > 0)) {
    choose_over(logits, vocab, 0, sampler, position, best);
    return best.token;
  }
  for (int32_t id : filtered(logits, vocab, sampler, false).ids) {
    const double most = static_cast<double>(logits[id]) / static_cast<double>(sampler.temperature) + static_cast<double>(kMaxGumbel);
    if (most < best.score) continue;
    best = better(best, {noisy_score(logits[id], sampler, position, static_cast<uint32_t>(id)), id});
  }
  return best.token;
}

void processed_probs(const float* logits, int vocab, const Sampler& sampler, float* probs) {
  std::fill_n(probs, vocab, 0.0f);
  if (!(sampler.temperature > 0)) {
    Best best;
    choose_over(logits, vocab, 0, sampler, 0, best);
    if (best.token >= 0) probs[best.token] = 1;
    return;
  }
  const Kept kept = filtered(logits, vocab, sampler, true);
  const double total = kept.total();
  for (size_t i = 0; i < kept.ids.size(); i++) probs[kept.ids[i]] = static_cast<float>(static_cast<double>(kept.weights[i]) / total);
}

}  // namespace foretoken
