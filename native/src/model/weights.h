#pragma once
#include <memory>
#include <vector>

#include "model.h"

namespace foretoken {

/** Matrices that read the same input, packed side by side: each part begins on a block of outputs, and each output keeps its own sum. */
struct Projection {
  PackedMatrix matrix;
  std::vector<int> columns;      // where the outputs of each part begin
  const float* bias = nullptr;   // [stride()], 0 where a part has none; nullptr where none has
  int stride() const { return matrix.blocks * kBlockOutputs; }
  static constexpr int kBlockOutputs = 32;
};

/** Norm weights are nullptr where the description has no such norm. */
struct LayerWeights {
  Projection qkv, o, gate_up, down;
  const float *attention_norm = nullptr, *mlp_norm = nullptr;            // [hidden]
  const float *attention_post_norm = nullptr, *mlp_post_norm = nullptr;  // [hidden]
  const float *q_norm = nullptr, *k_norm = nullptr;                      // [head_dim] or the whole projection
};

/** Everything a forward pass reads, in one block of memory. */
struct Model::Weights {
  std::vector<LayerWeights> layers;
  Projection head;
  const float* final_norm = nullptr;
  const void* embedding = nullptr;  // [vocab, hidden] row-major, in `type`
  WeightType type = WeightType::f32;
  std::shared_ptr<Buffer> memory;
};

/** Maps the files, checks every tensor's range and shape, packs. The files are unmapped again. Throws Error(kCheckpoint). */
Model::Weights load_weights(Device& device, const Description& description, const std::map<std::string, TensorSource>& tensors, WeightType type);

}  // namespace foretoken
