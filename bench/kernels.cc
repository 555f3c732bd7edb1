// Times the matrix kernels over the weights of a Llama-shaped model of 135M parameters: t(M) / t(1) and the share of the read bandwidth.
// After `npm run build:native`:
//   g++ -std=c++17 -O3 -I native/include bench/kernels.cc build/CMakeFiles/foretoken.dir/native/src/cpu/*.o -pthread -o build/bench-kernels
//   build/bench-kernels [set] [bf16|f32] [threads] [repetitions] [M,M,...]
// On a shared machine whole passes say little, so every matrix is cut in pieces of at most 1 MiB, and a time is the sum over the pieces of
// the fastest repetition; activations are packed anew for every piece. Not counted: attention, norms, sampling.
// The head's results stay in a small buffer, as a fused choice keeps them.
#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "cpu_kernels.h"

using namespace foretoken;

namespace {

constexpr int kMaxRows = 64;

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

char* allocate(size_t bytes) {
  void* p = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (p == MAP_FAILED) { perror("mmap"); exit(1); }
#if defined(MADV_HUGEPAGE)
  madvise(p, bytes, MADV_HUGEPAGE);
#endif
  return static_cast<char*>(p);
}

/** Runs one job on all threads; they wait for each other at barriers. */
class Team {
 public:
  explicit Team(int threads) : size_(threads) {}
  void run(const std::function<void(int)>& job) {
    std::vector<std::thread> others;
    for (int i = 1; i < size_; i++) others.emplace_back([&, i] { flush_subnormals(); job(i); });
    flush_subnormals();
    job(0);
    for (auto& t : others) t.join();
  }
  void barrier() {
    const int round = round_.load();
    if (arrived_.fetch_add(1) == size_ - 1) { arrived_ = 0; round_ = round + 1; }
    else while (round_.load() == round) {}
  }

 private:
  int size_;
  std::atomic<int> arrived_{0}, round_{0};
};

struct Piece { PackedMatrix matrix; size_t offset; int begin, end; };

std::vector<Piece> pieces_of_model(WeightType type, size_t* total) {
  constexpr int kLayers = 30, kHidden = 576, kKv = 192, kInner = 1536, kVocab = 49152;
  std::vector<Piece> pieces;
  *total = 0;
  auto add = [&](int n, int k) {
    const PackedMatrix m = {type, n, k, n / 32, k, nullptr};
    const size_t bytes = packed_bytes(type, n, k);
    const int count = int(std::max<size_t>(1, bytes >> 20));
    for (int i = 0; i < count; i++) pieces.push_back({m, *total, int(int64_t(m.blocks) * i / count), int(int64_t(m.blocks) * (i + 1) / count)});
    *total += bytes;
  };
  for (int layer = 0; layer < kLayers; layer++) {
    for (int n : {kHidden, kKv, kKv, kHidden, kInner, kInner}) add(n, kHidden);
    add(kHidden, kInner);
  }
  add(kVocab, kHidden);
  return pieces;
}

uint64_t read_all(const char* p, size_t bytes) {
  uint64_t sums[8] = {};
  for (size_t i = 0; i + 64 <= bytes; i += 64)
    for (int j = 0; j < 8; j++) { uint64_t v; memcpy(&v, p + i + j * 8, 8); sums[j] += v; }
  uint64_t all = 0;
  for (uint64_t s : sums) all += s;
  return all;
}

volatile uint64_t sink;

}  // namespace

