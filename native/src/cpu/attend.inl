// Attention of one row over logical positions, in chunks of 64 absolute positions. A score's place in its chunk is position % 64 and its lane
// position % 16, so every sum depends on positions only, never on how the runs are cut. Included after rows.inl.
namespace foretoken {
namespace {

constexpr int kChunk = 64;

/** Where the keys and values of one chunk lie; places [begin, end) are present. */
template <class T>
struct Chunk {
  int begin = 0, end = 0;
  const T* keys[kChunk];
  const T* values[kChunk];
};

/** Walks the runs. */
struct Cursor {
  const KvRun* run;
  const KvRun* last;
  int used = 0;
  int64_t position;

  template <class T>
  bool next(int head_dim, Chunk<T>* chunk) {
    chunk->begin = chunk->end = int(position % kChunk);
    for (; run != last && chunk->end < kChunk; run++, used = 0) {
      for (; used < run->count && chunk->end < kChunk; used++, chunk->end++) {
        chunk->keys[chunk->end] = static_cast<const T*>(run->keys) + int64_t(used) * head_dim;
        chunk->values[chunk->end] = static_cast<const T*>(run->values) + int64_t(used) * head_dim;
      }
      if (used < run->count) break;
    }
    position += chunk->end - chunk->begin;
    return chunk->end > chunk->begin;
  }
};

/** Dots of H queries with one key, lane sums not yet added up. */
template <int H, class T>
inline void dot(const float* queries, const T* key, int head_dim, Lanes* out) {
  Lanes acc[H];
  for (int h = 0; h < H; h++) acc[h] = splat(0);
  int d = 0;
  for (; d + 16 <= head_dim; d += 16) {
    const Lanes k = load(key + d);
    for (int h = 0; h < H; h++) acc[h] = fused(load(queries + h * head_dim + d), k, acc[h]);
  }
  if (d < head_dim) {
    const Lanes k = load_part(key + d, head_dim - d);
    for (int h = 0; h < H; h++) acc[h] = fused(load_part(queries + h * head_dim + d, head_dim - d), k, acc[h]);
  }
  for (int h = 0; h < H; h++) out[h * 16] = acc[h];
}

/** scores[h][place] = scaled and capped dot; -infinity where no key is. */
template <int H, class T>
inline void score(const Attend& a, const float* queries, const Chunk<T>& chunk, float (*scores)[kChunk]) {
  const Lanes none = floats(splat_bits(0xff800000u)), scale = splat(a.scale), cap = splat(a.soft_cap);
  for (int part = 0; part < kChunk; part += 16) {
    const int begin = chunk.begin > part ? chunk.begin : part, end = chunk.end < part + 16 ? chunk.end : part + 16;
    Lanes dots[H * 16];
    if (end - begin < 16) for (int i = 0; i < H * 16; i++) dots[i] = splat(0);
    for (int place = begin; place < end; place++) dot<H>(queries, chunk.keys[place], a.head_dim, dots + (place - part));
    for (int h = 0; h < H; h++) {
      float* out = scores[h] + part;
      if (begin >= end) { store(out, none); continue; }
      Lanes s = sums(dots + h * 16) * scale;
      if (a.soft_cap != 0) s = cap * tanh_lanes(s / cap);
      store(out, s);
      for (int i = 0; i < begin - part; i++) out[i] = first(none);
      for (int i = end - part; i < 16; i++) out[i] = first(none);
    }
  }
}

/** Turns scores into e^(score - best) and returns their sum: lane sums over the four parts in order, then the tree. */
inline float soften(float* scores, float best) {
  Lanes total = splat(0);
  for (int part = 0; part < kChunk; part += 16) {
    const Lanes e = exp_lanes(load(scores + part) - splat(best));
    store(scores + part, e);
    total = total + e;
  }
  return sum(total);
}

/** out = out * old_factor + (values weighted by `weights`, positions ascending) * new_factor, for C * 16 values of H heads. */
template <int H, int C, class T>
inline void weigh(const Chunk<T>& chunk, const float (*weights)[kChunk], const float* factors, int offset, int count, int head_dim, float* out) {
  Lanes acc[H][C];
  for (int h = 0; h < H; h++) for (int c = 0; c < C; c++) acc[h][c] = splat(0);
  for (int place = chunk.begin; place < chunk.end; place++) {
    const T* value = chunk.values[place] + offset;
#pragma GCC unroll kUnrollShort
    for (int c = 0; c < C; c++) {
      const Lanes v = C == 1 ? load_up_to(value, count) : load(value + c * 16);
#pragma GCC unroll kUnrollShort
      for (int h = 0; h < H; h++) acc[h][c] = fused(splat(weights[h][place]), v, acc[h][c]);
    }
  }
  for (int h = 0; h < H; h++)
    for (int c = 0; c < C; c++) {
      float* o = out + h * head_dim + offset + c * 16;
      const int n = C == 1 ? count : 16;
      store_up_to(o, fused(load_up_to(o, n), splat(factors[h]), acc[h][c] * splat(factors[8 + h])), n);
    }
}

/** H query heads (1 … 4) share every key and value that is loaded. */
template <int H, class T>
void attend_heads(const Attend& a, const float* queries, float* out) {
  constexpr int kColumns = H == 1 ? 4 : H == 2 ? 2 : 1;  // enough FMA chains to hide their latency
  alignas(64) float scores[H][kChunk];
  float best[H], total[H];
  for (int h = 0; h < H; h++) { best[h] = first(floats(splat_bits(0xff800000u))); total[h] = 0; }
  memset(out, 0, sizeof(float) * H * a.head_dim);
  Chunk<T> chunk;
  for (Cursor cursor = {a.runs, a.runs + a.run_count, 0, a.first_position}; cursor.next(a.head_dim, &chunk);) {
    score<H>(a, queries, chunk, scores);
    alignas(64) float factors[16] = {};  // of what is there: [0, H); of this chunk: [8, 8 + H)
    float chunk_best[H];
    for (int h = 0; h < H; h++) {
      const Lanes low = max(load(scores[h]), load(scores[h] + 16)), high = max(load(scores[h] + 32), load(scores[h] + 48));
      chunk_best[h] = largest(max(low, high));
      const float top = chunk_best[h] > best[h] ? chunk_best[h] : best[h];
      factors[h] = best[h] - top;
      factors[8 + h] = chunk_best[h] - top;
      best[h] = top;
    }
    store(factors, exp_lanes(load(factors)));
    for (int h = 0; h < H; h++) total[h] = first(fused(splat(total[h]), splat(factors[h]), splat(soften(scores[h], chunk_best[h]) * factors[8 + h])));
    int d = 0;
    for (; d + kColumns * 16 <= a.head_dim; d += kColumns * 16) weigh<H, kColumns>(chunk, scores, factors, d, 16, a.head_dim, out);
    for (; d < a.head_dim; d += 16) weigh<H, 1>(chunk, scores, factors, d, a.head_dim - d < 16 ? a.head_dim - d : 16, a.head_dim, out);
  }
  for (int h = 0; h < H; h++)
    by_lanes(a.head_dim, [&](int i, int n) { float* o = out + h * a.head_dim + i; store_up_to(o, load_up_to(o, n) / splat(total[h]), n); });
}

template <class T>
void attend_stored(const Attend& a) {
  for (int head = 0; head < a.group;) {
    const float* queries = a.queries + int64_t(head) * a.head_dim;
    float* out = a.out + int64_t(head) * a.head_dim;
    switch (a.group - head) {
      case 1: attend_heads<1, T>(a, queries, out); head += 1; break;
      case 2: attend_heads<2, T>(a, queries, out); head += 2; break;
      case 3: attend_heads<3, T>(a, queries, out); head += 3; break;
      default: attend_heads<4, T>(a, queries, out); head += 4;
    }
  }
}

void attend(const Attend& a) {
  if (a.kv_type == WeightType::bf16) attend_stored<uint16_t>(a);
  else attend_stored<float>(a);
}

}  // namespace
}  // namespace foretoken
