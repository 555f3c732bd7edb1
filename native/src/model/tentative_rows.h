#pragma once
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

namespace foretoken {

/**
 * The tentative rows of one sequence: who hangs from whom and who is absent. The device thread writes them, since tokens and parents may
 * come from the device; the calling thread may look at them while no forward is on its way.
 */
class TentativeRows {
 public:
  // Device thread.
  int32_t count() const { return static_cast<int32_t>(parents_.size()); }
  int32_t parent(int32_t row) const { return parents_[row]; }
  /** 0 where the row hangs from the last committed token; -1: absent. */
  int32_t depth(int32_t row) const { return depths_[row]; }
  void append(int32_t parent, int32_t depth);
  void forget();

  // Calling thread.
  /** A forward that appends rows has been enqueued; land() follows, also when it is dropped. */
  void launch();
  void land();
  /** Waits until no forward is on its way, then says what is wrong with `path` [length]: nullptr if each row hangs from the one before. */
  const char* fault_of(const int32_t* path, int length, int* at);

 private:
  std::mutex mutex_;
  std::condition_variable landed_;
  int in_flight_ = 0;
  std::vector<int32_t> parents_, depths_;
};

/** Lands all that were launched, at the latest when the command that holds it is destroyed. */
class Flight {
 public:
  ~Flight() { land(); }
  void launch(std::shared_ptr<TentativeRows> rows);
  void land();

 private:
  std::vector<std::shared_ptr<TentativeRows>> launched_;
};

}  // namespace foretoken
