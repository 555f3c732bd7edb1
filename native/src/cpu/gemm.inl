// Matrix products over the packed layout, in the order of sums of the AMX instruction TDPBF16PS: per 32-deep K block one FMA chain over even
// k, one over odd k, even + odd, then added to the result. Included after a lanes header, elementary.inl and rows.inl; the includer defines
//   kBothRows   most rows whose even and odd chains fit in registers together (16 columns)
//   kBf16Rows   rows that share one pass over bf16 weights; beyond kBothRows the chains run one after the other
//   kF32Rows    rows that share one pass over f32 weights
//
// Activations for bf16 weights: [k / 32][rows][16 even k, 16 odd k] f32 values rounded to bf16; for f32 weights: [k / 32][rows][32 k].
namespace foretoken {
namespace {

constexpr int kChunkRows = 64;     // rows per pass over the weights: their accumulators stay in L1
constexpr int kChunkBlocks = 2;    // K blocks that stay in L1 while all rows pass over them
constexpr int kNearBytes = 1024;   // prefetch distance of the one-row kernels, which read the weights strictly in address order
constexpr int kFarBytes = 4096;    // prefetch distance of the others

constexpr int64_t block_bytes(WeightType type) { return type == WeightType::bf16 ? 2048 : 4096; }  // one K block of 32 outputs

size_t activation_bytes(WeightType, int rows, int k_padded) { return size_t(rows) * k_padded * sizeof(float); }

void pack_activations(WeightType type, const float* x, int64_t ldx, int rows, int k, int k_padded, int row_begin, int row_end, void* packed) {
  for (int row = row_begin; row < row_end; row++) {
    const float* from = x + row * ldx;
    for (int at = 0; at < k_padded; at += 32) {
      float* to = static_cast<float*>(packed) + (int64_t(at / 32) * rows + row) * 32;
      const int left = k - at;
      const Lanes a = left >= 16 ? load(from + at) : load_part(from + at, left > 0 ? left : 0);
      const Lanes b = left >= 32 ? load(from + at + 16) : load_part(from + at + 16, left > 16 ? left - 16 : 0);
      Lanes first_half = a, second_half = b;
      if (type == WeightType::bf16) deinterleave(floats(round_bf16(a)), floats(round_bf16(b)), &first_half, &second_half);
      store(to, first_half);
      store(to + 16, second_half);
    }
  }
}

/** Lines to prefetch per K block, in address order. */
struct Ahead {
  const char* next;
  int lines;
  void step() {
    for (int i = 0; i < lines; i++) prefetch_far(next + 64 * i);
    next += 64 * lines;
  }
};
/** Rows of packed activations: row r of K block b is at x + b * step + r * 32. */
struct Activations {
  const float* x;
  int64_t step;
};

inline void add_to(float* c, Lanes a) { store(c, load(c) + a); }

/** R rows by 16 columns of bf16 weights, both chains at once. c is [R][32]. */
template <int R>
inline void bf16_both(const char* w, Activations in, int k_blocks, float* c, Ahead ahead) {
  for (int block = 0; block < k_blocks; block++, w += 2048, in.x += in.step) {
    ahead.step();
    Lanes even[R], odd[R];
    for (int r = 0; r < R; r++) even[r] = odd[r] = splat(0);
#pragma GCC unroll kUnroll
    for (int p = 0; p < 16; p++) {
      const Lanes we = load_even(w + p * 64);
#pragma GCC unroll kUnroll
      for (int r = 0; r < R; r++) even[r] = fused(splat(in.x[r * 32 + p]), we, even[r]);
      const Lanes wo = load_odd(w + p * 64);
#pragma GCC unroll kUnroll
      for (int r = 0; r < R; r++) odd[r] = fused(splat(in.x[r * 32 + 16 + p]), wo, odd[r]);
    }
#pragma GCC unroll kUnroll
    for (int r = 0; r < R; r++) add_to(c + r * 32, even[r] + odd[r]);
  }
}

/** The same with one chain after the other: half the registers, the weights are read twice from L1. */
template <int R>
inline void bf16_in_turn(const char* w, Activations in, int k_blocks, float* c, Ahead ahead) {
  alignas(64) float evens[R * 16];
  for (int block = 0; block < k_blocks; block++, w += 2048, in.x += in.step) {
    ahead.step();
    Lanes chain[R];
    for (int r = 0; r < R; r++) chain[r] = splat(0);
#pragma GCC unroll kUnroll
    for (int p = 0; p < 16; p++) {
      const Lanes we = load_even(w + p * 64);
#pragma GCC unroll kUnroll
      for (int r = 0; r < R; r++) chain[r] = fused(splat(in.x[r * 32 + p]), we, chain[r]);
    }
#pragma GCC unroll kUnroll
    for (int r = 0; r < R; r++) { store(evens + r * 16, chain[r]); chain[r] = splat(0); }
#pragma GCC unroll kUnroll
    for (int p = 0; p < 16; p++) {
      const Lanes wo = load_odd(w + p * 64);
#pragma GCC unroll kUnroll
      for (int r = 0; r < R; r++) chain[r] = fused(splat(in.x[r * 32 + 16 + p]), wo, chain[r]);
    }
#pragma GCC unroll kUnroll
    for (int r = 0; r < R; r++) add_to(c + r * 32, load(evens + r * 16) + chain[r]);
  }
}

/** R rows by 16 columns of f32 weights: a vector holds the even and the odd chain of 8 columns side by side. */
template <int R>
inline void f32_pairs(const char* w, Activations in, int k_blocks, float* c, Ahead ahead) {
  for (int block = 0; block < k_blocks; block++, w += 4096, in.x += in.step) {
    ahead.step();
    Lanes low[R], high[R];
    for (int r = 0; r < R; r++) low[r] = high[r] = splat(0);
#pragma GCC unroll kUnroll
    for (int p = 0; p < 16; p++) {
      const float* pairs = reinterpret_cast<const float*>(w) + p * 32;
      const Lanes a = load(pairs), b = load(pairs + 16);
#pragma GCC unroll kUnroll
      for (int r = 0; r < R; r++) {
        const Lanes x = splat_pair(in.x + r * 32 + 2 * p);
        low[r] = fused(x, a, low[r]);
        high[r] = fused(x, b, high[r]);
      }
    }
#pragma GCC unroll kUnroll
    for (int r = 0; r < R; r++) add_to(c + r * 32, pair_sums(low[r], high[r]));
  }
}

/** The passes of `rows` (2 … R) rows over one tile of 16 columns. */
template <int R>
void tile_pass(WeightType type, int rows, const char* w, Activations in, int k_blocks, float* c, Ahead ahead) {
  if constexpr (R > 2) {
    if (rows < R) return tile_pass<R - 1>(type, rows, w, in, k_blocks, c, ahead);
  }
  if (type == WeightType::f32) {
    if constexpr (R <= kF32Rows) f32_pairs<R>(w, in, k_blocks, c, ahead);
  } else if constexpr (R <= kBothRows) {
    bf16_both<R>(w, in, k_blocks, c, ahead);
  } else if constexpr (R <= kBf16Rows) {
    bf16_in_turn<R>(w, in, k_blocks, c, ahead);
  }
}

/** One row: tile after tile, so that the lines of the weights are touched strictly in address order. */
void bf16_row(const char* w, Activations in, int k_blocks, float* c) {
  Lanes total[2] = {splat(0), splat(0)};
  for (int block = 0; block < k_blocks; block++, in.x += in.step)
#pragma GCC unroll kUnrollShort
    for (int tile = 0; tile < 2; tile++, w += 1024) {
      Lanes even = splat(0), odd = splat(0);
#pragma GCC unroll kUnrollShort
      for (int p = 0; p < 16; p++) {
        prefetch_near(w + kNearBytes + p * 64);
        even = fused(splat(in.x[p]), load_even(w + p * 64), even);
        odd = fused(splat(in.x[16 + p]), load_odd(w + p * 64), odd);
      }
      total[tile] = total[tile] + (even + odd);
    }
  store(c, total[0]);
  store(c + 16, total[1]);
}

void f32_row(const char* w, Activations in, int k_blocks, float* c) {
  Lanes total[2] = {splat(0), splat(0)};
  for (int block = 0; block < k_blocks; block++, in.x += in.step)
#pragma GCC unroll kUnrollShort
    for (int tile = 0; tile < 2; tile++, w += 2048) {
      Lanes low = splat(0), high = splat(0);
#pragma GCC unroll kUnrollShort
      for (int p = 0; p < 16; p++) {
        const float* pairs = reinterpret_cast<const float*>(w) + p * 32;
        prefetch_near(w + 2 * kNearBytes + p * 128);
        prefetch_near(w + 2 * kNearBytes + p * 128 + 64);
        const Lanes x = splat_pair(in.x + 2 * p);
        low = fused(x, load(pairs), low);
        high = fused(x, load(pairs + 16), high);
      }
      total[tile] = total[tile] + pair_sums(low, high);
    }
  store(c, total[0]);
  store(c + 16, total[1]);
}

/** Up to kChunkRows rows by the 32 columns of one block: groups of rows pass over a few K blocks at a time. c is [rows][32]. */
void block_rows(WeightType type, const char* w, Activations in, int rows, int k_blocks, float* c) {
  if (rows == 1) return type == WeightType::bf16 ? bf16_row(w, in, k_blocks, c) : f32_row(w, in, k_blocks, c);
  constexpr int kMost = kBf16Rows > kF32Rows ? kBf16Rows : kF32Rows;
  const int64_t bytes = block_bytes(type);
  const int most = type == WeightType::bf16 ? kBf16Rows : kF32Rows, groups = (rows + most - 1) / most;
  const int passes = 2 * groups, lines = int(bytes / 64), share = (lines + passes - 1) / passes;
  memset(c, 0, sizeof(float) * 32 * rows);
  for (int block = 0; block < k_blocks; block += kChunkBlocks) {
    const int count = k_blocks - block < kChunkBlocks ? k_blocks - block : kChunkBlocks;
    const char* chunk = w + block * bytes;
    int prefetched = 0;
    for (int group = 0; group < groups; group++) {
      const int begin = rows * group / groups, end = rows * (group + 1) / groups;
      const Activations part = {in.x + block * in.step + begin * 32, in.step};
      for (int tile = 0; tile < 2; tile++, prefetched += share) {
        const int left = lines - prefetched < share ? lines - prefetched : share;
        const Ahead ahead = {chunk + kFarBytes + int64_t(prefetched) * count * 64, left > 0 ? left : 0};
        tile_pass<kMost>(type, end - begin, chunk + tile * bytes / 2, part, count, c + begin * 32 + tile * 16, ahead);
      }
    }
  }
}

void matmul(const PackedMatrix& weight, const void* packed_x, int rows, float* y, int64_t ldy, int block_begin, int block_end) {
  alignas(64) float c[kChunkRows * 32];
  const int k_blocks = weight.k_padded / 32, chunks = (rows + kChunkRows - 1) / kChunkRows;
  const int64_t bytes = block_bytes(weight.type) * k_blocks, step = int64_t(rows) * 32;
  for (int chunk = 0; chunk < chunks; chunk++) {
    const int begin = int(int64_t(rows) * chunk / chunks), count = int(int64_t(rows) * (chunk + 1) / chunks) - begin;
    const Activations in = {static_cast<const float*>(packed_x) + begin * 32, step};
    for (int block = block_begin; block < block_end; block++) {
      block_rows(weight.type, static_cast<const char*>(weight.data) + block * bytes, in, count, k_blocks, c);
      float* out = y + begin * ldy + (block - block_begin) * 32;
      for (int row = 0; row < count; row++, out += ldy) {
        store(out, load(c + row * 32));
        store(out + 16, load(c + row * 32 + 16));
      }
    }
  }
}

}  // namespace
}  // namespace foretoken
