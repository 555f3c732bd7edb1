// AMX bf16: tile products for bf16 weights. Everything else is the AVX-512 set's (every machine with AMX has it).
#include "kernel_sets.h"

#if defined(__AMX_BF16__) || defined(FORETOKEN_EMULATED)
#include <immintrin.h>
#include <string.h>

namespace foretoken {
namespace {

constexpr int kTileRows = 16, kPassRows = 32;  // a pass: two activation tiles by two weight tiles
constexpr int kChunkRows = 256;                // rows per pass over the weights
constexpr int kChunkBlocks = 64;               // K blocks (2048 k) whose activations stay in L2

/** Tiles 0 … 3 hold results (0, 1: first 16 rows; 2, 3: the others), 4 and 5 activations, 6 and 7 weights. */
struct TileConfig {
  uint8_t palette = 1, start_row = 0, reserved[14] = {};
  uint16_t column_bytes[16] = {};
  uint8_t rows[16] = {};
};

/** `rows` in 1 … 32. The time of a tile product follows its rows, so tiles are never larger than needed. */
void configure(int rows) {
  alignas(64) TileConfig config;
  const uint8_t first = uint8_t(rows < kTileRows ? rows : kTileRows), second = uint8_t(rows > kTileRows ? rows - kTileRows : 1);
  const uint8_t tile_rows[8] = {first, first, second, second, first, second, 16, 16};
  for (int i = 0; i < 8; i++) { config.column_bytes[i] = 64; config.rows[i] = tile_rows[i]; }
  // GCC 12 believes that the instruction reads 8 bytes of the 64 and drops the other stores without this barrier.
  asm volatile("" ::"r"(&config) : "memory");
  _tile_loadconfig(&config);
}

inline void prefetch_lines(const char* p, int lines) {
  for (int i = 0; i < lines; i++) _mm_prefetch(p + 64 * i, _MM_HINT_T1);
}

/** One pass: its rows by the 32 columns of a block, over some K blocks. */
struct Pass {
  const char* weights;      // [k_blocks] of 2 KiB
  const char* activations;  // first row of the pass in the first K block
  int64_t step;             // bytes between K blocks of the activations
  int k_blocks;
  const char* next;  // prefetched, `lines` per K block
  int lines;
  char* y;  // first row, first column
  int64_t y_step;
  bool continues;  // y holds the sums of the K blocks before
};

template <bool TwoTiles>
void run(const Pass& pass) {
  char* lower = pass.y + kTileRows * pass.y_step;
  if (pass.continues) {
    _tile_loadd(0, pass.y, pass.y_step);
    _tile_loadd(1, pass.y + 64, pass.y_step);
    if (TwoTiles) { _tile_loadd(2, lower, pass.y_step); _tile_loadd(3, lower + 64, pass.y_step); }
  } else {
    _tile_zero(0);
    _tile_zero(1);
    if (TwoTiles) { _tile_zero(2); _tile_zero(3); }
  }
  const char *w = pass.weights, *x = pass.activations, *next = pass.next;
  const int before = pass.lines / 2, after = pass.lines - before;
  for (int block = 0; block < pass.k_blocks; block++, w += 2048, x += pass.step) {
    _tile_loadd(6, w, 64);
    _tile_loadd(4, x, 64);
    prefetch_lines(next, before);
    _tile_dpbf16ps(0, 4, 6);
    _tile_loadd(7, w + 1024, 64);
    _tile_dpbf16ps(1, 4, 7);
    prefetch_lines(next + 64 * before, after);
    if (TwoTiles) {
      _tile_loadd(5, x + kTileRows * 64, 64);
      _tile_dpbf16ps(2, 5, 6);
      _tile_dpbf16ps(3, 5, 7);
    }
    next += 64 * pass.lines;
  }
  _tile_stored(0, pass.y, pass.y_step);
  _tile_stored(1, pass.y + 64, pass.y_step);
  if (TwoTiles) { _tile_stored(2, lower, pass.y_step); _tile_stored(3, lower + 64, pass.y_step); }
}

/** Activations for bf16 weights: [k / 32][rows][32 k] bf16. */
void pack_bf16(const float* x, int64_t ldx, int rows, int k, int k_padded, int row_begin, int row_end, void* packed) {
  auto part = [](const float* from, int left) {
    const __mmask16 mask = left >= 16 ? __mmask16(0xffff) : __mmask16((1u << (left > 0 ? left : 0)) - 1);
    return _mm512_maskz_loadu_ps(mask, from);
  };
  for (int row = row_begin; row < row_end; row++)
    for (int at = 0; at < k_padded; at += 32) {
      const float* from = x + row * ldx + at;
      const __m512bh rounded = _mm512_cvtne2ps_pbh(part(from + 16, k - at - 16), part(from, k - at));
      memcpy(static_cast<char*>(packed) + (int64_t(at / 32) * rows + row) * 64, &rounded, 64);
    }
}

size_t activation_bytes(WeightType type, int rows, int k_padded) {
  return type == WeightType::bf16 ? size_t(rows) * k_padded * 2 : avx512_kernels()->activation_bytes(type, rows, k_padded);
}

void pack_activations(WeightType type, const float* x, int64_t ldx, int rows, int k, int k_padded, int row_begin, int row_end, void* packed) {
  if (type == WeightType::bf16) pack_bf16(x, ldx, rows, k, k_padded, row_begin, row_end, packed);
  else avx512_kernels()->pack_activations(type, x, ldx, rows, k, k_padded, row_begin, row_end, packed);
}

/** Rows [row_begin, row_end) by all blocks, K in chunks: the passes over one block share the prefetching of the next. */
void chunk_rows(const PackedMatrix& weight, const char* x, int rows, int row_begin, int row_end, char* y, int64_t y_step, int block_begin, int block_end) {
  const int k_blocks = weight.k_padded / 32, passes = (row_end - row_begin + kPassRows - 1) / kPassRows;
  const int64_t bytes = int64_t(k_blocks) * 2048, step = int64_t(rows) * 64;
  int configured = 0;
  for (int chunk = 0; chunk < k_blocks; chunk += kChunkBlocks) {
    const int count = k_blocks - chunk < kChunkBlocks ? k_blocks - chunk : kChunkBlocks;
    const int lines = (32 + passes - 1) / passes;
    const char* data = static_cast<const char*>(weight.data) + int64_t(chunk) * 2048;
    for (int block = block_begin; block < block_end; block++) {
      const char* w = data + block * bytes;
      const char* next = block + 1 < block_end ? w + bytes : data + block_begin * bytes + int64_t(kChunkBlocks) * 2048;
      for (int pass = 0; pass < passes; pass++) {
        const int first = row_begin + pass * kPassRows, left = row_end - first, height = left < kPassRows ? left : kPassRows;
        if (height != configured) configure(configured = height);
        const Pass p = {w, x + chunk * step + int64_t(first) * 64, step, count, next + int64_t(pass) * lines * 64 * count, lines,
                        y + first * y_step + (block - block_begin) * 128, y_step, chunk > 0};
        if (height > kTileRows) run<true>(p);
        else run<false>(p);
      }
    }
  }
}

void matmul(const PackedMatrix& weight, const void* packed_x, int rows, float* y, int64_t ldy, int block_begin, int block_end) {
  if (weight.type == WeightType::f32) return avx512_kernels()->matmul(weight, packed_x, rows, y, ldy, block_begin, block_end);
  if (block_begin >= block_end) return;
  for (int row = 0; row < rows; row += kChunkRows) {
    const int end = rows - row < kChunkRows ? rows : row + kChunkRows;
    chunk_rows(weight, static_cast<const char*>(packed_x), rows, row, end, reinterpret_cast<char*>(y), ldy * 4, block_begin, block_end);
  }
  _tile_release();  // tiles left in use would be saved at every switch of threads
}

void rms_norm(const float* x, const float* weight, float eps, float weight_offset, int n, float* y) {
  avx512_kernels()->rms_norm(x, weight, eps, weight_offset, n, y);
}
void gated(Activation activation, const float* gate, const float* up, int n, float* y) { avx512_kernels()->gated(activation, gate, up, n, y); }
void rope(float* x, const float* cosines, const float* sines, int half) { avx512_kernels()->rope(x, cosines, sines, half); }
void add_scaled(const float* x, float scale, int n, float* y) { avx512_kernels()->add_scaled(x, scale, n, y); }
void to_bf16(const float* x, int n, uint16_t* y) { avx512_kernels()->to_bf16(x, n, y); }
void attend(const Attend& args) { avx512_kernels()->attend(args); }
void exponentials(const float* x, int n, float* y) { avx512_kernels()->exp(x, n, y); }

constexpr CpuKernels kAmx = {"amx", activation_bytes, pack_activations, matmul, rms_norm, gated, rope, add_scaled, to_bf16, attend, exponentials};

}  // namespace

const CpuKernels* amx_kernels() { return &kAmx; }

}  // namespace foretoken

#else

namespace foretoken {
const CpuKernels* amx_kernels() { return nullptr; }
}  // namespace foretoken

#endif
