#pragma once
#include <cstdint>
#include <functional>
#include <vector>

#include "device.h"
#include "scratch.h"
#include "weights.h"

namespace foretoken {

/**
 * A feed-forward part of many experts, of which each row runs a few. The router's scores and their softmax are f32 whatever the weights are; ties
 * go to the lowest expert, and what a row's experts say is summed in ascending order of the experts. Rows are gathered by expert, and the
 * kernels compute a row the same whatever rows stand beside it: so a row's bits depend on that row alone.
 */
class Experts {
 public:
  Experts(Device& device, const Description& description, WeightType type);

  /** out[row] (`stride` apart) = the weighted sum of the experts that x[row], `[rows, hidden]`, chooses. On the device thread. */
  void run(const ExpertWeights& weights, const float* x, int rows, float* out, int64_t stride);

 private:
  /** Rows of one expert in the gathered order. */
  struct Group {
    int expert, begin, count;
    size_t packed;  // where its packed activations begin
  };

  void route(const ExpertWeights& weights, const float* x, int rows);
  void choose(const float* scores, int row);
  void group(int rows);
  void project(const std::vector<Projection>& projections, float* out);
  void pack(const std::vector<Projection>& projections, const float* x, int64_t stride);
  void each(int64_t count, int64_t width, const std::function<void(int64_t)>& body);

  Device& device_;
  const CpuKernels& kernels_;
  const Description& d_;
  const WeightType type_;
  std::vector<Group> groups_;
  std::vector<int> group_of_;   // [gathered rows]
  std::vector<int> chosen_;     // [rows, per token] ascending
  std::vector<float> shares_;   // [rows, per token]
  std::vector<int> gathered_;   // [rows, per token] → row in the gathered order
  Scratch<float> scores_memory_, gathered_memory_, inner_memory_, out_memory_;
  Scratch<std::byte> packed_memory_;
  float* scores_ = nullptr;
};

}  // namespace foretoken
