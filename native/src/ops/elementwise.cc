// Ops on single elements. Shapes align on the right; a missing or 1-long axis is repeated.
#include <algorithm>
#include <climits>
#include <cmath>
#include <limits>
#include <string>

#include "checks.h"
#include "cpu_math.h"
#include "ops.h"

namespace foretoken::ops {
namespace {

constexpr int64_t kGrain = 1 << 14;  // elements that are worth another thread
constexpr int kShare = 1 << 10;      // elements of one kernel call

using Shape = std::vector<int64_t>;

Shape shape_of(const Operand& operand) {
  const auto* tensor = std::get_if<Tensor>(&operand);
  return tensor != nullptr ? tensor->shape : Shape{};
}

Shape broadcast(const char* op, const std::vector<Shape>& shapes) {
  Shape out;
  for (const Shape& shape : shapes) {
    if (shape.size() > out.size()) out.insert(out.begin(), shape.size() - out.size(), 1);
    for (size_t i = 0; i < shape.size(); i++) {
      int64_t& axis = out[out.size() - shape.size() + i];
      if (axis == 1) axis = shape[i];
      else if (shape[i] != 1 && shape[i] != axis) {
        std::string all;
        for (const Shape& each : shapes) all += (all.empty() ? "" : " and ") + text_of(each);
        throw Error(kShape, std::string(op) + ": shapes " + all + " do not align on the right");
      }
    }
  }
  return out;
}

/** The dtype that tensors among the operands agree on; numbers alone are f32. */
DType common_dtype(const char* op, const Operand& a, const Operand& b) {
  const Tensor* tensors[] = {std::get_if<Tensor>(&a), std::get_if<Tensor>(&b)};
  if (tensors[0] == nullptr) std::swap(tensors[0], tensors[1]);
  if (tensors[0] == nullptr) return DType::f32;
  const bool integers = tensors[0]->dtype == DType::i32;
  for (const Tensor* tensor : tensors) {
    if (tensor == nullptr || integers == (tensor->dtype == DType::i32)) {
      if (tensor != nullptr && !integers) require_real(op, "an operand", *tensor);
      continue;
    }
    throw Error(kShape, std::string(op) + ": " + text_of(*tensors[0]) + " and " + text_of(*tensor) + " differ in dtype");
  }
  for (const Operand* operand : {&a, &b}) {
    const double* number = std::get_if<double>(operand);
    if (number == nullptr || !integers) continue;
    if (!(*number == std::floor(*number) && *number >= INT32_MIN && *number <= INT32_MAX)) {
      throw Error(kShape, std::string(op) + ": beside an i32 tensor a number must be an i32 integer, got " + std::to_string(*number));
    }
  }
  return integers ? DType::i32 : DType::f32;
}

/** Steps of an operand through the output: how far it moves for one step of each output axis. */
struct Walk {
  Shape shape, stride;
  Walk(const Shape& out, const Shape& own) : shape(out), stride(out.size(), 0) {
    int64_t step = 1;
    for (size_t i = own.size(); i-- > 0;) {
      if (own[i] != 1) stride[out.size() - own.size() + i] = step;
      step *= own[i];
    }
  }
  /** Offset of the first element of output row `row` (all axes but the last). */
  int64_t at_row(int64_t row) const {
    int64_t offset = 0;
    for (size_t i = shape.size() - 1; i-- > 0;) {
      offset += row % shape[i] * stride[i];
      row /= shape[i];
    }
    return offset;
  }
  int64_t last() const { return stride.back(); }
};

/** An operand on the device thread: values, and how to walk them. */
template <typename Element>
struct Source {
  Reals reals;
  Element number;
  const Element* data;
  Walk walk;

  Source(const Operand& operand, const Shape& out)
      : reals(real_tensor(operand)), number(std::holds_alternative<double>(operand) ? static_cast<Element>(std::get<double>(operand)) : Element{}),
        data(&number), walk(out, shape_of(operand)) {
    const auto* tensor = std::get_if<Tensor>(&operand);
    if (tensor == nullptr) return;
    if constexpr (std::is_same_v<Element, float>) data = reals.data();
    else data = tensor->i32();
  }
  Source(const Source&) = delete;

