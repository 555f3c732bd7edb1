#pragma once
#include <vector>

#include "transformer.h"

namespace foretoken {

class RowAdjustments;

/**
 * The head: final logits of hidden rows, or the choices made from them while the weights stream by, without writing the logits. Both
 * use the same sums. Runs on the device thread.
 */
class Head {
 public:
  Head(Device& device, const Description& description, const Model::Weights& weights);

  /** out [rows, head_outputs]. There is a head. */
  void logits(const float* hidden, int64_t rows, float* out);
  /** out [rows]; `positions` is spec.positions on the device. */
  void choose(const float* hidden, int64_t rows, const ChoiceSpec& spec, int32_t* out);
  /** Greedy choices of scratch rows over the blocks [block_begin, block_end), for timing. */
  void run_blocks(int rows, int block_begin, int block_end);
  int blocks() const { return w_.head.matrix.blocks; }

 private:
  /** Takes `count` logits of one row, those of the tokens first_token, first_token + 1, …; they are its own to change. */
  using Take = std::function<void(int thread, int row, float* logits, int count, int first_token)>;
  void stream(int rows, int block_begin, int block_end, const Take& take);
  void pack(const float* hidden, int rows);
  void finish_logits(float* logits, int count) const;
  void choose_tile(const float* hidden, const std::vector<int64_t>& rows, const ChoiceSpec& spec, const RowAdjustments& adjustments, int32_t* out);
  Best merged(int row) const;

  Device& device_;
  const CpuKernels& kernels_;
  const Description& d_;
  const Model::Weights& w_;
  std::vector<std::vector<float>> thread_logits_;
  std::vector<std::vector<Best>> thread_best_;
  Scratch<float> gathered_, filtered_;
  Scratch<std::byte> packed_;
};

}  // namespace foretoken
