#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "cpu_kernels.h"
#include "device.h"
#include "sampling.h"
#include "tensor.h"

namespace foretoken {

class Transformer;

/** One rotary table: cos and sin of position * inverse_frequencies[i], times `scale`. It rotates the first 2 * size values of a head. */
struct Rope {
  std::vector<double> inverse_frequencies;
  double scale = 1;
  std::vector<double> long_inverse_frequencies;  // of texts longer than Description::long_from; empty: the same
};

/** One layer's particulars. */
struct LayerDescription {
  int rope = 0;            // index into Description::ropes, -1: no positions
  int sliding_window = 0;  // positions seen, the own one included; 0: all
  /** Its attention reads [norm(embedding), norm(residual stream)], 2 * hidden wide, in place of the normed stream alone. Only where states come in. */
  bool joined = false;
  bool experts = false;  // its feed-forward part is one of experts
};

/** What a decoder is made of, in neutral terms. TypeScript derives it from config.json; nothing here names a model family. */
struct Description {
  int layers = 0, hidden_size = 0, head_dim = 0, heads = 0, kv_heads = 0, intermediate_size = 0, vocab_size = 0;
  int64_t max_positions = 0;
  float norm_eps = 0;
  float norm_weight_offset = 0;     // 1 where the norm multiplies by 1 + weight
  Activation activation = Activation::silu;
  float attention_scale = 0;        // multiplies query · key
  float attention_soft_cap = 0, logit_soft_cap = 0;  // 0: none
  float embedding_scale = 1, residual_scale = 1, logit_scale = 1;
  /** Where norms stand: before attention and MLP, after them (on their output, before the residual is added), or both. */
  bool pre_norm = true, post_norm = false;
  enum class QkNorm { none, head, all } qk_norm = QkNorm::none;  // RMSNorm of q and k per head, or over the whole projection
  bool final_norm = true;
  /**
   * Where the residual stream begins: with the token's embedding; with a state that comes beside the token; or with a projection of
   * [embedding, state], each of the two normed before it where `embedding_norm` and `state_norm` say so.
   */
  enum class Inputs { token, state, pair } inputs = Inputs::token;
  bool embedding_norm = false, state_norm = false;
  bool input_norm = true;       // whether the attention of the first layer has the pre-norm that the others have
  bool normed_residual = false; // joined layers: the stream goes on from norm(stream)
  int head_size = -1;           // logits of the head; -1: vocab_size, 0: there is no head
  int head_outputs() const { return head_size < 0 ? vocab_size : head_size; }
  int64_t long_from = 0;        // texts of more tokens turn by the tables for long texts, from their first token on; 0: there are none
  /** Layers of experts: how many there are, how many each row runs, their inner width, and whether the shares of those add up to 1 or are those among all. */
  int experts = 0, experts_per_token = 0, expert_size = 0;
  bool experts_share_whole = true;
  std::vector<Rope> ropes;
  std::vector<LayerDescription> layer;  // one per layer
};

/** Where a tensor's bytes lie: a range of a file that the runtime maps itself. Row-major [shape]; any alignment. */
struct TensorSource {
  std::string file;
  Stored stored = Stored::f32;
  int64_t offset = 0;
  std::vector<int64_t> shape;
};

/**
 * Weights and description. Neutral tensor names: `embedding`, `head` (absent: tied to the embedding), `finalNorm`, and per layer N
 * `layers.N.` + `attentionNorm`, `mlpNorm` (pre), `attentionPostNorm`, `mlpPostNorm` (post), `q`, `k`, `v`, `o`, `gate`, `up`, `down`,
 * each of these seven with an optional `….bias`, and `qNorm`, `kNorm`. Layers of experts have, in place of `gate`, `up`, `down`, a `router`
 * [experts, hidden] and `experts.E.` + `gate`, `up`, `down` for each expert E, without biases. Where states come in: `inputProjection` [hidden, 2 * hidden] with an
 * optional `….bias`, `embeddingNorm`, `stateNorm`; joined layers have `embeddingNorm` and `stateNorm` of their own in place of `attentionNorm`.
 */
class Model : public std::enable_shared_from_this<Model> {
 public:
  /** Maps the files, checks ranges and shapes, packs. Runs on the calling thread (the device thread); throws Error(kCheckpoint | kShape). */
  static std::shared_ptr<Model> load(Device& device, Description description, const std::map<std::string, TensorSource>& tensors, WeightType type);
  /**
   * A model of tensors on the device. `shared`: its embedding stands in where `tensors` has none, and is not copied. Checks on the calling
   * thread, Error(kShape); packing is enqueued.
   */
  static std::shared_ptr<Model> create(Device& device, Description description, const std::map<std::string, Tensor>& tensors, WeightType type,
                                       const std::shared_ptr<Model>& shared);
  ~Model();

  const Description& description() const;
  WeightType type() const;
  /** Bytes of packed weights. */
  int64_t bytes() const;

  /** `[rows]` i32 → rows of the embedding table, unscaled, `[rows, hidden]` f32; a bad token gives zeros. Enqueued. */
  Tensor embed(const Tensor& tokens);
  /** `[rows, hidden]` f32 → final logits `[rows, head_outputs]` f32. Enqueued. */
  Tensor head(const Tensor& hidden);
  /**
   * The choice of this model after each row, `[rows]` i32; `positions` `[rows]` i32 are those of the chosen tokens minus `position_offset`.
   * A row at a negative position is absent: -1, at no cost. Enqueued.
   */
  Tensor choose(const Tensor& hidden, const ChoiceSpec& spec);
  /** Milliseconds of one pass (all layers and the head with choice, without attention over a context) for each row count. Runs on the device thread. */
  std::vector<double> measure(const std::vector<int>& row_counts);

  Device& device();
  struct Weights;
  const Weights& weights() const;
  /** For the device thread only. */
  Transformer& transformer();

 private:
  Model();
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace foretoken