  static Tensor real_tensor(const Operand& operand) {
    const auto* tensor = std::get_if<Tensor>(&operand);
    if (std::is_same_v<Element, float> && tensor != nullptr) return *tensor;
    Tensor none;
    none.shape = {0};
    none.buffer = std::make_shared<Buffer>(0);
    return none;
  }
};

/** Output rows and their length: an output without axes is one row of one. */
Shape with_axis(Shape shape) {
  if (shape.empty()) shape.push_back(1);
  return shape;
}

template <typename In, typename Out, typename Apply>
void run_binary(Device& device, const Operand& a, const Operand& b, const Shape& shape, Out* out, const Apply& apply) {
  const Shape padded = with_axis(shape);
  const Source<In> left(a, padded), right(b, padded);
  const int64_t width = padded.back();
  int64_t rows = 1;
  for (size_t i = 0; i + 1 < padded.size(); i++) rows *= padded[i];
  const int64_t grain = std::max<int64_t>(1, kGrain / std::max<int64_t>(1, width));
  device.pool().parallel_for(rows, grain, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; row++) {
      const In* x = left.data + left.walk.at_row(row);
      const In* y = right.data + right.walk.at_row(row);
      const int64_t dx = left.walk.last(), dy = right.walk.last();
      Out* z = out + row * width;
      if (dx == 1 && dy == 1) for (int64_t i = 0; i < width; i++) z[i] = apply(x[i], y[i]);
      else if (dx == 1 && dy == 0) for (int64_t i = 0; i < width; i++) z[i] = apply(x[i], *y);
      else for (int64_t i = 0; i < width; i++) z[i] = apply(x[i * dx], y[i * dy]);
    }
  });
}

template <typename Apply>
Tensor binary(Device& device, const char* op, const Operand& a, const Operand& b, const Apply& apply) {
  const DType dtype = common_dtype(op, a, b);
  Tensor out = Tensor::make(dtype, broadcast(op, {shape_of(a), shape_of(b)}));
  device.enqueue(op, [&device, a, b, out, apply] {
    if (out.dtype == DType::i32) run_binary<int32_t>(device, a, b, out.shape, out.i32(), apply);
    else run_binary<float>(device, a, b, out.shape, out.f32(), apply);
  });
  return out;
}

struct Add {
  float operator()(float a, float b) const { return a + b; }
  int32_t operator()(int32_t a, int32_t b) const { return static_cast<int32_t>(static_cast<uint32_t>(a) + static_cast<uint32_t>(b)); }
};
struct Multiply {
  float operator()(float a, float b) const { return a * b; }
  int32_t operator()(int32_t a, int32_t b) const { return static_cast<int32_t>(static_cast<uint32_t>(a) * static_cast<uint32_t>(b)); }
};

/** Enqueues apply(kernels, from, count, to) over shares of x. */
template <typename Apply>
Tensor unary(Device& device, const char* op, const Tensor& x, const Apply& apply) {
  require_real(op, "x", x);
  Tensor out = Tensor::make(DType::f32, x.shape);
  device.enqueue(op, [&device, x, out, apply] {
    const Reals reals(x);
    device.pool().parallel_for(out.count(), kGrain / 8, [&](int64_t begin, int64_t end) {
      for (int64_t at = begin; at < end; at += kShare) {
        apply(device.kernels(), reals.data() + at, static_cast<int>(std::min<int64_t>(kShare, end - at)), out.f32() + at);
      }
    });
  });
  return out;
}

template <typename Element>
void run_where(const Tensor& mask, const Operand& a, const Operand& b, const Shape& shape, Element* out) {
  const Shape padded = with_axis(shape);
  const Source<Element> left(a, padded), right(b, padded);
  const Walk walk(padded, mask.shape);
  const int64_t width = padded.back();
  int64_t rows = 1;
  for (size_t i = 0; i + 1 < padded.size(); i++) rows *= padded[i];
  for (int64_t row = 0; row < rows; row++) {
    const int32_t* m = mask.i32() + walk.at_row(row);
    const Element* x = left.data + left.walk.at_row(row);
    const Element* y = right.data + right.walk.at_row(row);
    const int64_t dm = walk.last(), dx = left.walk.last(), dy = right.walk.last();
    for (int64_t i = 0; i < width; i++) out[row * width + i] = m[i * dm] != 0 ? x[i * dx] : y[i * dy];
  }
}

}  // namespace

