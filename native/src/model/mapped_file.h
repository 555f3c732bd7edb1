#pragma once
#include <cstddef>
#include <string>

namespace foretoken {

/** A file mapped read-only as a whole; unmapped with this object. Throws Error(kCheckpoint) when it cannot be read. */
class MappedFile {
 public:
  explicit MappedFile(const std::string& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  const std::byte* data() const { return data_; }
  size_t bytes() const { return bytes_; }

 private:
  const std::byte* data_ = nullptr;
  size_t bytes_ = 0;
};

}  // namespace foretoken
