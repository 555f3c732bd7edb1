#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace foretoken {

enum class DType : uint8_t { f32, bf16, f16, i32 };
size_t size_of(DType dtype);
const char* name_of(DType dtype);

/** 64-byte aligned device memory, freed with its last owner. Large blocks ask for huge pages. */
class Buffer {
 public:
  explicit Buffer(size_t bytes);
  ~Buffer();
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  void* data() const { return data_; }
  size_t bytes() const { return bytes_; }

 private:
  void* data_ = nullptr;
  size_t bytes_ = 0;
  bool mapped_ = false;
};

struct PackedMatrix;

/**
 * A dense row-major array. Copying a Tensor shares its memory. An op returns a new Tensor whose shape is known when the op is
 * enqueued and whose values are there once the device thread has run it; nobody writes a tensor after that.
 */
struct Tensor {
  DType dtype = DType::f32;
  std::vector<int64_t> shape;
  std::shared_ptr<Buffer> buffer;
  /** The matrix repacked for `linear`, made by the device thread at first use and kept with the memory it was made from. */
  std::shared_ptr<std::shared_ptr<PackedMatrix>> packed;

  static Tensor make(DType dtype, std::vector<int64_t> shape);
  int64_t count() const;
  /** Product of all axes but the last. */
  int64_t rows() const;
  float* f32() const { return static_cast<float*>(buffer->data()); }
  int32_t* i32() const { return static_cast<int32_t*>(buffer->data()); }
  uint16_t* u16() const { return static_cast<uint16_t*>(buffer->data()); }
};

}  // namespace foretoken
