#pragma once
#include <cstdint>
#include <vector>

#include "model.h"

namespace foretoken {

/** Cosines and sines of one rotary table, computed once per position in double. Grown and read by the device thread's jobs. */
class RopeTable {
 public:
  RopeTable(const std::vector<double>& inverse_frequencies, double scale) : inverse_frequencies_(inverse_frequencies), scale_(scale) {}
  /** Makes the rows of positions 0 to `count - 1` available. */
  void grow(int64_t count, ThreadPool& pool);
  int half() const { return static_cast<int>(inverse_frequencies_.size()); }
  const float* cosines(int64_t position) const { return cosines_.data() + position * half(); }
  const float* sines(int64_t position) const { return sines_.data() + position * half(); }

 private:
  const std::vector<double>& inverse_frequencies_;
  const double scale_;
  std::vector<float> cosines_, sines_;  // [positions, half]
};

}  // namespace foretoken
