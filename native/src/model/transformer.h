#pragma once
#include <cstdint>
#include <vector>

#include "experts.h"
#include "kv_memory.h"
#include "rope_tables.h"
#include "scratch.h"
#include "weights.h"

namespace foretoken {

/** Consecutive places within one page. A place is page number in the sequence's table * 64 + position in the page. */
struct PlaceRun {
  int64_t place;
  int count;
};

/** One present row. Its keys are the places [0, committed), then its runs; the last of all is its own. */
struct PassRow {
  int32_t token;  // -1: the embedding is zero
  int32_t out;    // row of the results
  int64_t position, place;
  const int32_t* pages;  // page table of its sequence
  int64_t committed;
  int run_begin, run_count;  // in Pass::runs
  bool is_long;              // turns by the tables for long texts
};

/** Rows to compute, ordered so that whatever a row attends to is committed, or stands before it. */
struct Pass {
  std::vector<PassRow> rows;
  std::vector<PlaceRun> runs;
  const KvMemory* memory = nullptr;
  const float* states = nullptr;  // [.., hidden], at PassRow::out, where the model takes states
  float* hidden = nullptr;  // [.., hidden] after the final norm
  float* taps = nullptr;    // [.., tap_layers * hidden]
  std::vector<int> tap_layers;
};

/**
 * The decoder: embedding, layers, final norm. Runs on the device thread. Each row's arithmetic depends on that row and on the stored
 * keys and values it attends to, nothing else: work is split over rows and outputs, never within a sum.
 */
class Transformer {
 public:
  Transformer(Device& device, const Description& description, const Model::Weights& weights);

  void run(const Pass& pass);
  /** One layer on `rows` scratch rows without attention, for timing. */
  void run_layer_without_attention(int layer, int rows);
  /** out[n] = the token's embedding, unscaled; zeros for a token that does not exist. */
  void embed(int32_t token, float* out) const;

 private:
  struct Tile {
    const Pass* pass = nullptr;
    const PassRow* rows = nullptr;
    int count = 0;
  };
  void reserve(int rows);
  void run_tile(const Tile& tile);
  void enter(const Tile& tile);
  void embed_rows(const Tile& tile, float* out);
  void layer(const Tile& tile, int index);
  void attention_in(int rows, int index);
  void attention_out(int rows, int index);
  void feed_forward(int rows, int index);
  void leave(const Tile& tile);
  void copy_taps(const Tile& tile, int index);

  void join_and_pack(int rows, const float* states, const float* embedding_norm, const float* state_norm, const PackedMatrix& next);
  void norm_or_copy(const float* x, const float* norm, float* out);
  void norm_and_pack(int rows, const float* norm, const PackedMatrix& next);
  void pack_row(const float* x, int64_t stride, int rows, int row, const PackedMatrix& next);
  void project(const Projection& projection, int rows, float* out);
  void store_keys(const Tile& tile, int index, int row);
  void turn_heads(float* values, const float* norm, int heads, const RopeTable* rope, int64_t position);
  void attend(const Tile& tile, int index);
  void attend_head(const Tile& tile, int index, int row, int head, std::vector<KvRun>& runs);
  void add_to_residual(const Projection& projection, const float* post_norm, int row);
  void run_experts(int rows, int index);
  void add_to_residual(const float* bias, int64_t stride, const float* post_norm, int row);
  const RopeTable* rope_of(int index, bool is_long) const;
  void each_row(int rows, int width, const std::function<void(int)>& body);

  Device& device_;
  const CpuKernels& kernels_;
  const Description& d_;
  const Model::Weights& w_;
  std::vector<RopeTable> ropes_, long_ropes_;  // the latter empty, or one for each of the former
  Experts experts_;
  std::vector<std::vector<KvRun>> thread_runs_;
  bool keeps_embeddings_ = false;  // beside the residual stream
  Scratch<float> residual_memory_, normed_memory_, qkv_memory_, attention_memory_, out_memory_, gate_up_memory_, embedded_memory_, joined_memory_;
  Scratch<std::byte> packed_memory_;
  float *residual_ = nullptr, *normed_ = nullptr, *qkv_ = nullptr, *attention_ = nullptr, *out_ = nullptr, *gate_up_ = nullptr;
  float *embedded_ = nullptr, *joined_ = nullptr;  // [rows, hidden], [rows, 2 * hidden]
  std::byte* packed_ = nullptr;
};

}  // namespace foretoken
