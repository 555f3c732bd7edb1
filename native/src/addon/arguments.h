#pragma once
#include <napi.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "error.h"

namespace foretoken::addon {

/** Names a value in messages: `forward: rows.tokens` is {"forward", "rows.tokens"}. */
struct Place {
  const char* call;
  std::string name;
  Place field(const char* key) const { return {call, name + "." + key}; }
  Place item(size_t index) const { return {call, name + "[" + std::to_string(index) + "]"}; }
};

/** "number 3", "Float32Array", "undefined": what came instead of what was expected. */
std::string describe(const Napi::Value& value);
/** Throws Error(kShape): `place` must be `expected`, got what `value` is. */
[[noreturn]] void refuse(const Place& place, const std::string& expected, const Napi::Value& value);

// Each parses one value or refuses it. Contents of typed arrays are copied before anyone looks at them.
double number_of(const Place& place, const Napi::Value& value);
/** An integer in [least, most]. */
int64_t integer_of(const Place& place, const Napi::Value& value, int64_t least, int64_t most);
std::string string_of(const Place& place, const Napi::Value& value);
bool boolean_of(const Place& place, const Napi::Value& value);
uint64_t seed_of(const Place& place, const Napi::Value& value);
Napi::Object object_of(const Place& place, const Napi::Value& value);
Napi::Array array_of(const Place& place, const Napi::Value& value);
bool is_array_of(const Napi::Value& value, napi_typedarray_type type);
/** Address and number of the elements of a typed array, as they are now. */
std::pair<const void*, size_t> contents_of(const Napi::Value& value);
std::vector<int32_t> int32s_of(const Place& place, const Napi::Value& value);
std::vector<float> float32s_of(const Place& place, const Napi::Value& value);
std::vector<uint8_t> bytes_of(const Place& place, const Napi::Value& value);
std::vector<double> numbers_of(const Place& place, const Napi::Value& value);
/** Integers in [least, most] from an array. */
std::vector<int64_t> integers_of(const Place& place, const Napi::Value& value, int64_t least, int64_t most);
/** The axes of a tensor: non-negative integers, at most 8 of them. */
std::vector<int64_t> shape_of(const Place& place, const Napi::Value& value);

/** The index of `value` in `names`, or a refusal that lists them. */
template <size_t count>
size_t choice_of(const Place& place, const Napi::Value& value, const char* const (&names)[count]) {
  std::string listed;
  const std::string text = value.IsString() ? value.As<Napi::String>().Utf8Value() : std::string();
  for (size_t i = 0; i < count; i++) {
    if (value.IsString() && text == names[i]) return i;
    listed += (i ? ", \"" : "\"") + std::string(names[i]) + "\"";
  }
  refuse(place, "one of " + listed, value);
}

}  // namespace foretoken::addon
