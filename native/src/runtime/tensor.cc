#include "tensor.h"

#include <sys/mman.h>

#include <cstdlib>
#include <new>

#include "cpu_kernels.h"
#include "error.h"

namespace foretoken {
namespace {

constexpr size_t kAlignment = 64;
constexpr size_t kHugePage = size_t{2} << 20;

size_t round_up(size_t value, size_t unit) { return (value + unit - 1) / unit * unit; }

// Maps whole huge pages: one page more than needed, then both ends are given back. nullptr when the system refuses.
void* map_huge(size_t bytes) {
  const size_t all = bytes + kHugePage;
  void* raw = mmap(nullptr, all, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (raw == MAP_FAILED) return nullptr;
  const auto begin = reinterpret_cast<uintptr_t>(raw);
  const uintptr_t aligned = round_up(begin, kHugePage);
  if (aligned > begin) munmap(raw, aligned - begin);
  const size_t tail = begin + all - (aligned + bytes);
  if (tail > 0) munmap(reinterpret_cast<void*>(aligned + bytes), tail);
#ifdef MADV_HUGEPAGE
  madvise(reinterpret_cast<void*>(aligned), bytes, MADV_HUGEPAGE);  // a wish: without huge pages it is only slower
#endif
  return reinterpret_cast<void*>(aligned);
}

}  // namespace

size_t size_of(DType dtype) { return dtype == DType::bf16 || dtype == DType::f16 ? 2 : 4; }

const char* name_of(DType dtype) {
  switch (dtype) {
    case DType::f32: return "f32";
    case DType::bf16: return "bf16";
    case DType::f16: return "f16";
    case DType::i32: return "i32";
  }
  return "unknown";
}

Buffer::Buffer(size_t bytes) : bytes_(bytes) {
  if (bytes >= kHugePage) {
    data_ = map_huge(round_up(bytes, kHugePage));
    mapped_ = data_ != nullptr;
  }
  if (data_ == nullptr) data_ = std::aligned_alloc(kAlignment, round_up(bytes > 0 ? bytes : 1, kAlignment));
  if (data_ == nullptr) throw std::bad_alloc();
}

Buffer::~Buffer() {
  if (mapped_) munmap(data_, round_up(bytes_, kHugePage));
  else std::free(data_);
}

Tensor Tensor::make(DType dtype, std::vector<int64_t> shape) {
  Tensor tensor;
  tensor.dtype = dtype;
  tensor.shape = std::move(shape);
  size_t bytes = size_of(dtype);
  for (int64_t axis : tensor.shape) {
    if (axis < 0 || __builtin_mul_overflow(bytes, static_cast<size_t>(axis), &bytes)) {
      throw Error(kShape, "a tensor axis of " + std::to_string(axis) + " is negative or too large");
    }
  }
  tensor.buffer = std::make_shared<Buffer>(bytes);
  tensor.packed = std::make_shared<std::shared_ptr<PackedMatrix>>();
  return tensor;
}

int64_t Tensor::count() const {
  int64_t count = 1;
  for (int64_t axis : shape) count *= axis;
  return count;
}

int64_t Tensor::rows() const {
  int64_t rows = 1;
  for (size_t i = 0; i + 1 < shape.size(); i++) rows *= shape[i];
  return rows;
}

}  // namespace foretoken
