#include "arguments.h"

#include <cmath>
#include <cstring>

namespace foretoken::addon {
namespace {

constexpr size_t kMaxAxes = 8;
constexpr int64_t kMaxInteger = int64_t{1} << 53;

const char* array_name(napi_typedarray_type type) {
  switch (type) {
    case napi_int8_array: return "Int8Array";
    case napi_uint8_array: return "Uint8Array";
    case napi_uint8_clamped_array: return "Uint8ClampedArray";
    case napi_int16_array: return "Int16Array";
    case napi_uint16_array: return "Uint16Array";
    case napi_int32_array: return "Int32Array";
    case napi_uint32_array: return "Uint32Array";
    case napi_float32_array: return "Float32Array";
    case napi_float64_array: return "Float64Array";
    case napi_bigint64_array: return "BigInt64Array";
    case napi_biguint64_array: return "BigUint64Array";
    default: return "a typed array";
  }
}

template <typename Element>
std::vector<Element> copy_of(const Place& place, const Napi::Value& value, napi_typedarray_type type) {
  if (!is_array_of(value, type)) refuse(place, array_name(type), value);
  const auto [data, length] = contents_of(value);
  std::vector<Element> copy(length);
  if (length > 0) std::memcpy(copy.data(), data, length * sizeof(Element));
  return copy;
}

std::string number_text(double value) {
  if (value == std::floor(value) && std::fabs(value) < 1e15) return std::to_string(static_cast<int64_t>(value));
  char text[32];
  std::snprintf(text, sizeof text, "%g", value);
  return text;
}

}  // namespace

std::string describe(const Napi::Value& value) {
  switch (value.Type()) {
    case napi_undefined: return "undefined";
    case napi_null: return "null";
    case napi_boolean: return value.As<Napi::Boolean>().Value() ? "true" : "false";
    case napi_number: return "number " + number_text(value.As<Napi::Number>().DoubleValue());
    case napi_string: return "string \"" + value.As<Napi::String>().Utf8Value().substr(0, 64) + "\"";
    case napi_symbol: return "a symbol";
    case napi_bigint: return "a BigInt";
    case napi_function: return "a function";
    default: break;
  }
  if (value.IsTypedArray()) return array_name(value.As<Napi::TypedArray>().TypedArrayType());
  return value.IsArray() ? "an array" : "an object";
}

void refuse(const Place& place, const std::string& expected, const Napi::Value& value) {
  throw Error(kShape, std::string(place.call) + ": " + place.name + " must be " + expected + ", got " + describe(value));
}

double number_of(const Place& place, const Napi::Value& value) {
  if (!value.IsNumber()) refuse(place, "a number", value);
  return value.As<Napi::Number>().DoubleValue();
}

int64_t integer_of(const Place& place, const Napi::Value& value, int64_t least, int64_t most) {
  const double number = value.IsNumber() ? value.As<Napi::Number>().DoubleValue() : NAN;
  if (!(number == std::floor(number) && number >= static_cast<double>(least) && number <= static_cast<double>(most))) {
    const std::string range = most >= kMaxInteger ? " of at least " + std::to_string(least) : " from " + std::to_string(least) + " to " + std::to_string(most);
    refuse(place, "an integer" + range, value);
  }
  return static_cast<int64_t>(number);
}

std::string string_of(const Place& place, const Napi::Value& value) {
  if (!value.IsString()) refuse(place, "a string", value);
  return value.As<Napi::String>().Utf8Value();
}

bool boolean_of(const Place& place, const Napi::Value& value) {
  if (!value.IsBoolean()) refuse(place, "true or false", value);
  return value.As<Napi::Boolean>().Value();
}

uint64_t seed_of(const Place& place, const Napi::Value& value) {
  bool lossless = false;
  const uint64_t seed = value.IsBigInt() ? value.As<Napi::BigInt>().Uint64Value(&lossless) : 0;
  if (!lossless) refuse(place, "a BigInt from 0 to 2^64 - 1", value);
  return seed;
}

Napi::Object object_of(const Place& place, const Napi::Value& value) {
  if (!value.IsObject() || value.IsFunction()) refuse(place, "an object", value);
  return value.As<Napi::Object>();
}

Napi::Array array_of(const Place& place, const Napi::Value& value) {
  if (!value.IsArray()) refuse(place, "an array", value);
  return value.As<Napi::Array>();
}

bool is_array_of(const Napi::Value& value, napi_typedarray_type type) {
  return value.IsTypedArray() && value.As<Napi::TypedArray>().TypedArrayType() == type;
}

std::pair<const void*, size_t> contents_of(const Napi::Value& value) {
  size_t length = 0;
  void* data = nullptr;
  if (napi_get_typedarray_info(value.Env(), value, nullptr, &length, &data, nullptr, nullptr) != napi_ok) throw Napi::Error::New(value.Env());
  return {data, data == nullptr ? 0 : length};
}

std::vector<int32_t> int32s_of(const Place& place, const Napi::Value& value) { return copy_of<int32_t>(place, value, napi_int32_array); }

std::vector<float> float32s_of(const Place& place, const Napi::Value& value) { return copy_of<float>(place, value, napi_float32_array); }

std::vector<uint8_t> bytes_of(const Place& place, const Napi::Value& value) { return copy_of<uint8_t>(place, value, napi_uint8_array); }

std::vector<double> numbers_of(const Place& place, const Napi::Value& value) {
  const Napi::Array array = array_of(place, value);
  std::vector<double> numbers(array.Length());
  for (uint32_t i = 0; i < numbers.size(); i++) numbers[i] = number_of(place.item(i), array.Get(i));
  return numbers;
}

std::vector<int64_t> integers_of(const Place& place, const Napi::Value& value, int64_t least, int64_t most) {
  const Napi::Array array = array_of(place, value);
  std::vector<int64_t> integers(array.Length());
  for (uint32_t i = 0; i < integers.size(); i++) {
    const Napi::Value item = array.Get(i);
    integers[i] = item.IsNumber() ? item.As<Napi::Number>().Int64Value() : 0;
    const bool fits = item.IsNumber() && static_cast<double>(integers[i]) == item.As<Napi::Number>().DoubleValue() && integers[i] >= least && integers[i] <= most;
    if (!fits) integer_of(place.item(i), item, least, most);  // refuses, with a message that is only made here
  }
  return integers;
}

std::vector<int64_t> shape_of(const Place& place, const Napi::Value& value) {
  std::vector<int64_t> shape = integers_of(place, value, 0, kMaxInteger);
  if (shape.size() > kMaxAxes) refuse(place, "an array of at most 8 axes", value);
  return shape;
}

}  // namespace foretoken::addon
