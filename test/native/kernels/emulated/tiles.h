// A model of the AMX tile instructions after the manual's pseudo-code: eight tiles per thread, poisoned while not configured. It traps on what
// faults on hardware, and like the hardware it ignores MXCSR: fused, nearest even, subnormals zero.
#pragma once
#include <math.h>
#include <stdint.h>
#include <string.h>

namespace emulated {

struct Tiles {
  bool configured = false;
  int rows[8] = {}, column_bytes[8] = {};
  uint8_t data[8][16][64];
};
static thread_local Tiles tiles;

static inline void expect(bool holds) { if (!holds) __builtin_trap(); }

static inline void loadconfig(const void* p) {
  const uint8_t* config = static_cast<const uint8_t*>(p);
  expect(config[0] == 1 && config[1] == 0);
  for (int i = 2; i < 16; i++) expect(config[i] == 0);
  for (int i = 32; i < 48; i++) expect(config[i] == 0);
  for (int i = 56; i < 64; i++) expect(config[i] == 0);
  for (int t = 0; t < 8; t++) {
    uint16_t bytes;
    memcpy(&bytes, config + 16 + 2 * t, 2);
    tiles.column_bytes[t] = bytes;
    tiles.rows[t] = config[48 + t];
    expect(bytes <= 64 && tiles.rows[t] <= 16 && (bytes == 0) == (tiles.rows[t] == 0));
  }
  memset(tiles.data, 0, sizeof tiles.data);
  tiles.configured = true;
}

static inline void release() {
  tiles.configured = false;
  memset(tiles.data, 0xff, sizeof tiles.data);
}

static inline void zero(int t) {
  expect(tiles.configured && tiles.rows[t] > 0);
  memset(tiles.data[t], 0, sizeof tiles.data[t]);
}

static inline void loadd(int t, const void* p, int64_t stride) {
  zero(t);
  for (int r = 0; r < tiles.rows[t]; r++) memcpy(tiles.data[t][r], static_cast<const char*>(p) + r * stride, tiles.column_bytes[t]);
}

static inline void stored(int t, void* p, int64_t stride) {
  expect(tiles.configured && tiles.rows[t] > 0);
  for (int r = 0; r < tiles.rows[t]; r++) memcpy(static_cast<char*>(p) + r * stride, tiles.data[t][r], tiles.column_bytes[t]);
}

static inline float widen(uint16_t value) {
  const uint32_t u = uint32_t(value) << 16;
  float f;
  memcpy(&f, &u, 4);
  return f;
}

/** One row of the product: two FMA chains per column over the first and the second of each pair, added, then added to c. */
__attribute__((noinline)) static void dpbf16_row(float* c, const uint16_t* a, const uint8_t (*b)[64], int pairs, int columns) {
  float chains[32] = {};
  for (int k = 0; k < pairs; k++)
    for (int i = 0; i < 2 * columns; i++) {
      uint16_t weight;
      memcpy(&weight, &b[k][2 * i], 2);
      chains[i] = fmaf(widen(a[2 * k + (i & 1)]), widen(weight), chains[i]);
    }
  for (int n = 0; n < columns; n++) c[n] = c[n] + (chains[2 * n] + chains[2 * n + 1]);
}

static inline void dpbf16ps(int c, int a, int b) {
  expect(tiles.configured && c != a && c != b && a != b && tiles.rows[c] == tiles.rows[a] && tiles.column_bytes[c] == tiles.column_bytes[b]);
  expect(tiles.rows[b] * 4 == tiles.column_bytes[a] && tiles.column_bytes[c] % 4 == 0);
  const unsigned before = _mm_getcsr();
  _mm_setcsr(0x9fc0);  // all exceptions masked, nearest even, FTZ and DAZ
  for (int r = 0; r < tiles.rows[c]; r++)
    dpbf16_row(reinterpret_cast<float*>(tiles.data[c][r]), reinterpret_cast<const uint16_t*>(tiles.data[a][r]), tiles.data[b],
               tiles.column_bytes[a] / 4, tiles.column_bytes[c] / 4);
  _mm_setcsr(before);
}

}  // namespace emulated

#undef _tile_loadconfig
#undef _tile_release
#undef _tile_zero
#undef _tile_loadd
#undef _tile_stored
#undef _tile_dpbf16ps
#define _tile_loadconfig(p) emulated::loadconfig(p)
#define _tile_release() emulated::release()
#define _tile_zero(t) emulated::zero(t)
#define _tile_loadd(t, p, stride) emulated::loadd(t, p, stride)
#define _tile_stored(t, p, stride) emulated::stored(t, p, stride)
#define _tile_dpbf16ps(c, a, b) emulated::dpbf16ps(c, a, b)
