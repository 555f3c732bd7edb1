#pragma once
#include <cstdint>
#include <vector>

namespace foretoken {

/** Which pages are free, and how many sequences hold each. Host bookkeeping: calling thread only. */
class PagePool {
 public:
  explicit PagePool(int64_t pages) : total_(pages) {}
  int64_t total() const { return total_; }
  int64_t used() const { return used_; }
  int64_t unused() const { return total_ - used_; }

  /** A page held once. The caller has seen that one is free. */
  int32_t take();
  void share(int32_t page) { holders_[page]++; }
  void release(int32_t page);
  int32_t holders(int32_t page) const { return holders_[page]; }

 private:
  int64_t total_, used_ = 0;
  std::vector<int32_t> holders_, free_;  // pages that were never used follow holders_.size()
};

}  // namespace foretoken
