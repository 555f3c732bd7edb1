// Reads a model's description and the places of its weights from JavaScript objects.
#include <cmath>
#include <utility>

#include "model_object.h"

namespace foretoken::addon {
namespace {

/** The fields of one object. */
class Fields {
 public:
  Fields(Place place, const Napi::Value& value) : place_(std::move(place)), object_(object_of(place_, value)) {}
  Napi::Value get(const char* key) const { return object_.Get(key); }
  bool has(const char* key) const { return !get(key).IsUndefined(); }
  Place place(const char* key) const { return place_.field(key); }
  int64_t integer(const char* key, int64_t least, int64_t most = INT32_MAX) const { return integer_of(place(key), get(key), least, most); }
  int size(const char* key) const { return static_cast<int>(integer(key, 1)); }
  bool boolean(const char* key) const { return boolean_of(place(key), get(key)); }
  bool boolean(const char* key, bool fallback) const { return has(key) ? boolean(key) : fallback; }
  double finite(const char* key) const {
    const double number = number_of(place(key), get(key));
    if (!std::isfinite(number)) refuse(place(key), "a finite number", get(key));
    return number;
  }
  float real(const char* key) const { return static_cast<float>(finite(key)); }

 private:
  Place place_;
  Napi::Object object_;
};

std::vector<Rope> ropes_of(const Place& place, const Napi::Value& value) {
  const Napi::Array array = array_of(place, value);
  std::vector<Rope> ropes;
  for (uint32_t i = 0; i < array.Length(); i++) {
    const Fields fields(place.item(i), array.Get(i));
    Rope rope;
    rope.inverse_frequencies = numbers_of(fields.place("inverseFrequencies"), fields.get("inverseFrequencies"));
    rope.scale = fields.finite("scale");
    if (fields.has("longInverseFrequencies")) rope.long_inverse_frequencies = numbers_of(fields.place("longInverseFrequencies"), fields.get("longInverseFrequencies"));
    ropes.push_back(std::move(rope));
  }
  return ropes;
}

std::vector<LayerDescription> layers_of(const Place& place, const Napi::Value& value, const Description& description) {
  const Napi::Array array = array_of(place, value);
  if (array.Length() != static_cast<uint32_t>(description.layers)) {
    throw Error(kShape, std::string(place.call) + ": " + place.name + " has " + std::to_string(array.Length()) + " entries for " + std::to_string(description.layers) + " layers");
  }
  std::vector<LayerDescription> layers;
  for (uint32_t i = 0; i < array.Length(); i++) {
    const Fields fields(place.item(i), array.Get(i));
    LayerDescription layer;
    layer.rope = static_cast<int>(fields.integer("rope", -1, static_cast<int64_t>(description.ropes.size()) - 1));
    layer.sliding_window = static_cast<int>(fields.integer("slidingWindow", 0));
    layer.joined = fields.boolean("joined", false);
    layer.experts = fields.boolean("experts", false);
    layers.push_back(layer);
  }
  return layers;
}

void read_experts(const Fields& fields, Description& d) {
  d.experts = fields.size("count");
  d.experts_per_token = fields.size("perToken");
  d.expert_size = fields.size("size");
  d.experts_share_whole = fields.boolean("shareWhole");
}

}  // namespace

Description description_of(const Place& place, const Napi::Value& value) {
  const Fields fields(place, value);
  Description d;
  d.layers = static_cast<int>(fields.integer("layers", 0, 1 << 16));
  d.hidden_size = fields.size("hiddenSize");
  d.head_dim = fields.size("headDim");
  d.heads = fields.size("heads");
  d.kv_heads = fields.size("kvHeads");
  d.intermediate_size = fields.size("intermediateSize");
  d.vocab_size = fields.size("vocabSize");
  d.max_positions = fields.integer("maxPositions", 1, int64_t{1} << 40);
  d.norm_eps = fields.real("normEps");
  d.norm_weight_offset = fields.real("normWeightOffset");
  d.activation = static_cast<Activation>(choice_of(fields.place("activation"), fields.get("activation"), {"silu", "gelu", "geluTanh"}));
  d.attention_scale = fields.real("attentionScale");
  d.attention_soft_cap = fields.real("attentionSoftCap");
  d.logit_soft_cap = fields.real("logitSoftCap");
  d.embedding_scale = fields.real("embeddingScale");
  d.residual_scale = fields.real("residualScale");
  d.logit_scale = fields.real("logitScale");
  d.pre_norm = fields.boolean("preNorm");
  d.post_norm = fields.boolean("postNorm");
  d.qk_norm = static_cast<Description::QkNorm>(choice_of(fields.place("qkNorm"), fields.get("qkNorm"), {"none", "head", "all"}));
  d.final_norm = fields.boolean("finalNorm");
  if (fields.has("inputs")) d.inputs = static_cast<Description::Inputs>(choice_of(fields.place("inputs"), fields.get("inputs"), {"token", "state", "pair"}));
  d.embedding_norm = fields.boolean("embeddingNorm", false);
  d.state_norm = fields.boolean("stateNorm", false);
  d.input_norm = fields.boolean("inputNorm", true);
  d.normed_residual = fields.boolean("normedResidual", false);
  if (fields.has("headSize")) d.head_size = static_cast<int>(fields.integer("headSize", 0));
  if (fields.has("longFrom")) d.long_from = fields.integer("longFrom", 0);
  if (fields.has("experts")) read_experts(Fields(fields.place("experts"), fields.get("experts")), d);
  d.ropes = ropes_of(fields.place("ropes"), fields.get("ropes"));
  d.layer = layers_of(fields.place("layer"), fields.get("layer"), d);
  return d;
}

std::map<std::string, TensorSource> sources_of(const Place& place, const Napi::Value& value) {
  const Napi::Object object = object_of(place, value);
  std::map<std::string, TensorSource> sources;
  const Napi::Array names = object.GetPropertyNames();
  for (uint32_t i = 0; i < names.Length(); i++) {
    const std::string name = names.Get(i).ToString();
    const Fields fields({place.call, place.name + "[\"" + name + "\"]"}, object.Get(name));
    TensorSource source;
    source.file = string_of(fields.place("file"), fields.get("file"));
    source.stored = static_cast<Stored>(choice_of(fields.place("dtype"), fields.get("dtype"), {"f32", "bf16", "f16"}));
    source.offset = fields.integer("offset", 0, int64_t{1} << 53);
    source.shape = shape_of(fields.place("shape"), fields.get("shape"));
    sources.emplace(name, std::move(source));
  }
  return sources;
}

}  // namespace foretoken::addon
