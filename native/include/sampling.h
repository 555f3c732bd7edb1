#pragma once
#include <cstdint>
#include <limits>
#include <memory>
#include <vector>

#include "tensor.h"

namespace foretoken {

/**
 * What is done to logits before temperature and filters, per row: repetition penalty, frequency and presence penalty, bias, banned tokens, in
 * this order. The text is what is final; what a row's ancestors in the tree add to it, its {@link ChoiceSpec} says.
 */
struct Adjustments {
  float repetition = 1;              // divides positive and multiplies negative logits of tokens in the text, once each
  float presence = 0, frequency = 0; // taken off tokens in the output: once, and per occurrence
  std::vector<int32_t> seen;         // distinct tokens of prompt and output
  std::vector<int32_t> counts;       // of each: occurrences in the output
  std::vector<int32_t> bias_ids;
  std::vector<float> biases;         // added; -inf bans
  std::vector<int32_t> banned;       // tokens that may not stand at a position before banned_before
  int64_t banned_before = 0;
  bool penalises() const { return repetition != 1 || presence != 0 || frequency != 0; }
};

/** How one request's tokens are chosen. Filters that are off: top_k 0, top_p 1, min_p 0. */
struct Sampler {
  float temperature = 0;  // 0: argmax, ties to the lowest id
  int32_t top_k = 0;
  float top_p = 1, min_p = 0;
  uint64_t seed = 0;
  uint32_t sample = 0;  // number of the sample of `n`
  uint32_t stream = 0;  // 0: the target's own choices
  std::shared_ptr<const Adjustments> adjustments;  // null: none
  bool filters() const { return temperature > 0 && (top_k > 0 || top_p < 1 || min_p > 0); }
};

/** Which sampler and which position each row uses. */
struct ChoiceSpec {
  std::vector<Sampler> samplers;
  std::vector<int32_t> row_sampler;  // [rows] index into samplers
  Tensor positions;                  // [rows] i32; the chosen token stands at positions[row] + position_offset
  int32_t position_offset = 0;
  Tensor token_ids;                  // [columns] i32: the token whose noise each column has; no memory: columns are tokens. For top_k only.
  Tensor tree_tokens, tree_parents;  // [rows] i32: the rows as a forest, parents by index, -1 for roots, whose tokens the text holds. No memory: only roots.

  const Sampler& sampler_of(int64_t row) const { return samplers[static_cast<size_t>(row_sampler[static_cast<size_t>(row)])]; }
  /** Of the token chosen after the row; on the device thread, once positions have been written. */
  uint32_t position_of(int64_t row) const { return static_cast<uint32_t>(positions.i32()[row]) + static_cast<uint32_t>(position_offset); }
};

/** Philox4x32-10. */
void philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]);
/** Strictly inside (0, 1): (x + 0.5) / 2^32, rounded into the open interval. */
float uniform_open(uint32_t x);
/** The uniform keyed by the seed and counted by (position, token, sample, stream): word 0 of Philox. */
float uniform_at(const Sampler& sampler, uint32_t position, uint32_t token);
/** -log(-log(u)) of the noise keyed by the seed and counted by (position, token, sample, stream). */
float gumbel(const Sampler& sampler, uint32_t position, uint32_t token);
/** No gumbel() exceeds it: that of the largest uniform, 1 - 2^-24, is 16.6355, and log_f32 errs by far less than the rest. */
constexpr float kMaxGumbel = 16.64f;

/**
 * The best token so far; -1: none (every logit was -inf or NaN). Merging two in any order gives the same: larger score wins, ties to the
 * lower id. Double, so that a logit divided by the smallest temperature neither overflows nor loses its order.
 */
struct Best {
  double score = -std::numeric_limits<double>::infinity();
  int32_t token = -1;
};
/** `a` or `b`. */
const Best& better(const Best& a, const Best& b);
/** logit / temperature + gumbel; temperature > 0. */
double noisy_score(float logit, const Sampler& sampler, uint32_t position, uint32_t token);
/**
 * Continues one row's choice over logits [count] of the tokens first_token, first_token + 1, …: score = logit / temperature + gumbel, or the
 * logit itself at temperature 0. Exact: tokens that cannot win with the largest noise skip Philox. NaN never wins. No filters here.
 */
void choose_over(const float* logits, int count, int first_token, const Sampler& sampler, uint32_t position, Best& best);
/**
 * The filter pass over whole rows: temperature, top-k (keeps ties of the k-th), top-p (ascending, drops while the cumulative probability
 * ≤ 1 - top_p, keeps at least one; of equal ones the higher id drops first), min-p, each on the renormalised result of the one before; then
 * Gumbel-max among the kept, with the scores of choose_over: filters that drop nothing change nothing. -inf and NaN are never kept.
 */
int32_t choose_filtered(const float* logits, int vocab, const Sampler& sampler, uint32_t position);
/** The processed distribution of one row in f32 (what choose_filtered draws from; one-hot at temperature 0; zeros where nothing can be chosen). */
void processed_probs(const float* logits, int vocab, const Sampler& sampler, float* probs);

}  // namespace foretoken
