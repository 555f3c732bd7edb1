#include <chrono>

#include "ops.h"

namespace foretoken::ops {

Tensor clock(Device& device) {
  Tensor time = Tensor::make(DType::i32, {2});
  device.enqueue("clock", [time] {
    const auto since = std::chrono::steady_clock::now().time_since_epoch();
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(since);
    time.i32()[0] = static_cast<int32_t>(seconds.count());
    time.i32()[1] = static_cast<int32_t>(std::chrono::duration_cast<std::chrono::microseconds>(since - seconds).count());
  });
  return time;
}

}  // namespace foretoken::ops
