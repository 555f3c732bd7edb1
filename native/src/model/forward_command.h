#pragma once
#include <memory>
#include <optional>
#include <vector>

#include "kv_memory.h"
#include "session.h"
#include "tentative_rows.h"
#include "transformer.h"

namespace foretoken {

/** The first `positions` positions of a shared page, to be copied before the sequence writes behind them. */
struct PageCopy {
  int32_t from, to;
  int positions;
};

/** What a command needs to know of one sequence, as it stood when the command was enqueued. */
struct SequencePart {
  std::shared_ptr<TentativeRows> rows;
  std::vector<int32_t> pages;
  int64_t committed = 0;  // before this pass
  int64_t known = 0;      // known rows of this pass
  bool is_long = false;   // turns by the tables for long texts
};

/** One forward on the device thread: turns tokens and parents into positions, places and runs of keys, then computes the present rows. */
struct ForwardCommand {
  std::shared_ptr<Model> model;
  std::shared_ptr<KvMemory> memory;
  std::vector<PageCopy> copies;
  std::vector<SequencePart> parts;
  std::vector<int32_t> part_of_row;  // [rows]
  std::vector<uint8_t> known;        // [rows] or empty
  Tensor tokens;
  std::optional<Tensor> states, parents;
  std::vector<int> tap_layers;
  Forward result;
  Flight flight;

  void run();

 private:
  void resolve_known(Pass& pass);
  void resolve_tentative(Pass& pass);
  void add_ancestors(Pass& pass, const SequencePart& part, int32_t row) const;
  void clear_absent() const;
  bool is_known(size_t row) const { return !known.empty() && known[row] != 0; }
};

/** Moves the rows of accepted paths into the places that follow what is committed, and forgets all tentative rows. */
struct CommitCommand {
  std::shared_ptr<Model> model;
  std::shared_ptr<KvMemory> memory;
  std::vector<SequencePart> parts;
  std::vector<std::vector<int32_t>> paths;  // one per part, row numbers

  void run();
};

}  // namespace foretoken
