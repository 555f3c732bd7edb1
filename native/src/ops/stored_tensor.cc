#include "stored_tensor.h"

#include <algorithm>
#include <cstring>

#include "../model/mapped_file.h"
#include "error.h"

namespace foretoken {
namespace {

constexpr int64_t kShare = 1 << 12;  // values converted at once

size_t stored_size(Stored stored) { return stored == Stored::f32 ? 4 : 2; }
Stored own_form(WeightType type) { return type == WeightType::bf16 ? Stored::bf16 : Stored::f32; }
WeightType natural_type(Stored stored) { return stored == Stored::bf16 ? WeightType::bf16 : WeightType::f32; }

void convert(const std::byte* data, Stored stored, WeightType type, const Tensor& out) {
  std::vector<float> values(kShare);
  for (int64_t begin = 0; begin < out.count(); begin += kShare) {
    const int64_t count = std::min(kShare, out.count() - begin);
    float* to = type == WeightType::f32 ? out.f32() + begin : values.data();
    unpack_row(type, data + begin * static_cast<int64_t>(stored_size(stored)), stored, 0, static_cast<int>(count), to);
    if (type == WeightType::f32) continue;
    for (int64_t i = 0; i < count; i++) {  // rounded already: the lower half is zero
      uint32_t bits;
      std::memcpy(&bits, &values[static_cast<size_t>(i)], sizeof(bits));
      out.u16()[begin + i] = static_cast<uint16_t>(bits >> 16);
    }
  }
}

}  // namespace

Tensor load_tensor(const std::string& name, const TensorSource& source, std::optional<WeightType> wanted) {
  size_t bytes = stored_size(source.stored);
  for (int64_t axis : source.shape) {
    if (axis < 0 || __builtin_mul_overflow(bytes, static_cast<size_t>(axis), &bytes)) throw Error(kCheckpoint, name + ": its shape is too large");
  }
  const MappedFile file(source.file);
  if (source.offset < 0 || static_cast<size_t>(source.offset) > file.bytes() || bytes > file.bytes() - static_cast<size_t>(source.offset)) {
    throw Error(kCheckpoint, name + ": bytes " + std::to_string(source.offset) + " to " + std::to_string(static_cast<size_t>(source.offset) + bytes) +
                                 " lie outside " + source.file + ", which has " + std::to_string(file.bytes()));
  }
  const WeightType type = wanted.value_or(natural_type(source.stored));
  Tensor tensor = Tensor::make(type == WeightType::bf16 ? DType::bf16 : DType::f32, source.shape);
  const std::byte* data = file.data() + source.offset;
  if (source.stored != own_form(type)) convert(data, source.stored, type, tensor);
  else if (bytes > 0) std::memcpy(tensor.buffer->data(), data, bytes);
  return tensor;
}

}  // namespace foretoken
