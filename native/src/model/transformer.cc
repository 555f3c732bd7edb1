#include "transformer.h"

#include <algorithm>
#include <cstring>

namespace foretoken {
namespace {

// Rows that pass through all layers together. More would only make scratch memory and packed activations leave the caches.
constexpr int kTileRows = 128;
// Below these amounts of work a fork costs more than it brings (one element: a few operations; one product: one multiply-add).
constexpr int64_t kElementsPerShare = 8192;
constexpr int64_t kProductsPerShare = 65536;

float from_bf16(uint16_t bits) {
  const uint32_t wide = static_cast<uint32_t>(bits) << 16;
  float value;
  std::memcpy(&value, &wide, sizeof value);
  return value;
}

}  // namespace

Transformer::Transformer(Device& device, const Description& description, const Model::Weights& weights)
    : device_(device), kernels_(device.kernels()), d_(description), w_(weights), experts_(device, description, weights.type), thread_runs_(device.pool().size()) {
  for (const Rope& rope : d_.ropes) {
    ropes_.emplace_back(rope.inverse_frequencies, rope.scale);
    if (d_.long_from > 0) long_ropes_.emplace_back(rope.long_inverse_frequencies.empty() ? rope.inverse_frequencies : rope.long_inverse_frequencies, rope.scale);
  }
  keeps_embeddings_ = d_.inputs == Description::Inputs::pair;
  for (const LayerDescription& layer : d_.layer) keeps_embeddings_ = keeps_embeddings_ || layer.joined;
}

void Transformer::run(const Pass& pass) {
  int64_t positions = 0, long_positions = 0;
  for (const PassRow& row : pass.rows) {
    int64_t& most = row.is_long ? long_positions : positions;
    most = std::max(most, row.position + 1);
  }
  for (RopeTable& rope : ropes_) rope.grow(positions, device_.pool());
  for (RopeTable& rope : long_ropes_) rope.grow(long_positions, device_.pool());
  const int rows = static_cast<int>(pass.rows.size());
  for (int begin = 0; begin < rows; begin += kTileRows) {
    run_tile({&pass, pass.rows.data() + begin, std::min(kTileRows, rows - begin)});
  }
}

void Transformer::run_layer_without_attention(int layer, int rows) {
  reserve(rows);
  // Rows that differ, so that they choose different experts.
  for (size_t i = 0; i < static_cast<size_t>(rows) * d_.hidden_size; i++) residual_[i] = static_cast<float>(static_cast<uint32_t>(i) * 2654435761u) * 0x1p-32f - 0.5f;
  std::fill_n(attention_, static_cast<size_t>(rows) * d_.heads * d_.head_dim, 0.5f);
  if (keeps_embeddings_) std::fill_n(embedded_, static_cast<size_t>(rows) * d_.hidden_size, 0.5f);
  attention_in(rows, layer);
  attention_out(rows, layer);
  feed_forward(rows, layer);
}

void Transformer::embed(int32_t token, float* out) const {
  const int width = d_.hidden_size;
  if (token < 0 || token >= d_.vocab_size) {
    std::fill_n(out, width, 0.0f);
  } else if (w_.type == WeightType::f32) {
    std::memcpy(out, static_cast<const float*>(w_.embedding) + static_cast<int64_t>(token) * width, sizeof(float) * width);
  } else {
    const uint16_t* row = static_cast<const uint16_t*>(w_.embedding) + static_cast<int64_t>(token) * width;
    for (int i = 0; i < width; i++) out[i] = from_bf16(row[i]);
  }
}

void Transformer::reserve(int rows) {
  const auto count = static_cast<size_t>(rows);
  int64_t qkv = 0, out = 0, gate_up = 0;
  size_t packed = 0;
  for (const LayerWeights& w : w_.layers) {
    qkv = std::max<int64_t>(qkv, w.qkv.stride());
    out = std::max<int64_t>(out, std::max(w.o.stride(), w.down.stride()));
    gate_up = std::max<int64_t>(gate_up, w.gate_up.stride());
    for (const Projection* each : {&w.qkv, &w.o, &w.gate_up, &w.down}) {
      packed = std::max(packed, kernels_.activation_bytes(w_.type, rows, each->matrix.k_padded));
    }
  }
  residual_ = residual_memory_.at_least(count * d_.hidden_size);
  normed_ = normed_memory_.at_least(count * d_.hidden_size);
  qkv_ = qkv_memory_.at_least(count * qkv);
  attention_ = attention_memory_.at_least(count * d_.heads * d_.head_dim);
  out_ = out_memory_.at_least(count * std::max<int64_t>(out, keeps_embeddings_ ? w_.input.stride() : 0));
  gate_up_ = gate_up_memory_.at_least(count * gate_up);
  if (keeps_embeddings_) {
    embedded_ = embedded_memory_.at_least(count * d_.hidden_size);
    joined_ = joined_memory_.at_least(2 * count * d_.hidden_size);
    packed = std::max(packed, kernels_.activation_bytes(w_.type, rows, (2 * d_.hidden_size + 31) / 32 * 32));
  }
  packed_ = packed_memory_.at_least(packed);
}

void Transformer::run_tile(const Tile& tile) {
  reserve(tile.count);
  enter(tile);
  for (int index = 0; index < d_.layers; index++) layer(tile, index);
  leave(tile);
}

// Begins the residual stream.
void Transformer::enter(const Tile& tile) {
  const int width = d_.hidden_size;
  if (d_.inputs == Description::Inputs::token) return embed_rows(tile, residual_);
  if (keeps_embeddings_) embed_rows(tile, embedded_);
  each_row(tile.count, width, [&](int row) {
    std::memcpy(residual_ + static_cast<int64_t>(row) * width, tile.pass->states + static_cast<int64_t>(tile.rows[row].out) * width, sizeof(float) * width);
  });
  if (d_.inputs == Description::Inputs::state) return;
  join_and_pack(tile.count, residual_, w_.embedding_norm, w_.state_norm, w_.input.matrix);
  project(w_.input, tile.count, out_);
  each_row(tile.count, width, [&](int row) {
    float* x = residual_ + static_cast<int64_t>(row) * width;
    std::memcpy(x, out_ + static_cast<int64_t>(row) * w_.input.stride(), sizeof(float) * width);
    if (w_.input.bias != nullptr) kernels_.add_scaled(w_.input.bias, 1, width, x);
  });
}

void Transformer::embed_rows(const Tile& tile, float* out) {
  each_row(tile.count, d_.hidden_size, [&](int row) {
    float* x = out + static_cast<int64_t>(row) * d_.hidden_size;
    embed(tile.rows[row].token, x);
    if (d_.embedding_scale != 1) {
      for (int i = 0; i < d_.hidden_size; i++) x[i] *= d_.embedding_scale;
    }
  });
}

void Transformer::layer(const Tile& tile, int index) {
  copy_taps(tile, index);
  attention_in(tile.count, index);
  each_row(tile.count, w_.layers[index].qkv.stride(), [&](int row) { store_keys(tile, index, row); });
  attend(tile, index);
  attention_out(tile.count, index);
  feed_forward(tile.count, index);
}

void Transformer::attention_in(int rows, int index) {
  const LayerWeights& w = w_.layers[index];
  if (d_.layer[index].joined) {
    join_and_pack(rows, residual_, w.embedding_norm, w.state_norm, w.qkv.matrix);
    const int width = d_.hidden_size;
    if (d_.normed_residual) {
      each_row(rows, width, [&](int row) { std::memcpy(residual_ + static_cast<int64_t>(row) * width, joined_ + (2 * static_cast<int64_t>(row) + 1) * width, sizeof(float) * width); });
    }
  } else {
    norm_and_pack(rows, w.attention_norm, w.qkv.matrix);
  }
  project(w.qkv, rows, qkv_);
}

void Transformer::attention_out(int rows, int index) {
  const LayerWeights& w = w_.layers[index];
  const int width = d_.heads * d_.head_dim;
  each_row(rows, width, [&](int row) { pack_row(attention_, width, rows, row, w.o.matrix); });
  project(w.o, rows, out_);
  each_row(rows, d_.hidden_size, [&](int row) { add_to_residual(w.o, w.attention_post_norm, row); });
}

void Transformer::feed_forward(int rows, int index) {
  if (d_.layer[index].experts) return run_experts(rows, index);
  const LayerWeights& w = w_.layers[index];
  norm_and_pack(rows, w.mlp_norm, w.gate_up.matrix);
  project(w.gate_up, rows, gate_up_);
  const int64_t stride = w.gate_up.stride();
  each_row(rows, static_cast<int>(2 * stride), [&](int row) {
    float* gate = gate_up_ + row * stride;
    if (w.gate_up.bias != nullptr) kernels_.add_scaled(w.gate_up.bias, 1, static_cast<int>(stride), gate);
    kernels_.gated(d_.activation, gate, gate + w.gate_up.columns[1], d_.intermediate_size, gate);
    pack_row(gate_up_, stride, rows, row, w.down.matrix);
  });
  project(w.down, rows, out_);
  each_row(rows, d_.hidden_size, [&](int row) { add_to_residual(w.down, w.mlp_post_norm, row); });
}

void Transformer::run_experts(int rows, int index) {
  const LayerWeights& w = w_.layers[index];
  const int64_t stride = w.o.stride();  // as many outputs
  each_row(rows, d_.hidden_size, [&](int row) {
    const int64_t at = static_cast<int64_t>(row) * d_.hidden_size;
    norm_or_copy(residual_ + at, w.mlp_norm, normed_ + at);
  });
  experts_.run(w.experts, normed_, rows, out_, stride);
  each_row(rows, d_.hidden_size, [&](int row) { add_to_residual(nullptr, stride, w.mlp_post_norm, row); });
}

void Transformer::leave(const Tile& tile) {
  copy_taps(tile, d_.layers);
  each_row(tile.count, d_.hidden_size, [&](int row) {
    const float* x = residual_ + static_cast<int64_t>(row) * d_.hidden_size;
    float* out = tile.pass->hidden + static_cast<int64_t>(tile.rows[row].out) * d_.hidden_size;
    norm_or_copy(x, w_.final_norm, out);
  });
}

void Transformer::copy_taps(const Tile& tile, int index) {
  const std::vector<int>& taps = tile.pass->tap_layers;
  for (size_t tap = 0; tap < taps.size(); tap++) {
    if (taps[tap] != index) continue;
    for (int row = 0; row < tile.count; row++) {
      const int64_t at = static_cast<int64_t>(tile.rows[row].out) * static_cast<int64_t>(taps.size()) + static_cast<int64_t>(tap);
      std::memcpy(tile.pass->taps + at * d_.hidden_size, residual_ + static_cast<int64_t>(row) * d_.hidden_size, sizeof(float) * d_.hidden_size);
    }
  }
}

// [embedding, state] of each row, each half normed where it has a norm.
void Transformer::join_and_pack(int rows, const float* states, const float* embedding_norm, const float* state_norm, const PackedMatrix& next) {
  const int width = d_.hidden_size;
  each_row(rows, 4 * width, [&](int row) {
    const int64_t at = static_cast<int64_t>(row) * width;
    norm_or_copy(embedded_ + at, embedding_norm, joined_ + 2 * at);
    norm_or_copy(states + at, state_norm, joined_ + 2 * at + width);
    pack_row(joined_, 2 * width, rows, row, next);
  });
}

void Transformer::norm_or_copy(const float* x, const float* norm, float* out) {
  if (norm != nullptr) kernels_.rms_norm(x, norm, d_.norm_eps, d_.norm_weight_offset, d_.hidden_size, out);
  else std::memcpy(out, x, sizeof(float) * d_.hidden_size);
}

void Transformer::norm_and_pack(int rows, const float* norm, const PackedMatrix& next) {
  each_row(rows, 2 * d_.hidden_size, [&](int row) {
    const int64_t at = static_cast<int64_t>(row) * d_.hidden_size;
    if (norm != nullptr) kernels_.rms_norm(residual_ + at, norm, d_.norm_eps, d_.norm_weight_offset, d_.hidden_size, normed_ + at);
    pack_row(norm != nullptr ? normed_ : residual_, d_.hidden_size, rows, row, next);
  });
}

void Transformer::pack_row(const float* x, int64_t stride, int rows, int row, const PackedMatrix& next) {
  kernels_.pack_activations(next.type, x, stride, rows, next.k, next.k_padded, row, row + 1, packed_);
}

void Transformer::project(const Projection& projection, int rows, float* out) {
  const PackedMatrix& matrix = projection.matrix;
  const int64_t stride = projection.stride();
  const int64_t products = static_cast<int64_t>(rows) * matrix.k_padded * Projection::kBlockOutputs;
  device_.pool().parallel_for(matrix.blocks, std::max<int64_t>(1, kProductsPerShare / products), [&](int64_t begin, int64_t end) {
    kernels_.matmul(matrix, packed_, rows, out + begin * Projection::kBlockOutputs, stride, static_cast<int>(begin), static_cast<int>(end));
  });
}

// Finishes one row's queries, keys and values, and writes keys and values to the row's place. Attention reads only what is stored.
void Transformer::store_keys(const Tile& tile, int index, int row) {
  const LayerWeights& w = w_.layers[index];
  const PassRow& at = tile.rows[row];
  float* q = qkv_ + static_cast<int64_t>(row) * w.qkv.stride();
  float *k = q + w.qkv.columns[1], *v = q + w.qkv.columns[2];
  if (w.qkv.bias != nullptr) kernels_.add_scaled(w.qkv.bias, 1, w.qkv.stride(), q);
  const RopeTable* rope = rope_of(index, at.is_long);
  turn_heads(q, w.q_norm, d_.heads, rope, at.position);
  turn_heads(k, w.k_norm, d_.kv_heads, rope, at.position);
  const KvMemory& memory = *tile.pass->memory;
  const int64_t page = at.pages[at.place / kPagePositions];
  const size_t slot = static_cast<size_t>(at.place % kPagePositions) * memory.row_bytes();
  const auto store = [&](const float* from, std::byte* to) {
    if (memory.type() == WeightType::f32) std::memcpy(to, from, memory.row_bytes());
    else kernels_.to_bf16(from, d_.head_dim, reinterpret_cast<uint16_t*>(to));
  };
  for (int head = 0; head < d_.kv_heads; head++) {
    store(k + head * d_.head_dim, memory.keys(page, index, head) + slot);
    store(v + head * d_.head_dim, memory.values(page, index, head) + slot);
  }
}

const RopeTable* Transformer::rope_of(int index, bool is_long) const {
  const int rope = d_.layer[index].rope;
  return rope < 0 ? nullptr : is_long ? &long_ropes_[rope] : &ropes_[rope];
}

void Transformer::turn_heads(float* values, const float* norm, int heads, const RopeTable* rope, int64_t position) {
  const int width = d_.head_dim;
  if (norm != nullptr && d_.qk_norm == Description::QkNorm::all) {
    kernels_.rms_norm(values, norm, d_.norm_eps, d_.norm_weight_offset, heads * width, values);
  }
  for (int head = 0; head < heads; head++) {
    float* x = values + head * width;
    if (norm != nullptr && d_.qk_norm == Description::QkNorm::head) kernels_.rms_norm(x, norm, d_.norm_eps, d_.norm_weight_offset, width, x);
    if (rope != nullptr) kernels_.rope(x, rope->cosines(position), rope->sines(position), rope->half());
  }
}

void Transformer::attend(const Tile& tile, int index) {
  int64_t keys = 0;
  for (int row = 0; row < tile.count; row++) keys += tile.rows[row].position + 1;
  const int group = d_.heads / d_.kv_heads;
  const int64_t products = std::max<int64_t>(1, 2 * keys / tile.count * group * d_.head_dim);
  // Rows of one head stand together: they share most of their keys, which then stay in the cache.
  const int64_t tasks = static_cast<int64_t>(tile.count) * d_.kv_heads;
  device_.pool().parallel_shares(tasks, std::max<int64_t>(1, kProductsPerShare / 2 / products), [&](int thread, int64_t begin, int64_t end) {
    for (int64_t task = begin; task < end; task++) {
      attend_head(tile, index, static_cast<int>(task % tile.count), static_cast<int>(task / tile.count), thread_runs_[thread]);
    }
  });
}

void Transformer::attend_head(const Tile& tile, int index, int row, int head, std::vector<KvRun>& runs) {
  const PassRow& at = tile.rows[row];
  const KvMemory& memory = *tile.pass->memory;
  const int window = d_.layer[index].sliding_window;
  const int64_t first = window > 0 ? std::max<int64_t>(0, at.position - window + 1) : 0;
  runs.clear();
  const auto add = [&](int64_t place, int count) {
    const int64_t page = at.pages[place / kPagePositions];
    const size_t slot = static_cast<size_t>(place % kPagePositions) * memory.row_bytes();
    const std::byte *keys = memory.keys(page, index, head) + slot, *values = memory.values(page, index, head) + slot;
    KvRun* last = runs.empty() ? nullptr : &runs.back();
    const bool joins = last != nullptr && static_cast<const std::byte*>(last->keys) + last->count * memory.row_bytes() == keys;
    if (joins) last->count += count;
    else runs.push_back({keys, values, count});
  };
  for (int64_t place = first; place < at.committed;) {
    const int count = static_cast<int>(std::min<int64_t>(kPagePositions - place % kPagePositions, at.committed - place));
    add(place, count);
    place += count;
  }
  int64_t position = at.committed;
  for (int i = at.run_begin; i < at.run_begin + at.run_count; i++) {
    const PlaceRun& run = tile.pass->runs[i];
    const int hidden = static_cast<int>(std::clamp<int64_t>(first - position, 0, run.count));  // outside the window
    if (hidden < run.count) add(run.place + hidden, run.count - hidden);
    position += run.count;
  }
  const int group = d_.heads / d_.kv_heads;
  const float* q = qkv_ + static_cast<int64_t>(row) * w_.layers[index].qkv.stride() + head * group * d_.head_dim;
  float* out = attention_ + (static_cast<int64_t>(row) * d_.heads + head * group) * d_.head_dim;
  kernels_.attend({q, out, runs.data(), static_cast<int>(runs.size()), first, group, d_.head_dim, memory.type(), d_.attention_scale, d_.attention_soft_cap});
}

void Transformer::add_to_residual(const Projection& projection, const float* post_norm, int row) {
  add_to_residual(projection.bias, projection.stride(), post_norm, row);
}

void Transformer::add_to_residual(const float* bias, int64_t stride, const float* post_norm, int row) {
  float* y = out_ + static_cast<int64_t>(row) * stride;
  if (bias != nullptr) kernels_.add_scaled(bias, 1, d_.hidden_size, y);
  if (post_norm != nullptr) kernels_.rms_norm(y, post_norm, d_.norm_eps, d_.norm_weight_offset, d_.hidden_size, y);
  kernels_.add_scaled(y, d_.residual_scale, d_.hidden_size, residual_ + static_cast<int64_t>(row) * d_.hidden_size);
}

void Transformer::each_row(int rows, int width, const std::function<void(int)>& body) {
  device_.pool().parallel_for(rows, std::max<int64_t>(1, kElementsPerShare / width), [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; row++) body(static_cast<int>(row));
  });
}

}  // namespace foretoken
