#pragma once
// Scores logit / temperature + Gumbel over many tokens, for whoever keeps the best of them. Most tokens cannot be among these, and cheap exact
// bounds say so before any logarithm: first by the logit alone, then by the leading ones of the random word. Each bound is held against
// the score as it would be computed, rounding included.
#include <cfloat>
#include <cmath>
#include <cstdint>

#include "sampling.h"

namespace foretoken {

constexpr int kPhiloxBatch = 16;

/** Word 0 of Philox for each token: the words that gumbel() makes noise from. */
void philox_words(const Sampler& sampler, uint32_t position, const uint32_t tokens[kPhiloxBatch], uint32_t words[kPhiloxBatch]);
/** The noise of one word; gumbel() is this of its word. */
float gumbel_of_word(uint32_t word);
/** A logit that no noise brings to the score `floor`; neither, then, any below it: every step from logit to score rounds monotonically. */
float certain_loser(double floor, float temperature);
/**
 * By the number of a word's leading ones, more than its noise can be. With k of them u is at most 1 - 2^-(k + 1), so -log u at least
 * 2^-(k + 1) and the noise at most (k + 1) ln 2; 1e-4 is more than log_f32 errs. Beyond 22 the rounding of u to f32 takes over.
 */
struct NoiseBounds {
  double of_ones[33] = {};
  constexpr NoiseBounds() {
    for (int k = 0; k <= 32; k++) of_ones[k] = k > 22 ? static_cast<double>(kMaxGumbel) : (k + 1) * 0.69314718056 + 1e-4;
  }
  double operator()(uint32_t word) const { return of_ones[word == UINT32_MAX ? 32 : __builtin_clz(~word)]; }
};
inline constexpr NoiseBounds kNoiseBounds;

/** Whether any of the logits exceeds `bound`; NaN does not. One vector comparison for a full batch. */
inline bool any_above(const float* logits, int count, float bound) {
  int any = 0;
  if (count == kPhiloxBatch) for (int j = 0; j < kPhiloxBatch; j++) any |= static_cast<int>(logits[j] > bound);
  else for (int j = 0; j < count; j++) any |= static_cast<int>(logits[j] > bound);
  return any != 0;
}

/** See scan_noisy. */
template <typename Keeper>
class NoisyScan {
 public:
  NoisyScan(const Sampler& sampler, uint32_t position, Keeper& keeper, const int32_t* ids)
      : sampler_(sampler), position_(position), keeper_(keeper), ids_(ids), temperature_(static_cast<double>(sampler.temperature)), inverse_(1 / temperature_),
        loser_(certain_loser(keeper.floor(), sampler.temperature)) {}

  void run(const float* logits, int count, int first_token) {
    for (int begin = 0; begin < count; begin += kPhiloxBatch) {
      const int n = count - begin < kPhiloxBatch ? count - begin : kPhiloxBatch;
      if (!any_above(logits + begin, n, loser_)) continue;
      for (int j = 0; j < n; j++) {  // without branches, for nobody could predict them
        logits_[filled_] = logits[begin + j];
        tokens_[filled_] = static_cast<uint32_t>(first_token + begin + j);
        filled_ += static_cast<int>(logits[begin + j] > loser_);
      }
      if (filled_ >= kPhiloxBatch) flush();
    }
    flush();
  }

 private:
  /** Scores the first batch of those that wait. */
  void flush() {
    uint32_t words[kPhiloxBatch];
    if (ids_ == nullptr) {
      philox_words(sampler_, position_, tokens_, words);
    } else {
      uint32_t named[kPhiloxBatch] = {};
      for (int j = 0; j < kPhiloxBatch && j < filled_; j++) named[j] = static_cast<uint32_t>(ids_[tokens_[j]]);
      philox_words(sampler_, position_, named, words);
    }
    const int count = filled_ < kPhiloxBatch ? filled_ : kPhiloxBatch;
    const double floor = keeper_.floor();
    unsigned hopeful = 0;
    for (int j = 0; j < count; j++) {
      const double near = static_cast<double>(logits_[j]) * inverse_;  // the quotient within a few units of the last place
      const bool certain = near + std::fabs(near) * 1e-14 + kNoiseBounds(words[j]) < floor;
      hopeful |= static_cast<unsigned>(!certain) << j;
    }
    for (; hopeful != 0; hopeful &= hopeful - 1) {
      const int j = __builtin_ctz(hopeful);
      keeper_.offer(static_cast<double>(logits_[j]) / temperature_ + static_cast<double>(gumbel_of_word(words[j])), static_cast<int32_t>(tokens_[j]));
    }
    if (keeper_.floor() > floor) loser_ = certain_loser(keeper_.floor(), sampler_.temperature);
    for (int j = count; j < filled_; j++) {
      logits_[j - count] = logits_[j];
      tokens_[j - count] = tokens_[j];
    }
    filled_ -= count;
  }

  const Sampler& sampler_;
  const uint32_t position_;
  Keeper& keeper_;
  const int32_t* ids_;
  const double temperature_, inverse_;
  float loser_;
  int filled_ = 0;  // below one batch between two steps, so a second one always fits
  float logits_[2 * kPhiloxBatch];
  uint32_t tokens_[2 * kPhiloxBatch] = {};
};

/**
 * Gives `keeper` the scores of the tokens first_token, first_token + 1, … in ascending order, but for those that are certainly below its
 * floor(), NaN and -inf. A keeper has `double floor()`, a score below which it wants nothing, and `offer(double score, int32_t token)`.
 * With `ids` token t has the noise of ids[t].
 */
template <typename Keeper>
void scan_noisy(const float* logits, int count, int first_token, const Sampler& sampler, uint32_t position, Keeper& keeper, const int32_t* ids = nullptr) {
  NoisyScan<Keeper>(sampler, position, keeper, ids).run(logits, count, first_token);
}

}  // namespace foretoken
