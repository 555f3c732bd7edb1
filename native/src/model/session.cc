#include "session.h"

#include <algorithm>
#include <string>
#include <unordered_map>

#include "error.h"
#include "forward_command.h"
#include "page_pool.h"

namespace foretoken {
namespace {

struct Sequence {
  int64_t committed = 0, tentative = 0;
  bool is_long = false;
  std::vector<int32_t> pages;
  std::shared_ptr<TentativeRows> rows = std::make_shared<TentativeRows>();
};

/** What one forward asks of one sequence. */
struct Demand {
  int32_t id;
  Sequence* sequence;
  int64_t known = 0, tentative = 0;
  int64_t first_write() const { return sequence->committed + sequence->tentative; }
  int64_t end() const { return first_write() + known + tentative; }
};

int64_t pages_for(int64_t positions) { return (positions + kPagePositions - 1) / kPagePositions; }

void check_rows(const char* field, const Tensor& tensor, size_t rows) {
  if (tensor.dtype == DType::i32 && tensor.count() == static_cast<int64_t>(rows)) return;
  throw Error(kShape, std::string("forward: ") + field + " holds " + std::to_string(tensor.count()) + " values of " + name_of(tensor.dtype) +
                          ", expected " + std::to_string(rows) + " of i32, one per row");
}

void check_states(const Rows& rows, const Description& description) {
  if (description.inputs == Description::Inputs::token) {
    if (rows.states) throw Error(kShape, "forward: the model reads tokens alone, but states came");
    return;
  }
  const auto count = static_cast<int64_t>(rows.sequences.size());
  const std::string expected = ", expected f32 [" + std::to_string(count) + ", " + std::to_string(description.hidden_size) + "], one state per row";
  if (!rows.states) throw Error(kShape, "forward: states are missing" + expected);
  const Tensor& states = *rows.states;
  const bool fits = states.dtype == DType::f32 && !states.shape.empty() && states.shape.back() == description.hidden_size && states.rows() == count;
  if (!fits) {
    throw Error(kShape, std::string("forward: states holds ") + std::to_string(states.rows()) + " rows of " + std::to_string(states.shape.empty() ? 0 : states.shape.back()) +
                            " values of " + name_of(states.dtype) + expected);
  }
}

}  // namespace

struct Session::Impl {
  std::shared_ptr<Model> model;
  int max_sequences;
  int64_t max_tokens;
  PagePool pool;
  std::shared_ptr<KvMemory> memory;
  std::unordered_map<int32_t, Sequence> sequences;
  int32_t next_id = 0;

  Sequence& at(const char* op, int32_t id) {
    const auto found = sequences.find(id);
    if (found == sequences.end()) throw Error(kShape, std::string(op) + ": sequence " + std::to_string(id) + " is not open");
    return found->second;
  }

  int32_t add(Sequence sequence) {
    if (sequences.size() >= static_cast<size_t>(max_sequences)) {
      throw Error(kCapacity, "all " + std::to_string(max_sequences) + " sequences of the session are open; close one, or create the session with more");
    }
    sequences.emplace(next_id, std::move(sequence));
    return next_id++;
  }

  void keep_pages(Sequence& sequence, int64_t positions) {
    const auto keep = static_cast<size_t>(pages_for(positions));
    for (; sequence.pages.size() > keep; sequence.pages.pop_back()) pool.release(sequence.pages.back());
  }

