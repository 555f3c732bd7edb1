#include "measure.h"

#include <algorithm>
#include <chrono>

namespace foretoken {
namespace {

using Clock = std::chrono::steady_clock;
constexpr int kRepetitions = 5;
constexpr double kPatienceMs = 1.5;  // per row count and part: a slow machine gets fewer repetitions
constexpr int kHeadParts = 8;

// The fastest of a few repetitions of `work(repetition)`, in milliseconds.
template <typename Work>
double fastest(const Work& work) {
  double best = 0, spent = 0;
  for (int repetition = 0; repetition < kRepetitions && (repetition < 2 || spent < kPatienceMs); repetition++) {
    const auto start = Clock::now();
    work(repetition);
    const double ms = std::chrono::duration<double, std::milli>(Clock::now() - start).count();
    best = repetition == 0 ? ms : std::min(best, ms);
    spent += ms;
  }
  return best;
}

}  // namespace

std::vector<double> measure_passes(Transformer& transformer, Head& head, int layers, const std::vector<int>& row_counts) {
  std::vector<double> times;
  int layer = 0, part = 0;
  const int parts = std::min(kHeadParts, head.blocks());  // 0: there is no head
  for (int rows : row_counts) {
    const double layer_ms = fastest([&](int) { transformer.run_layer_without_attention(layer++ % layers, rows); });
    const double head_ms = parts == 0 ? 0 : fastest([&](int) {
      const int at = part++ % parts;
      head.run_blocks(rows, head.blocks() * at / parts, head.blocks() * (at + 1) / parts);
    });
    times.push_back(layer_ms * layers + head_ms * parts);
  }
  return times;
}

}  // namespace foretoken
