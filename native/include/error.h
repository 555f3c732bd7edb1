#pragma once
#include <stdexcept>
#include <string>

namespace foretoken {

/** An error that a caller can cause or must hear of. `code` is one of the table in core/errors.ts. */
class Error : public std::runtime_error {
 public:
  Error(std::string code, const std::string& message) : std::runtime_error(message), code_(std::move(code)) {}
  const std::string& code() const { return code_; }

 private:
  std::string code_;
};

inline constexpr const char* kShape = "SHAPE";            // shapes, dtypes or arguments that do not fit
inline constexpr const char* kCapacity = "CAPACITY";      // no page is left; nothing has changed
inline constexpr const char* kDisposed = "DISPOSED";      // used after dispose
inline constexpr const char* kDevice = "DEVICE";          // the runtime is lost
inline constexpr const char* kCheckpoint = "CHECKPOINT";  // a weights file is broken or cannot be read

}  // namespace foretoken
