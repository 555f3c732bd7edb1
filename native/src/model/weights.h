#pragma once
#include <functional>
#include <memory>
#include <vector>

#include "model.h"

namespace foretoken {

/** Matrices that read the same input, packed side by side: each part begins on a block of outputs, and each output keeps its own sum. */
struct Projection {
  PackedMatrix matrix = {};
  std::vector<int> columns;      // where the outputs of each part begin
  const float* bias = nullptr;   // [stride()], 0 where a part has none; nullptr where none has
  int stride() const { return matrix.blocks * kBlockOutputs; }
  static constexpr int kBlockOutputs = 32;
};

/** Experts of one layer. Empty where it has none. */
struct ExpertWeights {
  Projection router;  // always f32
  std::vector<Projection> gate_up, down;
};

/** Norm weights are nullptr where the description has no such norm. */
struct LayerWeights {
  Projection qkv, o, gate_up, down;
  ExpertWeights experts;  // in place of gate_up and down
  const float *embedding_norm = nullptr, *state_norm = nullptr;          // [hidden]; of joined layers, in place of attention_norm
  const float *attention_norm = nullptr, *mlp_norm = nullptr;            // [hidden]
  const float *attention_post_norm = nullptr, *mlp_post_norm = nullptr;  // [hidden]
  const float *q_norm = nullptr, *k_norm = nullptr;                      // [head_dim] or the whole projection
};

/** Everything a forward pass reads, in one block of memory. */
struct Model::Weights {
  std::vector<LayerWeights> layers;
  Projection input;                                              // [hidden, 2 * hidden] of a pair
  const float *embedding_norm = nullptr, *state_norm = nullptr;  // [hidden]
  Projection head;                                               // no blocks: there is no head
  const float* final_norm = nullptr;
  const void* embedding = nullptr;  // [vocab, hidden] row-major, in `type`
  WeightType type = WeightType::f32;
  std::shared_ptr<Buffer> memory, shared;  // its own, and that of the model whose embedding it shares
};

/** Maps the files, checks every tensor's range and shape, packs. The files are unmapped again. Throws Error(kCheckpoint). */
Model::Weights load_weights(Device& device, const Description& description, const std::map<std::string, TensorSource>& tensors, WeightType type);

/** A piece of work that fills memory, cut into independent parts. */
struct Fill {
  int64_t parts;
  std::function<void(int64_t begin, int64_t end)> run;
};

/**
 * The same from tensors on the device, to be packed once they are computed: nothing is read before `fills` run, on the device thread.
 * `embedding` (nullptr: none) is that of another model with as many tokens, as wide and in the same type, which owns it.
 * Throws Error(kShape).
 */
Model::Weights plan_weights(Device& device, const Description& description, const std::map<std::string, Tensor>& tensors, WeightType type, const void* embedding,
                            std::vector<Fill>& fills);
/** On the device thread. */
void run_fills(Device& device, const std::vector<Fill>& fills);

}  // namespace foretoken
