#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include "cpu_kernels.h"

namespace foretoken {

/** Positions that one page holds; also the chunk that attention sums over. */
inline constexpr int kPagePositions = 64;

/**
 * The memory of all pages of a session: per page [layer][key | value][kv head][64][head_dim]. Address space is reserved at once, memory
 * is used when a page is first written. Only the device thread and its jobs touch the contents.
 */
class KvMemory {
 public:
  /** Throws Error(kCapacity) when the address space cannot be reserved. */
  KvMemory(int layers, int kv_heads, int head_dim, WeightType type, int64_t pages);
  ~KvMemory();
  KvMemory(const KvMemory&) = delete;
  KvMemory& operator=(const KvMemory&) = delete;

  WeightType type() const { return type_; }
  size_t value_bytes() const { return type_ == WeightType::f32 ? 4 : 2; }
  /** Bytes of one position of one head. */
  size_t row_bytes() const { return row_bytes_; }
  std::byte* keys(int64_t page, int layer, int head) const { return data_ + page * page_bytes_ + (layer * 2 * kv_heads_ + head) * strip_bytes_; }
  std::byte* values(int64_t page, int layer, int head) const { return keys(page, layer, head) + kv_heads_ * strip_bytes_; }

  /** Copies the first `positions` positions of a page, all layers. */
  void copy_page(int64_t from, int64_t to, int positions) const;
  /** Copies the keys and values of one position in one layer. A place is a page and the position in it. */
  void copy_position(int layer, int64_t from_page, int from_slot, int64_t to_page, int to_slot) const;

 private:
  int layers_, kv_heads_;
  WeightType type_;
  size_t row_bytes_, strip_bytes_, page_bytes_;  // a strip: 64 positions of one head
  size_t mapped_bytes_ = 0;
  std::byte* data_ = nullptr;
};

}  // namespace foretoken
