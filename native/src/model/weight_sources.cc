#include "weight_sources.h"

#include "error.h"

namespace foretoken {
namespace {

std::string text_of(const std::vector<int64_t>& shape) {
  std::string text = "[";
  for (size_t i = 0; i < shape.size(); i++) text += (i > 0 ? ", " : "") + std::to_string(shape[i]);
  return text + "]";
}

std::string quoted(const std::string& name) { return "tensor \"" + name + "\""; }

}  // namespace

Found FileSources::take(const std::string& name, const std::vector<int64_t>& expected) {
  const auto found = tensors_.find(name);
  if (found == tensors_.end()) throw Error(kCheckpoint, quoted(name) + " " + text_of(expected) + " is missing");
  const TensorSource& source = found->second;
  if (source.shape != expected) {
    throw Error(kCheckpoint, quoted(name) + " in " + source.file + " has shape " + text_of(source.shape) + ", expected " + text_of(expected));
  }
  used_.insert(name);
  return {map_range(name, source), source.stored};
}

void FileSources::refuse_unused() const {
  for (const auto& [name, source] : tensors_) {
    if (used_.count(name) == 0) throw Error(kCheckpoint, quoted(name) + " in " + source.file + " has no place in this model");
  }
}

const std::byte* FileSources::map_range(const std::string& name, const TensorSource& source) {
  auto& file = files_[source.file];
  if (!file) file = std::make_unique<MappedFile>(source.file);
  size_t bytes = source.stored == Stored::f32 ? 4 : 2;
  for (int64_t axis : source.shape) bytes *= static_cast<size_t>(axis);  // equal to the expected shape, which is bounded
  const size_t size = file->bytes();
  if (source.offset < 0 || static_cast<size_t>(source.offset) > size || bytes > size - static_cast<size_t>(source.offset)) {
    throw Error(kCheckpoint, quoted(name) + " needs " + std::to_string(bytes) + " bytes at offset " + std::to_string(source.offset) +
                                 ", but " + source.file + " ends at " + std::to_string(size));
  }
  return file->data() + source.offset;
}

Found TensorSources::take(const std::string& name, const std::vector<int64_t>& expected) {
  const auto found = tensors_.find(name);
  if (found == tensors_.end()) throw Error(kShape, "createModel: " + quoted(name) + " " + text_of(expected) + " is missing");
  const Tensor& tensor = found->second;
  if (tensor.shape != expected || tensor.dtype == DType::i32 || tensor.dtype == DType::f16) {
    throw Error(kShape, "createModel: " + quoted(name) + " is " + name_of(tensor.dtype) + " " + text_of(tensor.shape) + ", expected f32 or bf16 " + text_of(expected));
  }
  used_.insert(name);
  return {tensor.buffer->data(), tensor.dtype == DType::bf16 ? Stored::bf16 : Stored::f32};
}

void TensorSources::refuse_unused() const {
  for (const auto& [name, tensor] : tensors_) {
    if (used_.count(name) == 0) throw Error(kShape, "createModel: " + quoted(name) + " " + text_of(tensor.shape) + " has no place in this model");
  }
}

}  // namespace foretoken
