#include "adjustments.h"

#include <algorithm>
#include <limits>

namespace foretoken {
namespace {

constexpr float kNothing = -std::numeric_limits<float>::infinity();

}  // namespace

RowAdjustments::RowAdjustments(const ChoiceSpec& spec) : spec_(spec), of_row_(spec.row_sampler.size(), nullptr) {
  const auto adjusts = [](const Sampler& sampler) { return sampler.adjustments != nullptr; };
  if (std::none_of(spec.samplers.begin(), spec.samplers.end(), adjusts)) return;
  for (const Sampler& sampler : spec.samplers) of_sampler_.push_back(adjusts(sampler) ? entries_of(*sampler.adjustments) : Entries());
  extended_.resize(of_row_.size());
  for (size_t row = 0; row < of_row_.size(); row++) {
    const Sampler& sampler = spec.sampler_of(static_cast<int64_t>(row));
    if (!adjusts(sampler)) continue;
    of_row_[row] = &of_sampler_[static_cast<size_t>(spec.row_sampler[row])];
    if (sampler.adjustments->penalises() && extend(static_cast<int64_t>(row), extended_[row])) of_row_[row] = &extended_[row];
  }
}

RowAdjustments::Entries RowAdjustments::entries_of(const Adjustments& a) {
  Entries all;
  for (size_t i = 0; i < a.seen.size() && a.penalises(); i++) all.push_back({a.seen[i], a.counts[i], true, false, 0});
  for (size_t i = 0; i < a.bias_ids.size(); i++) all.push_back({a.bias_ids[i], 0, false, false, a.biases[i]});
  for (int32_t token : a.banned) all.push_back({token, 0, false, true, 0});
  std::stable_sort(all.begin(), all.end(), [](const Entry& x, const Entry& y) { return x.token < y.token; });
  Entries merged;
  for (const Entry& each : all) {
    if (merged.empty() || merged.back().token != each.token) {
      merged.push_back(each);
      continue;
    }
    Entry& same = merged.back();
    same.count += each.count;
    same.seen |= each.seen;
    same.banned |= each.banned;
    same.bias += each.bias;
  }
  return merged;
}

RowAdjustments::Entry& RowAdjustments::entry_of(Entries& entries, int32_t token) {
  const auto at = std::lower_bound(entries.begin(), entries.end(), token, [](const Entry& entry, int32_t wanted) { return entry.token < wanted; });
  if (at != entries.end() && at->token == token) return *at;
  Entry fresh;
  fresh.token = token;
  return *entries.insert(at, fresh);
}

// Absent rows may have any parent: nothing is chosen after them, so it only matters that the walk ends.
bool RowAdjustments::extend(int64_t row, Entries& entries) const {
  if (!spec_.tree_tokens.buffer) return false;
  const int32_t* tokens = spec_.tree_tokens.i32();
  const int32_t* parents = spec_.tree_parents.i32();
  int64_t at = row;
  if (parents[at] < 0 || parents[at] >= at) return false;
  entries = *of_row_[static_cast<size_t>(row)];
  for (; parents[at] >= 0 && parents[at] < at; at = parents[at]) {
    if (tokens[at] < 0) continue;
    Entry& entry = entry_of(entries, tokens[at]);
    entry.count++;
    entry.seen = true;
  }
  return true;
}

void RowAdjustments::change(int64_t row, float* logits, int count, int first_token) const {
  const Adjustments& a = *spec_.sampler_of(row).adjustments;
  const bool bans = static_cast<int64_t>(spec_.position_of(row)) < a.banned_before;
  const Entries& entries = *of_row_[static_cast<size_t>(row)];
  auto entry = std::lower_bound(entries.begin(), entries.end(), first_token, [](const Entry& each, int32_t token) { return each.token < token; });
  for (; entry != entries.end() && entry->token - first_token < count; ++entry) {
    float& logit = logits[entry->token - first_token];
    if (entry->seen) logit = logit < 0 ? logit * a.repetition : logit / a.repetition;
    logit -= a.frequency * static_cast<float>(entry->count);
    if (entry->count > 0) logit -= a.presence;
    logit += entry->bias;
    if (bans && entry->banned) logit = kNothing;
  }
}

}  // namespace foretoken
