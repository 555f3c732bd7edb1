// The choice among logits. Most tokens cannot win, and cheap exact bounds say so before any logarithm: first by the logit alone, then by the
// leading ones of the random word, each bound held against the score that was computed, rounding included.
#include <algorithm>
#include <cfloat>
#include <cmath>
#include <limits>

#include "philox_words.h"
#include "sampling.h"

namespace foretoken {
namespace {

void offer(double score, int32_t token, Best& best) {
  if (score > best.score || (score == best.score && token < best.token)) best = {score, token};
}

/** Whether any of the logits exceeds `bound`; NaN does not. One vector comparison for a full batch. */
bool any_above(const float* logits, int count, float bound) {
  int any = 0;
  if (count == kPhiloxBatch) for (int j = 0; j < kPhiloxBatch; j++) any |= static_cast<int>(logits[j] > bound);
  else for (int j = 0; j < count; j++) any |= static_cast<int>(logits[j] > bound);
  return any != 0;
}

/** A logit that no noise brings to `best`; neither, then, any below it: every step from logit to score rounds monotonically. */
float certain_loser(double best, float temperature) {
  const double t = static_cast<double>(temperature), most = static_cast<double>(kMaxGumbel);
  const double guess = (best - most) * t;
  if (!(guess > -FLT_MAX)) return -std::numeric_limits<float>::infinity();
  auto loser = static_cast<float>(std::min(guess, static_cast<double>(FLT_MAX)));
  for (int attempt = 0; attempt < 4; attempt++) {
    if (static_cast<double>(loser) / t + most < best) return loser;
    loser -= std::fabs(loser) * 0x1p-22f + FLT_MIN;
  }
  return -std::numeric_limits<float>::infinity();
}

/**
 * An upper bound of the noise of a word with `ones` leading ones: u is at most 1 - 2^-(ones + 1), so -log u is at least 2^-(ones + 1) and the
 * noise at most (ones + 1) ln 2; 1e-4 is more than log_f32 errs. Beyond 22 the rounding of u to f32 takes over.
 */
double most_noise(uint32_t word) {
  const int ones = word == UINT32_MAX ? 32 : __builtin_clz(~word);
  return ones > 22 ? static_cast<double>(kMaxGumbel) : (ones + 1) * 0.69314718056 + 1e-4;
}

void choose_greedy(const float* logits, int count, int first_token, Best& best) {
  for (int begin = 0; begin < count; begin += kPhiloxBatch) {
    const int n = std::min(kPhiloxBatch, count - begin);
    const auto bound = static_cast<float>(best.score);  // scores are logits here
    // Equal logits matter only where the best so far has a higher id.
    if (best.token <= first_token + begin && !any_above(logits + begin, n, bound)) continue;
    for (int j = 0; j < n; j++) offer(static_cast<double>(logits[begin + j]), first_token + begin + j, best);
  }
}

void choose_noisy(const float* logits, int count, int first_token, const Sampler& sampler, uint32_t position, Best& best) {
  const double temperature = static_cast<double>(sampler.temperature);
  float loser = certain_loser(best.score, sampler.temperature);
  uint32_t words[kPhiloxBatch];
  for (int begin = 0; begin < count; begin += kPhiloxBatch) {
    const int n = std::min(kPhiloxBatch, count - begin);
    if (!any_above(logits + begin, n, loser)) continue;
    philox_words(sampler, position, static_cast<uint32_t>(first_token + begin), words);
    for (int j = 0; j < n; j++) {
      const float logit = logits[begin + j];
      if (!(logit > loser)) continue;
      const double scaled = static_cast<double>(logit) / temperature;
      if (scaled + most_noise(words[j]) < best.score) continue;
      const double before = best.score;
      offer(scaled + static_cast<double>(gumbel_of_word(words[j])), first_token + begin + j, best);
      if (best.score > before) loser = certain_loser(best.score, sampler.temperature);
    }
  }
}

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
  if (sampler.temperature > 0) choose_noisy(logits, count, first_token, sampler, position, best);
  else choose_greedy(logits, count, first_token, best);
}

}  // namespace foretoken
