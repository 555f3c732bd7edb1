// Ops that move values and compute nothing: concat, gather, scatter, div_mod.
#include <algorithm>
#include <cstring>
#include <string>

#include "checks.h"
#include "ops.h"

namespace foretoken::ops {
namespace {

constexpr int64_t kGrainBytes = 1 << 16;

int64_t product(const std::vector<int64_t>& shape, size_t begin, size_t end) {
  int64_t count = 1;
  for (size_t i = begin; i < end; i++) count *= shape[i];
  return count;
}

std::byte* bytes_of(const Tensor& tensor) { return static_cast<std::byte*>(tensor.buffer->data()); }

void require_axis(const char* op, const Tensor& x, int axis) {
  if (axis < 0 || static_cast<size_t>(axis) >= x.shape.size()) throw Error(kShape, std::string(op) + ": " + text_of(x) + " has no axis " + std::to_string(axis));
}

/** x seen as [outer, m, inner bytes]; index as [outer, k] (per row) or [k]. */
struct Picks {
  int64_t outer, m, k, inner_bytes;
  bool per_row;
};

void run_gather(Device& device, const Tensor& x, const Tensor& index, const Picks& picks, const Tensor& out) {
  const int bad = x.dtype == DType::i32 ? 0xff : 0;  // all bits set is -1
  const int64_t grain = std::max<int64_t>(1, kGrainBytes / std::max<int64_t>(1, picks.inner_bytes));
  device.pool().parallel_for(picks.outer * picks.k, grain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++) {
      const int64_t outer = i / picks.k;
      const int32_t at = index.i32()[picks.per_row ? i : i % picks.k];
      std::byte* to = bytes_of(out) + i * picks.inner_bytes;
      const bool good = at >= 0 && at < picks.m;
      if (good) std::memcpy(to, bytes_of(x) + (outer * picks.m + at) * picks.inner_bytes, static_cast<size_t>(picks.inner_bytes));
      else std::memset(to, bad, static_cast<size_t>(picks.inner_bytes));
    }
  });
}

}  // namespace

Tensor concat(Device& device, const std::vector<Tensor>& parts, int axis) {
  if (parts.empty()) throw Error(kShape, "concat: parts is empty");
  const Tensor& first = parts[0];
  require_axis("concat", first, axis);
  std::vector<int64_t> shape = first.shape;
  shape[static_cast<size_t>(axis)] = 0;
  for (const Tensor& part : parts) {
    std::vector<int64_t> rest = part.shape;
    if (static_cast<size_t>(axis) < rest.size()) {
      shape[static_cast<size_t>(axis)] += rest[static_cast<size_t>(axis)];
      rest[static_cast<size_t>(axis)] = first.shape[static_cast<size_t>(axis)];
    }
    if (rest != first.shape || part.dtype != first.dtype) {
      throw Error(kShape, "concat: " + text_of(part) + " does not fit " + text_of(first) + " along axis " + std::to_string(axis));
    }
  }
  Tensor out = Tensor::make(first.dtype, shape);
  device.enqueue("concat", [parts, axis, out] {
    const auto at = static_cast<size_t>(axis);
    const int64_t outer = product(out.shape, 0, at);
    std::byte* to = bytes_of(out);
    for (int64_t o = 0; o < outer; o++) {
      for (const Tensor& part : parts) {
        const auto bytes = static_cast<size_t>(product(part.shape, at, part.shape.size())) * size_of(part.dtype);
        std::memcpy(to, bytes_of(part) + static_cast<size_t>(o) * bytes, bytes);
        to += bytes;
      }
    }
  });
  return out;
}

Tensor gather(Device& device, const Tensor& x, const Tensor& index, int axis) {
  require_i32("gather", "index", index);
  require_axis("gather", x, axis);
  const auto at = static_cast<size_t>(axis);
  const bool per_row = axis == 1 && index.shape.size() == 2;
  if (per_row && index.shape[0] != x.shape[0]) refuse("gather", "index", "of " + std::to_string(x.shape[0]) + " rows as x", index);
  if (axis > 0 && !per_row && index.shape.size() != 1) refuse("gather", "index", "of one axis, or of two on axis 1", index);
  std::vector<int64_t> shape(x.shape.begin(), x.shape.begin() + axis);
  shape.insert(shape.end(), index.shape.begin() + (per_row ? 1 : 0), index.shape.end());
  shape.insert(shape.end(), x.shape.begin() + axis + 1, x.shape.end());
  Tensor out = Tensor::make(x.dtype, shape);
  Picks picks;
  picks.outer = product(x.shape, 0, at);
  picks.m = x.shape[at];
  picks.k = per_row ? index.shape[1] : index.count();
  picks.inner_bytes = product(x.shape, at + 1, x.shape.size()) * static_cast<int64_t>(size_of(x.dtype));
  picks.per_row = per_row;
  device.enqueue("gather", [&device, x, index, picks, out] { run_gather(device, x, index, picks, out); });
  return out;
}

Tensor scatter(Device& device, const Tensor& x, const Tensor& index, int64_t width) {
  require_rows("scatter", "x", x);
  require_i32("scatter", "index", index);
  require_shape("scatter", "index", index, {width_of(x)});
  if (width < 0 || width > INT32_MAX) throw Error(kShape, "scatter: width must lie from 0 to 2^31 - 1, got " + std::to_string(width));
  if (x.dtype != DType::f32 && x.dtype != DType::i32) refuse("scatter", "x", "f32 or i32", x);
  std::vector<int64_t> shape = x.shape;
  shape.back() = width;
  Tensor out = Tensor::make(x.dtype, shape);
  device.enqueue("scatter", [&device, x, index, width, out] {
    const int64_t columns = width_of(x);
    const int64_t grain = std::max<int64_t>(1, kGrainBytes / std::max<int64_t>(1, 4 * (width + columns)));
    device.pool().parallel_for(out.rows(), grain, [&](int64_t begin, int64_t end) {
      std::memset(bytes_of(out) + begin * width * 4, x.dtype == DType::i32 ? 0xff : 0, static_cast<size_t>((end - begin) * width * 4));
      for (int64_t row = begin; row < end; row++) {
        for (int64_t c = 0; c < columns; c++) {
          const int32_t at = index.i32()[c];
          if (at >= 0 && at < width) std::memcpy(bytes_of(out) + (row * width + at) * 4, bytes_of(x) + (row * columns + c) * 4, 4);
        }
      }
    });
  });
  return out;
}

std::pair<Tensor, Tensor> div_mod(Device& device, const Tensor& x, int32_t by) {
  require_i32("divMod", "x", x);
  if (by < 1) throw Error(kShape, "divMod: by must be at least 1, got " + std::to_string(by));
  Tensor quotient = Tensor::make(DType::i32, x.shape), remainder = Tensor::make(DType::i32, x.shape);
  device.enqueue("divMod", [x, by, quotient, remainder] {
    for (int64_t i = 0; i < x.count(); i++) {
      const int32_t value = x.i32()[i];  // an absent one stays absent
      quotient.i32()[i] = value < 0 ? -1 : value / by;
      remainder.i32()[i] = value < 0 ? -1 : value % by;
    }
  });
  return {quotient, remainder};
}

}  // namespace foretoken::ops
