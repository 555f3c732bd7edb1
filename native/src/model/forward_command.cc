#include "forward_command.h"

#include <algorithm>
#include <cstring>

namespace foretoken {

void ForwardCommand::run() {
  for (const PageCopy& copy : copies) memory->copy_page(copy.from, copy.to, copy.positions);
  Pass pass;
  pass.memory = memory.get();
  pass.hidden = result.hidden.f32();
  pass.taps = tap_layers.empty() ? nullptr : result.taps.f32();
  pass.tap_layers = tap_layers;
  pass.states = states ? states->f32() : nullptr;
  pass.rows.reserve(part_of_row.size());
  *result.refused.i32() = 0;
  resolve_known(pass);  // first: tentative rows of the same pass attend to them
  resolve_tentative(pass);
  flight.land();
  clear_absent();
  model->transformer().run(pass);
}

void ForwardCommand::resolve_known(Pass& pass) {
  if (known.empty()) return;
  const int32_t* ids = tokens.i32();
  const int32_t vocab = model->description().vocab_size;
  std::vector<int64_t> next(parts.size());
  for (size_t i = 0; i < parts.size(); i++) next[i] = parts[i].committed;
  for (size_t i = 0; i < part_of_row.size(); i++) {
    if (!is_known(i)) continue;
    const SequencePart& part = parts[part_of_row[i]];
    const int64_t position = next[part_of_row[i]]++;
    // Its place is committed already, so a token that does not exist is computed as a zero embedding.
    const int32_t token = ids[i] >= 0 && ids[i] < vocab ? ids[i] : -1;
    if (token < 0) ++*result.refused.i32();
    result.tokens.i32()[i] = token;
    result.positions.i32()[i] = static_cast<int32_t>(position);
    pass.rows.push_back({token, static_cast<int32_t>(i), position, position, part.pages.data(), position + 1, 0, 0, part.is_long});
  }
}

void ForwardCommand::resolve_tentative(Pass& pass) {
  const int32_t* ids = tokens.i32();
  const int32_t* given_parents = parents ? parents->i32() : nullptr;
  const int32_t vocab = model->description().vocab_size;
  for (size_t i = 0; i < part_of_row.size(); i++) {
    if (is_known(i)) continue;
    const SequencePart& part = parts[part_of_row[i]];
    const int32_t number = part.rows->count();
    const int32_t parent = given_parents != nullptr ? given_parents[i] : number - 1;
    const bool given = ids[i] != -1;
    const bool bad = ids[i] < -1 || ids[i] >= vocab || parent < -1 || parent >= number;
    if (given && bad) ++*result.refused.i32();
    const bool absent = !given || bad || (parent >= 0 && part.rows->depth(parent) < 0);
    const int32_t depth = absent ? -1 : parent < 0 ? 0 : part.rows->depth(parent) + 1;
    part.rows->append(absent ? -1 : parent, depth);
    const int64_t base = part.committed + part.known, position = base + depth;
    result.tokens.i32()[i] = absent ? -1 : ids[i];
    result.positions.i32()[i] = absent ? -1 : static_cast<int32_t>(position);
    if (absent) continue;
    const int run_begin = static_cast<int>(pass.runs.size());
    add_ancestors(pass, part, number);
    const int run_count = static_cast<int>(pass.runs.size()) - run_begin;
    pass.rows.push_back({ids[i], static_cast<int32_t>(i), position, base + number, part.pages.data(), base, run_begin, run_count, part.is_long});
  }
}

// Appends the places of a row's ancestors and its own, in position order; neighbours within a page become one run.
void ForwardCommand::add_ancestors(Pass& pass, const SequencePart& part, int32_t row) const {
  const int64_t base = part.committed + part.known;
  const size_t begin = pass.runs.size();
  for (int32_t at = row; at >= 0; at = part.rows->parent(at)) {
    const int64_t place = base + at;
    PlaceRun* last = pass.runs.size() > begin ? &pass.runs.back() : nullptr;
    const bool joins = last != nullptr && last->place == place + 1 && last->place % kPagePositions != 0;
    if (joins) *last = {place, last->count + 1};
    else pass.runs.push_back({place, 1});
  }
  std::reverse(pass.runs.begin() + static_cast<std::ptrdiff_t>(begin), pass.runs.end());
}

void ForwardCommand::clear_absent() const {
  const size_t width = static_cast<size_t>(model->description().hidden_size), tap_width = width * tap_layers.size();
  for (size_t i = 0; i < part_of_row.size(); i++) {
    if (result.tokens.i32()[i] >= 0 || is_known(i)) continue;
    std::fill_n(result.hidden.f32() + i * width, width, 0.0f);
    if (tap_width > 0) std::fill_n(result.taps.f32() + i * tap_width, tap_width, 0.0f);
  }
}

void CommitCommand::run() {
  const Description& d = model->description();
  int64_t moves = 0;
  for (const auto& path : paths) moves += static_cast<int64_t>(path.size());
  const int64_t bytes_per_layer = moves * 2 * d.kv_heads * static_cast<int64_t>(memory->row_bytes());
  constexpr int64_t kBytesPerShare = 1 << 16;
  model->device().pool().parallel_for(d.layers, kBytesPerShare / (bytes_per_layer + 1) + 1, [&](int64_t begin, int64_t end) {
    for (int64_t layer = begin; layer < end; layer++) {
      for (size_t i = 0; i < parts.size(); i++) {
        for (size_t j = 0; j < paths[i].size(); j++) {
          // Ascending: the target is never after the source, and never a row that is still to be moved.
          const int64_t from = parts[i].committed + paths[i][j], to = parts[i].committed + static_cast<int64_t>(j);
          if (from == to) continue;
          memory->copy_position(static_cast<int>(layer), parts[i].pages[from / kPagePositions], static_cast<int>(from % kPagePositions),
                                parts[i].pages[to / kPagePositions], static_cast<int>(to % kPagePositions));
        }
      }
    }
  });
  for (const SequencePart& part : parts) part.rows->forget();
}

}  // namespace foretoken
