// Loading runs the same plan twice: once to check every tensor and count bytes, once to hand out memory and collect what to fill.
#include "weights.h"

#include <algorithm>
#include <cstring>

#include "weight_sources.h"

namespace foretoken {
namespace {

/** Hands out 64-byte aligned pieces of one block; without a block it only counts. */
struct Arena {
  std::byte* base = nullptr;
  size_t used = 0;
  void* take(size_t bytes) {
    std::byte* piece = base == nullptr ? nullptr : base + used;
    used += (bytes + 63) / 64 * 64;
    return piece;
  }
};

struct Part {
  const char* name;
  int outputs;
};

class Loader {
 public:
  /** `shared`: the embedding where the sources have none; may be nullptr. */
  Loader(const CpuKernels& kernels, const Description& description, WeightSources& sources, WeightType type, Arena& arena, const void* shared = nullptr)
      : kernels_(kernels), d_(description), sources_(sources), type_(type), arena_(arena), shared_(shared) {}

  Model::Weights plan() {
    Model::Weights w;
    w.type = type_;
    if (reads_embedding()) w.embedding = shared_ != nullptr && !sources_.has("embedding") ? shared_ : embedding();
    if (d_.inputs == Description::Inputs::pair) {
      if (d_.embedding_norm) w.embedding_norm = vector("embeddingNorm", d_.hidden_size);
      if (d_.state_norm) w.state_norm = vector("stateNorm", d_.hidden_size);
      w.input = project("", {{"inputProjection", d_.hidden_size}}, 2 * d_.hidden_size, true);
    }
    for (int i = 0; i < d_.layers; i++) w.layers.push_back(layer(i));
    if (d_.final_norm) w.final_norm = vector("finalNorm", d_.hidden_size);
    if (d_.head_outputs() > 0) w.head = project("", {{sources_.has("head") ? "head" : "embedding", d_.head_outputs()}}, d_.hidden_size, false);
    return w;
  }

  std::vector<Fill> fills;

 private:
  bool reads_embedding() const {
    if (d_.inputs != Description::Inputs::state) return true;
    return std::any_of(d_.layer.begin(), d_.layer.end(), [](const LayerDescription& layer) { return layer.joined; });
  }

  LayerWeights layer(int index) {
    const std::string prefix = "layers." + std::to_string(index) + ".";
    const bool joined = d_.layer[index].joined;
    LayerWeights w;
    const int queries = d_.heads * d_.head_dim, keys = d_.kv_heads * d_.head_dim;
    if (joined) {
      w.embedding_norm = vector(prefix + "embeddingNorm", d_.hidden_size);
      w.state_norm = vector(prefix + "stateNorm", d_.hidden_size);
    } else if (d_.pre_norm && (index > 0 || d_.input_norm)) {
      w.attention_norm = vector(prefix + "attentionNorm", d_.hidden_size);
    }
    w.qkv = project(prefix, {{"q", queries}, {"k", keys}, {"v", keys}}, joined ? 2 * d_.hidden_size : d_.hidden_size, true);
    if (d_.qk_norm != Description::QkNorm::none) {
      const bool head = d_.qk_norm == Description::QkNorm::head;
      w.q_norm = vector(prefix + "qNorm", head ? d_.head_dim : queries);
      w.k_norm = vector(prefix + "kNorm", head ? d_.head_dim : keys);
    }
    w.o = project(prefix, {{"o", d_.hidden_size}}, queries, true);
    if (d_.post_norm) w.attention_post_norm = vector(prefix + "attentionPostNorm", d_.hidden_size);
    if (d_.pre_norm) w.mlp_norm = vector(prefix + "mlpNorm", d_.hidden_size);
    if (d_.layer[index].experts) {
      w.experts = experts(prefix);
    } else {
      w.gate_up = project(prefix, {{"gate", d_.intermediate_size}, {"up", d_.intermediate_size}}, d_.hidden_size, true);
      w.down = project(prefix, {{"down", d_.hidden_size}}, d_.intermediate_size, true);
    }
    if (d_.post_norm) w.mlp_post_norm = vector(prefix + "mlpPostNorm", d_.hidden_size);
    return w;
  }

  ExpertWeights experts(const std::string& prefix) {
    ExpertWeights w;
    w.router = project(prefix, {{"router", d_.experts}}, d_.hidden_size, false, WeightType::f32);
    for (int i = 0; i < d_.experts; i++) {
      const std::string expert = prefix + "experts." + std::to_string(i) + ".";
      w.gate_up.push_back(project(expert, {{"gate", d_.expert_size}, {"up", d_.expert_size}}, d_.hidden_size, false));
      w.down.push_back(project(expert, {{"down", d_.hidden_size}}, d_.expert_size, false));
    }
    return w;
  }

  Projection project(const std::string& prefix, const std::vector<Part>& parts, int inputs, bool may_have_bias) {
    return project(prefix, parts, inputs, may_have_bias, type_);
  }

