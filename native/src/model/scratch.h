#pragma once
#include <cstddef>
#include <memory>

#include "tensor.h"

namespace foretoken {

/** Memory that grows to what was asked for and is kept. */
template <typename T>
class Scratch {
 public:
  T* at_least(size_t count) {
    if (!buffer_ || buffer_->bytes() < count * sizeof(T)) buffer_ = std::make_unique<Buffer>(count * sizeof(T));
    return static_cast<T*>(buffer_->data());
  }

 private:
  std::unique_ptr<Buffer> buffer_;
};

}  // namespace foretoken
