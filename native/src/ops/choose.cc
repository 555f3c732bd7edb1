#include <algorithm>

#include "noisy_scan.h"
#include "sampling.h"

namespace foretoken {
namespace {

constexpr int kBatch = kPhiloxBatch;

void offer(double score, int32_t token, Best& best) {
  if (score > best.score || (score == best.score && token < best.token)) best = {score, token};
}

void choose_greedy(const float* logits, int count, int first_token, Best& best) {
  for (int begin = 0; begin < count; begin += kBatch) {
    const int n = std::min(kBatch, count - begin);
    const auto bound = static_cast<float>(best.score);  // scores are logits here
    // Equal logits matter only where the best so far has a higher id.
    if (best.token <= first_token + begin && !any_above(logits + begin, n, bound)) continue;
    for (int j = 0; j < n; j++) offer(static_cast<double>(logits[begin + j]), first_token + begin + j, best);
  }
}

struct KeepBest {
  Best& best;
  double floor() const { return best.score; }
  void offer(double score, int32_t token) { foretoken::offer(score, token, best); }
};

}  // namespace

double noisy_score(float logit, const Sampler& sampler, uint32_t position, uint32_t token) {
  return static_cast<double>(logit) / static_cast<double>(sampler.temperature) + static_cast<double>(gumbel(sampler, position, token));
}

const Best& better(const Best& a, const Best& b) {
  if (a.token < 0 || b.token < 0) return a.token < 0 ? b : a;
  if (a.score != b.score) return a.score > b.score ? a : b;
  return a.token < b.token ? a : b;
}

void choose_over(const float* logits, int count, int first_token, const Sampler& sampler, uint32_t position, Best& best) {
  if (!(sampler.temperature > 0)) return choose_greedy(logits, count, first_token, best);
  KeepBest keeper{best};
  scan_noisy(logits, count, first_token, sampler, position, keeper);
}

}  // namespace foretoken