  Projection project(const std::string& prefix, const std::vector<Part>& parts, int inputs, bool may_have_bias, WeightType type) {
    constexpr int kBlock = Projection::kBlockOutputs;
    Projection projection;
    int blocks = 0;
    bool biased = false;
    for (const Part& part : parts) {
      projection.columns.push_back(blocks * kBlock);
      blocks += (part.outputs + kBlock - 1) / kBlock;
      biased = biased || (may_have_bias && sources_.has(prefix + part.name + ".bias"));
    }
    const int outputs = parts.size() == 1 ? parts[0].outputs : blocks * kBlock;
    auto* packed = static_cast<std::byte*>(arena_.take(packed_bytes(type, blocks * kBlock, inputs)));
    projection.matrix = {type, outputs, inputs, blocks, (inputs + 31) / 32 * 32, packed};
    auto* bias = biased ? static_cast<float*>(arena_.take(sizeof(float) * static_cast<size_t>(blocks) * kBlock)) : nullptr;
    projection.bias = bias;
    if (bias != nullptr) std::memset(bias, 0, sizeof(float) * static_cast<size_t>(blocks) * kBlock);  // nobody reads it before the fills have run
    const size_t block_bytes = packed_bytes(type, kBlock, inputs);
    for (size_t i = 0; i < parts.size(); i++) {
      const int first = projection.columns[i];
      pack(type, prefix + parts[i].name, parts[i].outputs, inputs, packed == nullptr ? nullptr : packed + block_bytes * static_cast<size_t>(first / kBlock));
      const std::string bias_name = prefix + parts[i].name + ".bias";
      if (biased && sources_.has(bias_name)) unpack(bias_name, parts[i].outputs, bias == nullptr ? nullptr : bias + first);
    }
    return projection;
  }

  void pack(WeightType type, const std::string& name, int outputs, int inputs, void* packed) {
    const auto [data, stored] = sources_.take(name, {outputs, inputs});
    if (packed == nullptr) return;
    fills.push_back({(outputs + 31) / 32, [=, data = data, stored = stored](int64_t begin, int64_t end) {
      pack_matrix(type, data, stored, outputs, inputs, static_cast<int>(begin), static_cast<int>(end), packed);
    }});
  }

  const float* vector(const std::string& name, int count) {
    auto* values = static_cast<float*>(arena_.take(sizeof(float) * static_cast<size_t>(count)));
    unpack(name, count, values);
    return values;
  }

  void unpack(const std::string& name, int count, float* values) {
    const auto [data, stored] = sources_.take(name, {count});
    if (values == nullptr) return;
    fills.push_back({1, [=, type = type_, data = data, stored = stored](int64_t, int64_t) { unpack_row(type, data, stored, 0, count, values); }});
  }

  const void* embedding() {
    const auto [data, stored] = sources_.take("embedding", {d_.vocab_size, d_.hidden_size});
    const auto width = static_cast<size_t>(d_.hidden_size);
    const size_t row_bytes = width * (type_ == WeightType::f32 ? 4 : 2);
    auto* table = static_cast<std::byte*>(arena_.take(row_bytes * static_cast<size_t>(d_.vocab_size)));
    if (table == nullptr) return nullptr;
    fills.push_back({d_.vocab_size, [=, type = type_, kernels = &kernels_, data = data, stored = stored](int64_t begin, int64_t end) {
      std::vector<float> row(width);
      for (int64_t i = begin; i < end; i++) {
        std::byte* out = table + row_bytes * static_cast<size_t>(i);
        unpack_row(type, data, stored, i, static_cast<int>(width), row.data());
        if (type == WeightType::f32) std::memcpy(out, row.data(), row_bytes);
        else kernels->to_bf16(row.data(), static_cast<int>(width), reinterpret_cast<uint16_t*>(out));
      }
    }});
    return table;
  }

  const CpuKernels& kernels_;
  const Description& d_;
  WeightSources& sources_;
  const WeightType type_;
  Arena& arena_;
  const void* shared_;
};

/** Runs the plan twice. */
Model::Weights weights_from(WeightSources& sources, Device& device, const Description& description, WeightType type, const void* shared, std::vector<Fill>& fills) {
  Arena arena;
  Loader(device.kernels(), description, sources, type, arena, shared).plan();
  sources.refuse_unused();
  const auto memory = std::make_shared<Buffer>(arena.used);
  arena = {static_cast<std::byte*>(memory->data()), 0};
  Loader loader(device.kernels(), description, sources, type, arena, shared);
  Model::Weights weights = loader.plan();
  weights.memory = memory;
  fills = std::move(loader.fills);
  return weights;
}

}  // namespace

Model::Weights load_weights(Device& device, const Description& description, const std::map<std::string, TensorSource>& tensors, WeightType type) {
  FileSources sources(tensors);
  std::vector<Fill> fills;
  Model::Weights weights = weights_from(sources, device, description, type, nullptr, fills);
  run_fills(device, fills);
  return weights;
}

Model::Weights plan_weights(Device& device, const Description& description, const std::map<std::string, Tensor>& tensors, WeightType type, const void* embedding,
                            std::vector<Fill>& fills) {
  TensorSources sources(tensors);
  return weights_from(sources, device, description, type, embedding, fills);
}

void run_fills(Device& device, const std::vector<Fill>& fills) {
  for (const Fill& fill : fills) device.pool().parallel_for(fill.parts, 8, fill.run);
}

}  // namespace foretoken
