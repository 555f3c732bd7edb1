#pragma once
#include <cstddef>
#include <cstdint>

namespace foretoken {

/**
 * A weight matrix [n outputs, k inputs] in the one layout that every instruction set reads: blocks of 32 outputs, each a contiguous
 * stream of 32-deep K blocks, each K block two tiles [16 k pairs][16 outputs][2]. n is padded to 32 and k to 32 with zeros.
 *
 * The order of every sum belongs to this layout, never to the number of rows: per 32-deep K block one FMA chain over even k, one over
 * odd k, the two added (even + odd), then added to the accumulator, K blocks in ascending order. bf16 inputs are rounded to nearest
 * even and subnormals are zero. The same order serves f32 weights.
 */
enum class WeightType : uint8_t { f32, bf16 };
struct PackedMatrix {
  WeightType type;
  int n, k;              // as in the checkpoint
  int blocks, k_padded;  // ceil(n / 32), k rounded up to 32
  const void* data;      // owned elsewhere
};
size_t packed_bytes(WeightType type, int n, int k);

enum class Stored : uint8_t { f32, bf16, f16 };
/** Packs output blocks [block_begin, block_end) of the row-major matrix `source` [n, k], converting from `stored`. Portable, any alignment. */
void pack_matrix(WeightType type, const void* source, Stored stored, int n, int k, int block_begin, int block_end, void* packed);
/** One row of `source` [.., k] as f32 (for norms, biases and embedding tables); bf16 rounding first when `type` is bf16. */
void unpack_row(WeightType type, const void* source, Stored stored, int64_t row, int k, float* out);

/** Where keys and values of consecutive positions lie: `count` rows of head_dim values, one after the other. */
struct KvRun {
  const void* keys;
  const void* values;
  int count;
};

/** Attention of one row and one KV head: its `group` query heads against the keys at positions first_position, first_position + 1, …, itself last. */
struct Attend {
  const float* queries;  // [group, head_dim], after RoPE
  float* out;            // [group, head_dim]
  const KvRun* runs;     // in position order
  int run_count;
  int64_t first_position;  // of the first key: sums run over chunks of 64 absolute positions
  int group, head_dim;
  WeightType kv_type;  // f32 or bf16 as stored in the cache
  float scale, soft_cap;  // soft_cap 0: none
};

enum class Activation : uint8_t { silu, gelu, gelu_tanh };

/**
 * The kernels of one instruction set. All sets give the same bits. Every function is row-independent: a row's result depends on that
 * row's data only. Pure functions over raw pointers: safe from any thread.
 */
struct CpuKernels {
  const char* name;  // "portable", "avx2", "avx512", "amx"

  /** Bytes of the packed form of `rows` activations for `matmul`. */
  size_t (*activation_bytes)(WeightType type, int rows, int k_padded);
  /** Packs rows [row_begin, row_end) of x [rows, k] (row stride ldx) for `matmul`; k is padded with zeros. */
  void (*pack_activations)(WeightType type, const float* x, int64_t ldx, int rows, int k, int k_padded, int row_begin, int row_end, void* packed);
  /**
   * y[row * ldy + (block - block_begin) * 32 + column] = sum of x[row] times output (block * 32 + column), for every row and the blocks
   * [block_begin, block_end). Always writes whole blocks of 32 columns: y has room for them.
   */
  void (*matmul)(const PackedMatrix& weight, const void* packed_x, int rows, float* y, int64_t ldy, int block_begin, int block_end);

  /** y = x / rms(x) * (weight + weight_offset); n values. y may be x. */
  void (*rms_norm)(const float* x, const float* weight, float eps, float weight_offset, int n, float* y);
  /** y = activation(gate) * up. y may be gate. */
  void (*gated)(Activation activation, const float* gate, const float* up, int n, float* y);
  /** Rotates halves of the first 2 * half values of one head: (x[i], x[i + half]) by (cos[i], sin[i]), in place. */
  void (*rope)(float* x, const float* cosines, const float* sines, int half);
  /** y += scale * x. */
  void (*add_scaled)(const float* x, float scale, int n, float* y);
  /** f32 → bf16, nearest even, subnormals to zero. */
  void (*to_bf16)(const float* x, int n, uint16_t* y);
  void (*attend)(const Attend& args);
  /** y = e^x with the bits of exp_f32. y may be x. */
  void (*exp)(const float* x, int n, float* y);
};

extern const CpuKernels kPortableKernels;

/** The best set that this machine executes, or the one called `name` (nullptr: best). Throws Error when it is unknown or cannot run here. */
const CpuKernels& select_kernels(const char* name);
/** Names of the sets this machine executes, best first, null-terminated. */
const char* const* available_kernels();

/** Sets FTZ and DAZ on the calling thread. */
void flush_subnormals();

}  // namespace foretoken
