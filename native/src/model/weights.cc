// Loading runs the same plan twice: once to check every tensor and count bytes, once to hand out memory and collect what to fill.
#include "weights.h"

#include <cstring>
#include <set>
#include <unordered_map>

#include "error.h"
#include "mapped_file.h"

namespace foretoken {
namespace {

std::string text_of(const std::vector<int64_t>& shape) {
  std::string text = "[";
  for (size_t i = 0; i < shape.size(); i++) text += (i > 0 ? ", " : "") + std::to_string(shape[i]);
  return text + "]";
}

/** Finds tensors by name and checks them. Each file is mapped once. */
class Sources {
 public:
  explicit Sources(const std::map<std::string, TensorSource>& tensors) : tensors_(tensors) {}

  bool has(const std::string& name) const { return tensors_.count(name) > 0; }

  struct Found {
    const std::byte* data;
    Stored stored;
  };
  Found take(const std::string& name, const std::vector<int64_t>& expected) {
    const auto found = tensors_.find(name);
    if (found == tensors_.end()) throw Error(kCheckpoint, "tensor \"" + name + "\" " + text_of(expected) + " is missing");
    const TensorSource& source = found->second;
    if (source.shape != expected) {
      throw Error(kCheckpoint, "tensor \"" + name + "\" in " + source.file + " has shape " + text_of(source.shape) + ", expected " + text_of(expected));
    }
    used_.insert(name);
    return {map_range(name, source), source.stored};
  }

  // A tensor that nothing reads is a name that somebody misspelt.
  void refuse_unused() const {
    for (const auto& [name, source] : tensors_) {
      if (used_.count(name) == 0) throw Error(kCheckpoint, "tensor \"" + name + "\" in " + source.file + " has no place in this model");
    }
  }

 private:
  const std::byte* map_range(const std::string& name, const TensorSource& source) {
    auto& file = files_[source.file];
    if (!file) file = std::make_unique<MappedFile>(source.file);
    size_t bytes = source.stored == Stored::f32 ? 4 : 2;
    for (int64_t axis : source.shape) bytes *= static_cast<size_t>(axis);  // equal to the expected shape, which is bounded
    const size_t size = file->bytes();
    if (source.offset < 0 || static_cast<size_t>(source.offset) > size || bytes > size - static_cast<size_t>(source.offset)) {
      throw Error(kCheckpoint, "tensor \"" + name + "\" needs " + std::to_string(bytes) + " bytes at offset " + std::to_string(source.offset) +
                                   ", but " + source.file + " ends at " + std::to_string(size));
    }
    return file->data() + source.offset;
  }

  const std::map<std::string, TensorSource>& tensors_;
  std::unordered_map<std::string, std::unique_ptr<MappedFile>> files_;
  std::set<std::string> used_;
};

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

/** A piece of work that fills memory, cut into independent parts. */
struct Fill {
  int64_t parts;
  std::function<void(int64_t begin, int64_t end)> run;
};

struct Part {
  const char* name;
  int outputs;
};

class Loader {
 public:
  Loader(const CpuKernels& kernels, const Description& description, Sources& sources, WeightType type, Arena& arena)
      : kernels_(kernels), d_(description), sources_(sources), type_(type), arena_(arena) {}

  Model::Weights plan() {
    Model::Weights w;
    w.type = type_;
    w.embedding = embedding();
    for (int i = 0; i < d_.layers; i++) w.layers.push_back(layer("layers." + std::to_string(i) + "."));
    if (d_.final_norm) w.final_norm = vector("finalNorm", d_.hidden_size);
    w.head = project("", {{sources_.has("head") ? "head" : "embedding", d_.vocab_size}}, d_.hidden_size, false);
    return w;
  }

  std::vector<Fill> fills;

