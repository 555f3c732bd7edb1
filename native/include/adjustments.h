#pragma once
#include <cstdint>
#include <vector>

#include "sampling.h"

namespace foretoken {

/**
 * What the samplers of a spec do to the logits of its rows, made once per pass on the device thread, when the spec's tensors have been written.
 * A row's text is what is final and the row's own path below its root, so that what it gets is what plain decoding gives the same text. Each
 * logit changes by itself: in whatever pieces a row comes, the bits are the same.
 */
class RowAdjustments {
 public:
  explicit RowAdjustments(const ChoiceSpec& spec);

  /** Whether anything happens to the row. */
  bool touches(int64_t row) const { return of_row_[static_cast<size_t>(row)] != nullptr; }
  /** Changes logits [count] of the tokens first_token, first_token + 1, …. */
  void apply(int64_t row, float* logits, int count, int first_token) const {
    if (touches(row)) change(row, logits, count, first_token);
  }

 private:
  /** All that happens to one token. */
  struct Entry {
    int32_t token = 0;
    int32_t count = 0;  // occurrences in the output
    bool seen = false, banned = false;
    float bias = 0;
  };
  using Entries = std::vector<Entry>;  // ascending tokens

  static Entries entries_of(const Adjustments& adjustments);
  static Entry& entry_of(Entries& entries, int32_t token);
  void change(int64_t row, float* logits, int count, int first_token) const;
  bool extend(int64_t row, Entries& entries) const;

  const ChoiceSpec& spec_;
  std::vector<Entries> of_sampler_, extended_;
  std::vector<const Entries*> of_row_;
};

}  // namespace foretoken
