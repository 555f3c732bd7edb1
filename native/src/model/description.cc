#include "description.h"

#include <cmath>
#include <string>

#include "error.h"

namespace foretoken {
namespace {

[[noreturn]] void refuse(const std::string& field, const std::string& came, const std::string& expected) {
  throw Error(kShape, "model description: " + field + " is " + came + ", expected " + expected);
}

// Sizes are limited so that every product below fits an int.
void check_size(const char* field, int64_t value, int64_t limit) {
  if (value < 1 || value > limit) refuse(field, std::to_string(value), "1 to " + std::to_string(limit));
}

void check_number(const char* field, float value, bool positive) {
  if (!std::isfinite(value) || (positive && value <= 0)) refuse(field, std::to_string(value), positive ? "a positive number" : "a number");
}

void check_rope(const Rope& rope, size_t index, int head_dim) {
  const std::string field = "ropes[" + std::to_string(index) + "]";
  const size_t size = rope.inverse_frequencies.size();
  if (size < 1 || size > static_cast<size_t>(head_dim / 2)) {
    refuse(field + ".inverseFrequencies", std::to_string(size) + " long", "1 to headDim / 2 = " + std::to_string(head_dim / 2) + " numbers");
  }
  for (double frequency : rope.inverse_frequencies) {
    if (!std::isfinite(frequency)) refuse(field + ".inverseFrequencies", std::to_string(frequency), "finite numbers");
  }
  if (!rope.long_inverse_frequencies.empty() && rope.long_inverse_frequencies.size() != size) {
    refuse(field + ".longInverseFrequencies", std::to_string(rope.long_inverse_frequencies.size()) + " long", std::to_string(size) + " numbers, as many as inverseFrequencies");
  }
  for (double frequency : rope.long_inverse_frequencies) {
    if (!std::isfinite(frequency)) refuse(field + ".longInverseFrequencies", std::to_string(frequency), "finite numbers");
  }
  if (!std::isfinite(rope.scale)) refuse(field + ".scale", std::to_string(rope.scale), "a number");
}

void check_experts(const Description& d) {
  bool any = false;
  for (const LayerDescription& layer : d.layer) any = any || layer.experts;
  if (!any) return;
  check_size("experts", d.experts, 1 << 16);
  check_size("expertsPerToken", d.experts_per_token, d.experts);
  check_size("expertSize", d.expert_size, 1 << 24);
}

void check_layer(const LayerDescription& layer, size_t index, size_t ropes, bool takes_state) {
  const std::string field = "layer[" + std::to_string(index) + "]";
  if (layer.rope < -1 || layer.rope >= static_cast<int>(ropes)) {
    refuse(field + ".rope", std::to_string(layer.rope), "-1 or an index into " + std::to_string(ropes) + " rotary tables");
  }
  if (layer.sliding_window < 0) refuse(field + ".slidingWindow", std::to_string(layer.sliding_window), "0 or more");
  if (layer.joined && !takes_state) refuse(field + ".joined", "true", "false: the residual stream of this model does not begin with a state");
}

}  // namespace

void check_description(const Description& d) {
  constexpr int64_t kMaxWidth = 1 << 24;
  check_size("layers", d.layers, 4096);
  check_size("hiddenSize", d.hidden_size, kMaxWidth);
  check_size("headDim", d.head_dim, 4096);
  check_size("heads", d.heads, 4096);
  check_size("kvHeads", d.kv_heads, 4096);
  check_size("intermediateSize", d.intermediate_size, kMaxWidth);
  check_size("vocabSize", d.vocab_size, kMaxWidth);
  check_size("maxPositions", d.max_positions, INT32_MAX);
  if (d.heads % d.kv_heads != 0) refuse("heads", std::to_string(d.heads), "a multiple of kvHeads = " + std::to_string(d.kv_heads));
  check_number("normEps", d.norm_eps, false);
  if (d.norm_eps < 0) refuse("normEps", std::to_string(d.norm_eps), "0 or more");
  check_number("normWeightOffset", d.norm_weight_offset, false);
  check_number("attentionScale", d.attention_scale, false);
  check_number("embeddingScale", d.embedding_scale, false);
  check_number("residualScale", d.residual_scale, false);
  check_number("logitScale", d.logit_scale, false);
  if (d.attention_soft_cap != 0) check_number("attentionSoftCap", d.attention_soft_cap, true);
  if (d.logit_soft_cap != 0) check_number("logitSoftCap", d.logit_soft_cap, true);
  for (size_t i = 0; i < d.ropes.size(); i++) check_rope(d.ropes[i], i, d.head_dim);
  if (d.long_from < 0 || d.long_from > INT32_MAX) refuse("longFrom", std::to_string(d.long_from), "0 to " + std::to_string(INT32_MAX));
  if (d.head_size < -1 || d.head_size > kMaxWidth) refuse("headSize", std::to_string(d.head_size), "0 to " + std::to_string(kMaxWidth));
  if (d.inputs != Description::Inputs::pair && (d.embedding_norm || d.state_norm)) refuse("inputs", "not a pair", "a pair where one of its halves has a norm");
  if (d.layer.size() != static_cast<size_t>(d.layers)) {
    refuse("layer", std::to_string(d.layer.size()) + " long", "one entry for each of " + std::to_string(d.layers) + " layers");
  }
  check_experts(d);
  for (size_t i = 0; i < d.layer.size(); i++) check_layer(d.layer[i], i, d.ropes.size(), d.inputs == Description::Inputs::state);
}

}  // namespace foretoken
