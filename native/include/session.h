#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "model.h"
#include "tensor.h"

namespace foretoken {

/** Rows for one pass, all sequences packed; `design/interfaces` Rows. A tree is its parents: nobody builds a mask or a position. */
struct Rows {
  std::vector<int32_t> sequences;         // [rows]
  Tensor tokens;                          // [rows] i32
  std::optional<Tensor> states;           // [rows, hidden] f32 in any split of rows, where the model takes states
  std::optional<Tensor> parents;          // [rows] i32: row number in the same sequence, -1: its last committed token; absent: a chain
  std::vector<uint8_t> known;             // [rows] or empty; 1: known text, committed at once, in order, before the tentative rows of this pass
};

struct Forward {
  Tensor hidden;     // [rows, hidden] f32 after the final norm; zeros for absent rows
  Tensor tokens;     // [rows] i32, -1 for rows that are absent (token -1, a bad token or parent, or below an absent row)
  Tensor positions;  // [rows] i32 absolute position of each row's token
  Tensor refused;    // [1] i32: rows with a bad token or parent, not counting those given as -1
  Tensor taps;       // [rows, taps * hidden] f32 residual streams, when asked for
};

/**
 * Paged KV memory of one model for many sequences. All bookkeeping (pages, committed lengths, row numbers) is done at once on the calling
 * thread; the work is enqueued. Pages hold 64 positions of all layers and are reference-counted; a shared page is copied before it is
 * written. Tentative row i of a sequence takes the place of position committed + i, so commit is an ascending copy in place.
 */
class Session {
 public:
  /** `pages`: size of the pool. A sequence never holds more than max_tokens committed tokens. */
  Session(std::shared_ptr<Model> model, int max_sequences, int64_t max_tokens, int64_t pages, WeightType kv_type);
  ~Session();

  int32_t open();
  int32_t fork(int32_t from);  // of what is committed
  void close(int32_t sequence);
  int64_t length(int32_t sequence) const;
  /** Reserves pages first: throws Error(kCapacity) before anything has changed. */
  Forward forward(const Rows& rows, const std::vector<int>& taps);
  /** Keeps rows `paths` [sequences, max_depth] (ascending row numbers, root first, -1 padded) and forgets all other tentative rows. Empty paths: forgets all. */
  void commit(const std::vector<int32_t>& sequences, const std::vector<int32_t>& paths, int max_depth);
  /** Forgets the tentative rows too. */
  void truncate(int32_t sequence, int64_t length);
  /**
   * Whether the rows of an empty sequence are to turn by the rotary tables for long texts. One table serves a whole sequence: whoever goes on
   * beyond Description::long_from starts again from 0. Forks inherit it.
   */
  void set_long(int32_t sequence, bool is_long);
  bool is_long(int32_t sequence) const;

  int64_t used_pages() const;
  int64_t total_pages() const;
  const std::shared_ptr<Model>& model() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace foretoken
