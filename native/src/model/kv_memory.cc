#include "kv_memory.h"

#include <sys/mman.h>

#include <cstring>
#include <string>

#include "error.h"

namespace foretoken {

KvMemory::KvMemory(int layers, int kv_heads, int head_dim, WeightType type, int64_t pages)
    : layers_(layers), kv_heads_(kv_heads), type_(type) {
  row_bytes_ = static_cast<size_t>(head_dim) * value_bytes();
  strip_bytes_ = row_bytes_ * kPagePositions;
  page_bytes_ = strip_bytes_ * static_cast<size_t>(kv_heads) * 2 * static_cast<size_t>(layers);
  void* map = MAP_FAILED;
  if (!__builtin_mul_overflow(page_bytes_, static_cast<size_t>(pages), &mapped_bytes_)) {
    map = mmap(nullptr, mapped_bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  }
  if (map == MAP_FAILED) {
    throw Error(kCapacity, "no address space for " + std::to_string(pages) + " pages of KV memory of " + std::to_string(page_bytes_) +
                               " bytes each; ask for fewer sequences or fewer tokens per sequence");
  }
#ifdef MADV_HUGEPAGE
  madvise(map, mapped_bytes_, MADV_HUGEPAGE);
#endif
  data_ = static_cast<std::byte*>(map);
}

KvMemory::~KvMemory() { munmap(data_, mapped_bytes_); }

void KvMemory::copy_page(int64_t from, int64_t to, int positions) const {
  const size_t bytes = row_bytes_ * static_cast<size_t>(positions);
  for (int strip = 0; strip < layers_ * 2 * kv_heads_; strip++) {
    std::memcpy(data_ + to * page_bytes_ + strip * strip_bytes_, data_ + from * page_bytes_ + strip * strip_bytes_, bytes);
  }
}

void KvMemory::copy_position(int layer, int64_t from_page, int from_slot, int64_t to_page, int to_slot) const {
  const std::byte* from = keys(from_page, layer, 0) + from_slot * row_bytes_;
  std::byte* to = keys(to_page, layer, 0) + to_slot * row_bytes_;
  for (int strip = 0; strip < 2 * kv_heads_; strip++) {
    std::memcpy(to + strip * strip_bytes_, from + strip * strip_bytes_, row_bytes_);
  }
}

}  // namespace foretoken
