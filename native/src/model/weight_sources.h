#pragma once
#include <cstddef>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "mapped_file.h"
#include "model.h"

namespace foretoken {

/** Where a tensor's values lie, row-major. */
struct Found {
  const void* data;
  Stored stored;
};

/** Tensors by neutral name. Each is checked when it is taken. */
class WeightSources {
 public:
  virtual ~WeightSources() = default;
  virtual bool has(const std::string& name) const = 0;
  /** Throws Error, naming the tensor, what came and what was expected. */
  virtual Found take(const std::string& name, const std::vector<int64_t>& expected) = 0;
  /** Throws Error for a tensor that nobody took: a name that somebody misspelt. */
  virtual void refuse_unused() const = 0;
};

/** Tensors in files. Each file is mapped once, for as long as this lives. */
class FileSources : public WeightSources {
 public:
  explicit FileSources(const std::map<std::string, TensorSource>& tensors) : tensors_(tensors) {}
  bool has(const std::string& name) const override { return tensors_.count(name) > 0; }
  Found take(const std::string& name, const std::vector<int64_t>& expected) override;
  void refuse_unused() const override;

 private:
  const std::byte* map_range(const std::string& name, const TensorSource& source);

  const std::map<std::string, TensorSource>& tensors_;
  std::unordered_map<std::string, std::unique_ptr<MappedFile>> files_;
  std::set<std::string> used_;
};

/** Tensors on the device. Their values are there once what makes them has run. */
class TensorSources : public WeightSources {
 public:
  explicit TensorSources(const std::map<std::string, Tensor>& tensors) : tensors_(tensors) {}
  bool has(const std::string& name) const override { return tensors_.count(name) > 0; }
  Found take(const std::string& name, const std::vector<int64_t>& expected) override;
  void refuse_unused() const override;

 private:
  const std::map<std::string, Tensor>& tensors_;
  std::set<std::string> used_;
};

}  // namespace foretoken