int main(int argc, char** argv) {
  const CpuKernels& kernels = select_kernels(argc > 1 ? argv[1] : nullptr);
  const WeightType type = argc > 2 && std::string(argv[2]) == "f32" ? WeightType::f32 : WeightType::bf16;
  const int threads = argc > 3 ? atoi(argv[3]) : 2, repetitions = argc > 4 ? atoi(argv[4]) : 5;
  std::vector<int> row_counts = {1, 2, 4, 6, 8, 16, 32};
  if (argc > 5) {
    row_counts.clear();
    for (char* t = strtok(argv[5], ","); t; t = strtok(nullptr, ",")) row_counts.push_back(std::min(kMaxRows, std::max(1, atoi(t))));
  }
  size_t total;
  const std::vector<Piece> pieces = pieces_of_model(type, &total);
  const int copies = int((size_t(1) << 30) / total) + 1;  // beyond every cache
  char* weights = allocate(total * copies + (1 << 16));
  uint64_t state = 88172645463325252ull;
  for (size_t i = 0; i < total * copies / 8; i++) {
    state ^= state << 13; state ^= state >> 7; state ^= state << 17;
    // small normal numbers in either type
    const uint64_t word = type == WeightType::bf16 ? (state & 0x83ff83ff83ff83ffull) | 0x3c003c003c003c00ull : (state & 0x83ffffff83ffffffull) | 0x3c0000003c000000ull;
    memcpy(weights + i * 8, &word, 8);
  }
  std::vector<float> x(kMaxRows * 1536);
  for (size_t i = 0; i < x.size(); i++) x[i] = float((i * 2654435761u >> 8) & 0xffff) / 32768.0f - 1;
  char* packed = allocate(kernels.activation_bytes(type, kMaxRows, 1536));
  float* y = reinterpret_cast<float*>(allocate(size_t(kMaxRows) * 49152 * 4));

  const size_t kinds = row_counts.size() + 1;  // the last one only reads
  std::vector<std::vector<double>> fastest(kinds, std::vector<double>(pieces.size(), 1e9));
  Team team(threads);
  int copy = 0;
  for (int repetition = -1; repetition < repetitions; repetition++)
    for (size_t kind = 0; kind < kinds; kind++) {
      const char* base = weights + (copy++ % copies) * total;
      team.run([&](int thread) {
        const int rows = kind < row_counts.size() ? row_counts[kind] : 0;
        for (size_t i = 0; i < pieces.size(); i++) {
          const Piece& piece = pieces[i];
          PackedMatrix m = piece.matrix;
          m.data = base + piece.offset;
          const int blocks = piece.end - piece.begin, begin = piece.begin + blocks * thread / threads, end = piece.begin + blocks * (thread + 1) / threads;
          team.barrier();
          const double start = now();
          if (!rows) {
            const size_t bytes = packed_bytes(type, 32, m.k);
            sink = read_all(base + piece.offset + begin * bytes, (end - begin) * bytes);
          } else {
            kernels.pack_activations(type, x.data(), m.k, rows, m.k, m.k_padded, rows * thread / threads, rows * (thread + 1) / threads, packed);
            team.barrier();
            float* out = m.n > 4096 ? y + int64_t(thread) * kMaxRows * 4096 : y + begin * 32;
            kernels.matmul(m, packed, rows, out, m.n > 4096 ? blocks * 32 : m.n, begin, end);
          }
          team.barrier();
          if (thread == 0 && repetition >= 0) fastest[kind][i] = std::min(fastest[kind][i], now() - start);
        }
      });
    }
  auto time_of = [&](size_t kind) { double t = 0; for (double p : fastest[kind]) t += p; return t; };
  const double read = time_of(kinds - 1), one = time_of(0);
  printf("%s %s, %d threads, %.1f MB of weights; reading them: %.2f ms, %.1f GB/s\n", kernels.name, type == WeightType::bf16 ? "bf16" : "f32", threads,
         double(total) * 1e-6, read * 1e3, double(total) / read * 1e-9);
  for (size_t kind = 0; kind + 1 < kinds; kind++) {
    const double t = time_of(kind);
    printf("M = %-3d %8.2f ms  t / t(%d) = %5.2f  read / t = %4.2f  %6.1f GFLOP/s\n", row_counts[kind], t * 1e3, row_counts[0], t / one, read / t,
           double(total) / (type == WeightType::bf16 ? 2 : 4) * 2 * row_counts[kind] / t * 1e-9);
  }
}
