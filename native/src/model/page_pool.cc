#include "page_pool.h"

namespace foretoken {

int32_t PagePool::take() {
  used_++;
  if (!free_.empty()) {
    const int32_t page = free_.back();  // the one used last: its memory is there already
    free_.pop_back();
    holders_[page] = 1;
    return page;
  }
  holders_.push_back(1);
  return static_cast<int32_t>(holders_.size()) - 1;
}

void PagePool::release(int32_t page) {
  if (--holders_[page] > 0) return;
  free_.push_back(page);
  used_--;
}

}  // namespace foretoken