  void check_forward(const Rows& rows, const std::vector<int>& taps) const;
  std::vector<Demand> demands(const Rows& rows, std::vector<int32_t>& part_of_row);
  void check_pages(const std::vector<Demand>& demands) const;
  SequencePart reserve(const Demand& demand, std::vector<PageCopy>& copies);
  std::vector<int32_t> checked_path(int32_t id, const Sequence& sequence, const int32_t* path, int max_depth) const;
};

Session::Session(std::shared_ptr<Model> model, int max_sequences, int64_t max_tokens, int64_t pages, WeightType kv_type) {
  const auto check = [](const char* field, int64_t value) {
    if (value >= 1 && value <= INT32_MAX) return;
    throw Error(kShape, std::string("session: ") + field + " is " + std::to_string(value) + ", expected 1 to " + std::to_string(INT32_MAX));
  };
  check("maxSequences", max_sequences);
  check("maxTokens", max_tokens);
  check("pages", pages);
  const Description& d = model->description();
  auto memory = std::make_shared<KvMemory>(d.layers, d.kv_heads, d.head_dim, kv_type, pages);
  impl_.reset(new Impl{std::move(model), max_sequences, max_tokens, PagePool(pages), std::move(memory), {}});
}

Session::~Session() = default;

int32_t Session::open() { return impl_->add({}); }

int32_t Session::fork(int32_t from) {
  const Sequence& source = impl_->at("fork", from);
  Sequence copy;
  copy.committed = source.committed;
  copy.is_long = source.is_long;
  copy.pages.assign(source.pages.begin(), source.pages.begin() + pages_for(source.committed));
  const std::vector<int32_t> pages = copy.pages;
  const int32_t id = impl_->add(std::move(copy));
  for (int32_t page : pages) impl_->pool.share(page);
  return id;
}

void Session::close(int32_t sequence) {
  impl_->keep_pages(impl_->at("close", sequence), 0);
  impl_->sequences.erase(sequence);
}

int64_t Session::length(int32_t sequence) const { return impl_->at("length", sequence).committed; }

void Session::Impl::check_forward(const Rows& rows, const std::vector<int>& taps) const {
  const size_t count = rows.sequences.size();
  check_rows("tokens", rows.tokens, count);
  if (rows.parents) check_rows("parents", *rows.parents, count);
  if (!rows.known.empty() && rows.known.size() != count) {
    throw Error(kShape, "forward: known is " + std::to_string(rows.known.size()) + " long, expected one entry for each of " + std::to_string(count) + " rows");
  }
  check_states(rows, model->description());
  const int layers = model->description().layers;
  for (int tap : taps) {
    if (tap < 0 || tap > layers) throw Error(kShape, "forward: tap " + std::to_string(tap) + ", expected 0 to " + std::to_string(layers));
  }
}

// One demand per sequence, in order of appearance; part_of_row says which is whose.
std::vector<Demand> Session::Impl::demands(const Rows& rows, std::vector<int32_t>& part_of_row) {
  std::vector<Demand> demands;
  std::unordered_map<int32_t, int32_t> index;
  for (size_t i = 0; i < rows.sequences.size(); i++) {
    const int32_t id = rows.sequences[i];
    const auto [found, is_new] = index.emplace(id, static_cast<int32_t>(demands.size()));
    if (is_new) demands.push_back({id, &at("forward", id)});
    Demand& demand = demands[found->second];
    (!rows.known.empty() && rows.known[i] != 0 ? demand.known : demand.tentative)++;
    part_of_row.push_back(found->second);
  }
  for (const Demand& demand : demands) {
    const std::string name = "forward: sequence " + std::to_string(demand.id);
    if (demand.known == 0) continue;
    if (demand.sequence->tentative > 0) {
      throw Error(kShape, name + " got known rows while " + std::to_string(demand.sequence->tentative) + " tentative rows wait for their commit");
    }
    const int64_t length = demand.sequence->committed + demand.known;
    if (length > max_tokens) throw Error(kShape, name + " would hold " + std::to_string(length) + " tokens, more than its limit of " + std::to_string(max_tokens));
  }
  return demands;
}

void Session::Impl::check_pages(const std::vector<Demand>& demands) const {
  int64_t needed = 0;
  std::unordered_map<int32_t, int32_t> writers;  // of shared pages: all but the last holder get copies
  for (const Demand& demand : demands) {
    const auto have = static_cast<int64_t>(demand.sequence->pages.size());
    needed += std::max<int64_t>(0, pages_for(demand.end()) - have);
    for (int64_t i = demand.first_write() / kPagePositions; i < have; i++) {
      const int32_t page = demand.sequence->pages[i];
      if (pool.holders(page) > 1 && ++writers[page] < pool.holders(page)) needed++;
    }
  }
  if (needed <= pool.unused()) return;
  throw Error(kCapacity, "forward needs " + std::to_string(needed) + " more pages of KV memory (" + std::to_string(kPagePositions) + " positions each), but " +
                             std::to_string(pool.unused()) + " of " + std::to_string(pool.total()) +
                             " are free; retry when other sequences have finished, or create the session with more pages");
}

// Gives the sequence pages of its own for all it is about to write, and commits its known rows.
SequencePart Session::Impl::reserve(const Demand& demand, std::vector<PageCopy>& copies) {
  Sequence& sequence = *demand.sequence;
  for (int64_t page = demand.first_write() / kPagePositions; page < static_cast<int64_t>(sequence.pages.size()); page++) {
    const int32_t from = sequence.pages[page];
    if (pool.holders(from) == 1) continue;
    const int32_t to = pool.take();
    copies.push_back({from, to, static_cast<int>(std::clamp<int64_t>(demand.first_write() - page * kPagePositions, 0, kPagePositions))});
    pool.release(from);
    sequence.pages[page] = to;
  }
  while (static_cast<int64_t>(sequence.pages.size()) < pages_for(demand.end())) sequence.pages.push_back(pool.take());
  SequencePart part{sequence.rows, sequence.pages, sequence.committed, demand.known, sequence.is_long};
  sequence.committed += demand.known;
  sequence.tentative += demand.tentative;
  return part;
}

Forward Session::forward(const Rows& rows, const std::vector<int>& taps) {
  impl_->check_forward(rows, taps);
  auto command = std::make_shared<ForwardCommand>();
  const std::vector<Demand> demands = impl_->demands(rows, command->part_of_row);
  impl_->check_pages(demands);
  const auto count = static_cast<int64_t>(rows.sequences.size());
  const int64_t width = impl_->model->description().hidden_size;
  command->result = {Tensor::make(DType::f32, {count, width}), Tensor::make(DType::i32, {count}), Tensor::make(DType::i32, {count}),
                     Tensor::make(DType::i32, {1}), {}};
  if (!taps.empty()) command->result.taps = Tensor::make(DType::f32, {count, width * static_cast<int64_t>(taps.size())});
  for (const Demand& demand : demands) {
    command->parts.push_back(impl_->reserve(demand, command->copies));
    if (demand.tentative > 0) command->flight.launch(demand.sequence->rows);
  }
  command->model = impl_->model;
  command->memory = impl_->memory;
  command->known = rows.known;
  command->tokens = rows.tokens;
  command->states = rows.states;
  command->parents = rows.parents;
  command->tap_layers = taps;
  Forward result = command->result;
  impl_->model->device().enqueue("forward", [command = std::move(command)] { command->run(); });
  return result;
}

// The row numbers of one path, after every check that needs no memory of the device but who is absent.
std::vector<int32_t> Session::Impl::checked_path(int32_t id, const Sequence& sequence, const int32_t* path, int max_depth) const {
  const std::string name = "commit: sequence " + std::to_string(id);
  int length = 0;
  while (length < max_depth && path[length] != -1) length++;
  int32_t before = -1;
  for (int i = 0; i < max_depth; before = path[i++]) {
    if (i >= length && path[i] != -1) throw Error(kShape, name + ": row " + std::to_string(path[i]) + " follows the end of its path");
    if (i >= length) continue;
    if (path[i] < 0 || path[i] >= sequence.tentative) {
      throw Error(kShape, name + " has no tentative row " + std::to_string(path[i]) + "; " + std::to_string(sequence.tentative) + " wait");
    }
    if (path[i] <= before) throw Error(kShape, name + ": row " + std::to_string(path[i]) + " follows row " + std::to_string(before) + ", expected ascending rows");
  }
  if (sequence.committed + length > max_tokens) {
    throw Error(kShape, name + " would hold " + std::to_string(sequence.committed + length) + " tokens, more than its limit of " + std::to_string(max_tokens));
  }
  int at = 0;
  if (const char* fault = length > 0 ? sequence.rows->fault_of(path, length, &at) : nullptr) {
    throw Error(kShape, name + ": row " + std::to_string(path[at]) + " " + fault);
  }
  return {path, path + length};
}

void Session::commit(const std::vector<int32_t>& sequences, const std::vector<int32_t>& paths, int max_depth) {
  if (!paths.empty() && (max_depth < 1 || paths.size() != sequences.size() * static_cast<size_t>(max_depth))) {
    throw Error(kShape, "commit: paths holds " + std::to_string(paths.size()) + " rows, expected " + std::to_string(sequences.size()) + " paths of " + std::to_string(max_depth));
  }
  std::vector<int32_t> sorted = sequences;
  std::sort(sorted.begin(), sorted.end());
  const auto twice = std::adjacent_find(sorted.begin(), sorted.end());
  if (twice != sorted.end()) throw Error(kShape, "commit: sequence " + std::to_string(*twice) + " occurs twice");
  auto command = std::make_shared<CommitCommand>();
  for (size_t i = 0; i < sequences.size(); i++) {
    const Sequence& sequence = impl_->at("commit", sequences[i]);
    const int depth = paths.empty() ? 0 : max_depth;
    command->paths.push_back(impl_->checked_path(sequences[i], sequence, paths.data() + i * static_cast<size_t>(depth), depth));
    command->parts.push_back({sequence.rows, sequence.pages, sequence.committed, 0, sequence.is_long});
  }
  for (size_t i = 0; i < sequences.size(); i++) {
    Sequence& sequence = impl_->at("commit", sequences[i]);
    sequence.committed += static_cast<int64_t>(command->paths[i].size());
    sequence.tentative = 0;
    impl_->keep_pages(sequence, sequence.committed);
  }
  command->model = impl_->model;
  command->memory = impl_->memory;
  impl_->model->device().enqueue("commit", [command = std::move(command)] { command->run(); });
}

void Session::truncate(int32_t sequence, int64_t length) {
  Sequence& at = impl_->at("truncate", sequence);
  if (length < 0 || length > at.committed) {
    throw Error(kShape, "truncate: sequence " + std::to_string(sequence) + " to " + std::to_string(length) + ", expected 0 to " + std::to_string(at.committed) + ", its length");
  }
  if (at.tentative > 0) impl_->model->device().enqueue("truncate", [rows = at.rows] { rows->forget(); });
  at.committed = length;
  at.tentative = 0;
  impl_->keep_pages(at, length);
}

void Session::set_long(int32_t sequence, bool is_long) {
  Sequence& at = impl_->at("setLong", sequence);
  if (at.is_long == is_long) return;
  if (is_long && impl_->model->description().long_from == 0) throw Error(kShape, "setLong: the model has no rotary table for long texts");
  if (at.committed + at.tentative > 0) {
    throw Error(kShape, "setLong: sequence " + std::to_string(sequence) + " holds " + std::to_string(at.committed + at.tentative) + " rows turned by the other table; truncate it to 0 first");
  }
  at.is_long = is_long;
}

bool Session::is_long(int32_t sequence) const { return impl_->at("isLong", sequence).is_long; }

int64_t Session::used_pages() const { return impl_->pool.used(); }
int64_t Session::total_pages() const { return impl_->pool.total(); }
const std::shared_ptr<Model>& Session::model() const { return impl_->model; }

}  // namespace foretoken
