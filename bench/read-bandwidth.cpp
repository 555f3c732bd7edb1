// Read bandwidth of this machine: every thread sums its share of a buffer, all at once. Prints GB/s (1e9 bytes) per argument, best and median.
//   read-bandwidth THREADS BYTES...
#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <vector>

namespace {

std::atomic<uint64_t> sink{0};

uint64_t sum(const uint64_t* data, size_t count) {
  uint64_t a = 0, b = 0, c = 0, d = 0;
  for (size_t i = 0; i + 4 <= count; i += 4) {
    a += data[i];
    b += data[i + 1];
    c += data[i + 2];
    d += data[i + 3];
  }
  return a + b + c + d;
}

// Seconds in which `threads` threads read the whole buffer `repeats` times, from the start of the first to the end of the last.
double read_all(const uint64_t* data, size_t count, int threads, int repeats) {
  std::atomic<int> ready{0};
  std::atomic<bool> go{false};
  std::vector<std::thread> pool;
  for (int t = 0; t < threads; ++t) {
    pool.emplace_back([&, t] {
      const size_t from = count * t / threads, to = count * (t + 1) / threads;
      ++ready;
      while (!go) {}
      for (int r = 0; r < repeats; ++r) sink += sum(data + from, to - from);
    });
  }
  while (ready < threads) std::this_thread::yield();
  const auto start = std::chrono::steady_clock::now();
  go = true;
  for (auto& thread : pool) thread.join();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

void measure(size_t bytes, int threads) {
  const size_t huge = size_t{2} << 20, mapped = (bytes + huge - 1) / huge * huge;
  void* memory = mmap(nullptr, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) std::exit(1);
#ifdef MADV_HUGEPAGE
  madvise(memory, mapped, MADV_HUGEPAGE);
#endif
  std::memset(memory, 1, mapped);
  const auto* data = static_cast<const uint64_t*>(memory);
  // About 2 GB a trial, so that small sets are long enough to time.
  const int repeats = static_cast<int>(std::max<size_t>(1, (size_t{1} << 31) / bytes)), trials = 5;
  std::vector<double> rates;
  for (int i = 0; i < trials; ++i) rates.push_back(double(bytes) * repeats / read_all(data, bytes / 8, threads, repeats) / 1e9);
  std::sort(rates.begin(), rates.end());
  std::printf("%zu %.2f %.2f\n", bytes, rates.back(), rates[trials / 2]);
  munmap(memory, mapped);
}

}  // namespace

int main(int argc, char** argv) {
  for (int i = 2; i < argc; ++i) measure(std::strtoull(argv[i], nullptr, 10), std::atoi(argv[1]));
}
