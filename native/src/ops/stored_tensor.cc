#include "stored_tensor.h"

#include <algorithm>
#include <cstring>

#include "../model/mapped_file.h"
#include "error.h"

namespace foretoken {
namespace {

DType kept_dtype(Stored stored) { return stored == Stored::bf16 ? DType::bf16 : DType::f32; }
size_t stored_size(Stored stored) { return stored == Stored::f32 ? 4 : 2; }

}  // namespace

Tensor load_tensor(const std::string& name, const TensorSource& source) {
  size_t bytes = stored_size(source.stored);
  for (int64_t axis : source.shape) {
    if (axis < 0 || __builtin_mul_overflow(bytes, static_cast<size_t>(axis), &bytes)) throw Error(kCheckpoint, name + ": its shape is too large");
  }
  const MappedFile file(source.file);
  if (source.offset < 0 || static_cast<size_t>(source.offset) > file.bytes() || bytes > file.bytes() - static_cast<size_t>(source.offset)) {
    throw Error(kCheckpoint, name + ": bytes " + std::to_string(source.offset) + " to " + std::to_string(static_cast<size_t>(source.offset) + bytes) +
                                 " lie outside " + source.file + ", which has " + std::to_string(file.bytes()));
  }
  Tensor tensor = Tensor::make(kept_dtype(source.stored), source.shape);
  const std::byte* data = file.data() + source.offset;
  if (source.stored == Stored::f16) {
    constexpr int64_t kShare = 1 << 16;
    for (int64_t begin = 0; begin < tensor.count(); begin += kShare) {
      const int64_t count = std::min(kShare, tensor.count() - begin);
      unpack_row(WeightType::f32, data + begin * 2, source.stored, 0, static_cast<int>(count), tensor.f32() + begin);
    }
  } else if (bytes > 0) {
    std::memcpy(tensor.buffer->data(), data, bytes);
  }
  return tensor;
}

}  // namespace foretoken
