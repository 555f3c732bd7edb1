#include "tentative_rows.h"

namespace foretoken {

void TentativeRows::append(int32_t parent, int32_t depth) {
  std::lock_guard<std::mutex> lock(mutex_);
  parents_.push_back(parent);
  depths_.push_back(depth);
}

void TentativeRows::forget() {
  std::lock_guard<std::mutex> lock(mutex_);
  parents_.clear();
  depths_.clear();
}

void TentativeRows::launch() {
  std::lock_guard<std::mutex> lock(mutex_);
  in_flight_++;
}

void TentativeRows::land() {
  std::lock_guard<std::mutex> lock(mutex_);
  in_flight_--;
  landed_.notify_all();
}

const char* TentativeRows::fault_of(const int32_t* path, int length, int* at) {
  std::unique_lock<std::mutex> lock(mutex_);
  landed_.wait(lock, [&] { return in_flight_ == 0; });
  int32_t before = -1;
  for (*at = 0; *at < length; before = path[(*at)++]) {
    const auto row = static_cast<size_t>(path[*at]);
    if (row >= parents_.size()) return nullptr;  // its forward was dropped: the device is lost or closed, and the caller is about to hear it
    if (depths_[row] < 0) return "is absent";
    if (parents_[row] != before) return "does not hang from the row before it on the path";
  }
  return nullptr;
}

void Flight::launch(std::shared_ptr<TentativeRows> rows) {
  rows->launch();
  launched_.push_back(std::move(rows));
}

void Flight::land() {
  for (const auto& rows : launched_) rows->land();
  launched_.clear();
}

}  // namespace foretoken