 private:
  LayerWeights layer(const std::string& prefix) {
    LayerWeights w;
    const int queries = d_.heads * d_.head_dim, keys = d_.kv_heads * d_.head_dim;
    if (d_.pre_norm) w.attention_norm = vector(prefix + "attentionNorm", d_.hidden_size);
    w.qkv = project(prefix, {{"q", queries}, {"k", keys}, {"v", keys}}, d_.hidden_size, true);
    if (d_.qk_norm != Description::QkNorm::none) {
      const bool head = d_.qk_norm == Description::QkNorm::head;
      w.q_norm = vector(prefix + "qNorm", head ? d_.head_dim : queries);
      w.k_norm = vector(prefix + "kNorm", head ? d_.head_dim : keys);
    }
    w.o = project(prefix, {{"o", d_.hidden_size}}, queries, true);
    if (d_.post_norm) w.attention_post_norm = vector(prefix + "attentionPostNorm", d_.hidden_size);
    if (d_.pre_norm) w.mlp_norm = vector(prefix + "mlpNorm", d_.hidden_size);
    w.gate_up = project(prefix, {{"gate", d_.intermediate_size}, {"up", d_.intermediate_size}}, d_.hidden_size, true);
    w.down = project(prefix, {{"down", d_.hidden_size}}, d_.intermediate_size, true);
    if (d_.post_norm) w.mlp_post_norm = vector(prefix + "mlpPostNorm", d_.hidden_size);
    return w;
  }

  Projection project(const std::string& prefix, const std::vector<Part>& parts, int inputs, bool may_have_bias) {
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
    auto* packed = static_cast<std::byte*>(arena_.take(packed_bytes(type_, blocks * kBlock, inputs)));
    projection.matrix = {type_, outputs, inputs, blocks, (inputs + 31) / 32 * 32, packed};
    auto* bias = biased ? static_cast<float*>(arena_.take(sizeof(float) * static_cast<size_t>(blocks) * kBlock)) : nullptr;
    projection.bias = bias;
    if (bias != nullptr) std::memset(bias, 0, sizeof(float) * static_cast<size_t>(blocks) * kBlock);
    const size_t block_bytes = packed_bytes(type_, kBlock, inputs);
    for (size_t i = 0; i < parts.size(); i++) {
      const int first = projection.columns[i];
      pack(prefix + parts[i].name, parts[i].outputs, inputs, packed == nullptr ? nullptr : packed + block_bytes * static_cast<size_t>(first / kBlock));
      const std::string bias_name = prefix + parts[i].name + ".bias";
      if (biased && sources_.has(bias_name)) unpack(bias_name, parts[i].outputs, bias == nullptr ? nullptr : bias + first);
    }
    return projection;
  }

  void pack(const std::string& name, int outputs, int inputs, void* packed) {
    const auto [data, stored] = sources_.take(name, {outputs, inputs});
    if (packed == nullptr) return;
    fills.push_back({(outputs + 31) / 32, [=, type = type_, data = data, stored = stored](int64_t begin, int64_t end) {
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
    if (values != nullptr) unpack_row(type_, data, stored, 0, count, values);
  }

  const void* embedding() {
    const auto [data, stored] = sources_.take("embedding", {d_.vocab_size, d_.hidden_size});
    const auto width = static_cast<size_t>(d_.hidden_size);
    const size_t row_bytes = width * (type_ == WeightType::f32 ? 4 : 2);
    auto* table = static_cast<std::byte*>(arena_.take(row_bytes * static_cast<size_t>(d_.vocab_size)));
    if (table == nullptr) return nullptr;
    fills.push_back({d_.vocab_size, [=, data = data, stored = stored](int64_t begin, int64_t end) {
      std::vector<float> row(width);
      for (int64_t i = begin; i < end; i++) {
        std::byte* out = table + row_bytes * static_cast<size_t>(i);
        unpack_row(type_, data, stored, i, d_.hidden_size, row.data());
        if (type_ == WeightType::f32) std::memcpy(out, row.data(), row_bytes);
        else kernels_.to_bf16(row.data(), d_.hidden_size, reinterpret_cast<uint16_t*>(out));
      }
    }});
    return table;
  }

  const CpuKernels& kernels_;
  const Description& d_;
  Sources& sources_;
  const WeightType type_;
  Arena& arena_;
};

}  // namespace

Model::Weights load_weights(Device& device, const Description& description, const std::map<std::string, TensorSource>& tensors, WeightType type) {
  Sources sources(tensors);
  Arena arena;
  Loader(device.kernels(), description, sources, type, arena).plan();
  sources.refuse_unused();
  const auto memory = std::make_shared<Buffer>(arena.used);
  arena = {static_cast<std::byte*>(memory->data()), 0};
  Loader loader(device.kernels(), description, sources, type, arena);
  Model::Weights weights = loader.plan();
  weights.memory = memory;
  for (const Fill& fill : loader.fills) device.pool().parallel_for(fill.parts, 8, fill.run);
  return weights;
}

}  // namespace foretoken
