#include "mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "error.h"

namespace foretoken {

MappedFile::MappedFile(const std::string& path) {
  const auto fail = [&](const char* what) { return Error(kCheckpoint, path + ": " + what + ": " + std::strerror(errno)); };
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) throw fail("cannot be opened");
  struct stat status{};
  if (fstat(file, &status) != 0 || !S_ISREG(status.st_mode)) {
    close(file);
    throw Error(kCheckpoint, path + ": not a regular file");
  }
  bytes_ = static_cast<size_t>(status.st_size);
  if (bytes_ > 0) {
    void* map = mmap(nullptr, bytes_, PROT_READ, MAP_PRIVATE, file, 0);
    if (map == MAP_FAILED) {
      const Error error = fail("cannot be mapped");
      close(file);
      throw error;
    }
    data_ = static_cast<const std::byte*>(map);
  }
  close(file);
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) munmap(const_cast<std::byte*>(data_), bytes_);
}

}  // namespace foretoken