Tensor silu(Device& device, const Tensor& x) {
  return unary(device, "silu", x, [](const CpuKernels& kernels, const float* from, int count, float* to) {
    float ones[kShare];
    std::fill_n(ones, count, 1.0f);
    kernels.gated(Activation::silu, from, ones, count, to);
  });
}

Tensor exp(Device& device, const Tensor& x) {
  return unary(device, "exp", x, [](const CpuKernels& kernels, const float* from, int count, float* to) { kernels.exp(from, count, to); });
}

Tensor log(Device& device, const Tensor& x) {
  constexpr float infinity = std::numeric_limits<float>::infinity();
  return unary(device, "log", x, [](const CpuKernels&, const float* from, int count, float* to) {
    for (int i = 0; i < count; i++) {
      const float value = from[i];
      if (value >= std::numeric_limits<float>::min() && value < infinity) to[i] = log_f32(value);
      else to[i] = value >= infinity ? infinity : value > -std::numeric_limits<float>::min() ? -infinity : std::numeric_limits<float>::quiet_NaN();
    }
  });
}

Tensor add(Device& device, const Operand& a, const Operand& b) { return binary(device, "add", a, b, Add{}); }

Tensor mul(Device& device, const Operand& a, const Operand& b) { return binary(device, "mul", a, b, Multiply{}); }

Tensor div(Device& device, const Operand& a, const Operand& b) {
  if (common_dtype("div", a, b) == DType::i32) throw Error(kShape, "div: i32 operands; divMod divides integers");
  Tensor out = Tensor::make(DType::f32, broadcast("div", {shape_of(a), shape_of(b)}));
  device.enqueue("div", [&device, a, b, out] { run_binary<float>(device, a, b, out.shape, out.f32(), [](float x, float y) { return x / y; }); });
  return out;
}

Tensor less(Device& device, const Operand& a, const Operand& b) {
  const DType dtype = common_dtype("less", a, b);
  Tensor out = Tensor::make(DType::i32, broadcast("less", {shape_of(a), shape_of(b)}));
  device.enqueue("less", [&device, a, b, out, dtype] {
    const auto apply = [](auto x, auto y) { return static_cast<int32_t>(x < y); };
    if (dtype == DType::i32) run_binary<int32_t>(device, a, b, out.shape, out.i32(), apply);
    else run_binary<float>(device, a, b, out.shape, out.i32(), apply);
  });
  return out;
}

Tensor where(Device& device, const Tensor& mask, const Operand& a, const Operand& b) {
  require_i32("where", "mask", mask);
  const DType dtype = common_dtype("where", a, b);
  Tensor out = Tensor::make(dtype, broadcast("where", {mask.shape, shape_of(a), shape_of(b)}));
  device.enqueue("where", [mask, a, b, out] {
    if (out.dtype == DType::i32) run_where<int32_t>(mask, a, b, out.shape, out.i32());
    else run_where<float>(mask, a, b, out.shape, out.f32());
  });
  return out;
}

Tensor reshape(const Tensor& x, std::vector<int64_t> shape) {
  Tensor out = x;
  out.shape = std::move(shape);
  int64_t count = 1;
  bool counts = true;
  for (int64_t axis : out.shape) counts = counts && axis >= 0 && !__builtin_mul_overflow(count, axis, &count);
  if (!counts || count != x.count()) throw Error(kShape, "reshape: " + text_of(x) + " has " + std::to_string(x.count()) + " values, " + text_of(out.shape) + " another number");
  out.packed = std::make_shared<std::shared_ptr<PackedMatrix>>();  // a packed matrix belongs to one shape
  return out;
}

}  // namespace foretoken::ops
