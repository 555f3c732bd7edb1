#include "tensor_object.h"

#include <cfloat>
#include <cstring>
#include <utility>

namespace foretoken::addon {
namespace {

constexpr napi_type_tag kTag = {0x9c1e0a7c5b7d4f21, 0x8f0e6d3ab2c94e17};

int32_t count_of(const Place& place, const Napi::Value& value) { return static_cast<int32_t>(integer_of(place, value, 0, INT32_MAX)); }

float finite_of(const Place& place, const Napi::Value& value) {
  const double number = number_of(place, value);
  if (!(number >= -FLT_MAX && number <= FLT_MAX)) refuse(place, "a finite number", value);
  return static_cast<float>(number);
}

void require_pairs(const Place& place, size_t ids, size_t values) {
  if (ids == values) return;
  throw Error(kShape, std::string(place.call) + ": " + place.name + " has " + std::to_string(values) + " entries for " + std::to_string(ids) + " tokens");
}

std::shared_ptr<const Adjustments> adjustments_of(const Place& place, const Napi::Value& value) {
  const Napi::Object object = object_of(place, value);
  auto adjustments = std::make_shared<Adjustments>();
  const Napi::Value repetition = object.Get("repetitionPenalty");
  adjustments->repetition = finite_of(place.field("repetitionPenalty"), repetition);
  if (!(adjustments->repetition > 0)) refuse(place.field("repetitionPenalty"), "a number above 0", repetition);
  adjustments->presence = finite_of(place.field("presencePenalty"), object.Get("presencePenalty"));
  adjustments->frequency = finite_of(place.field("frequencyPenalty"), object.Get("frequencyPenalty"));
  adjustments->seen = int32s_of(place.field("seen"), object.Get("seen"));
  adjustments->counts = int32s_of(place.field("counts"), object.Get("counts"));
  require_pairs(place.field("counts"), adjustments->seen.size(), adjustments->counts.size());
  adjustments->bias_ids = int32s_of(place.field("biasIds"), object.Get("biasIds"));
  adjustments->biases = float32s_of(place.field("biases"), object.Get("biases"));
  require_pairs(place.field("biases"), adjustments->bias_ids.size(), adjustments->biases.size());
  adjustments->banned = int32s_of(place.field("banned"), object.Get("banned"));
  adjustments->banned_before = count_of(place.field("bannedBefore"), object.Get("bannedBefore"));
  return adjustments;
}

Sampler sampler_of(const Place& place, const Napi::Value& value) {
  const Napi::Object object = object_of(place, value);
  Sampler sampler;
  const Napi::Value temperature = object.Get("temperature"), top_p = object.Get("topP"), min_p = object.Get("minP");
  sampler.temperature = static_cast<float>(number_of(place.field("temperature"), temperature));
  if (!(sampler.temperature >= 0 && sampler.temperature <= FLT_MAX)) refuse(place.field("temperature"), "a finite number of at least 0", temperature);
  if (sampler.temperature < FLT_MIN) sampler.temperature = 0;  // the limit; kernels flush subnormals
  sampler.top_k = static_cast<int32_t>(integer_of(place.field("topK"), object.Get("topK"), 0, INT32_MAX));
  sampler.top_p = static_cast<float>(number_of(place.field("topP"), top_p));
  if (!(sampler.top_p >= 0 && sampler.top_p <= 1)) refuse(place.field("topP"), "a number from 0 to 1", top_p);
  sampler.min_p = static_cast<float>(number_of(place.field("minP"), min_p));
  if (!(sampler.min_p >= 0 && sampler.min_p <= 1)) refuse(place.field("minP"), "a number from 0 to 1", min_p);
  sampler.seed = seed_of(place.field("seed"), object.Get("seed"));
  sampler.sample = static_cast<uint32_t>(integer_of(place.field("sample"), object.Get("sample"), 0, UINT32_MAX));
  sampler.stream = static_cast<uint32_t>(integer_of(place.field("stream"), object.Get("stream"), 0, UINT32_MAX));
  const Napi::Value adjustments = object.Get("adjustments");
  if (!adjustments.IsUndefined()) sampler.adjustments = adjustments_of(place.field("adjustments"), adjustments);
  return sampler;
}

}  // namespace

Napi::Function TensorObject::define(Napi::Env env) {
  return DefineClass(env, "Tensor", {
    InstanceAccessor<&TensorObject::dtype>("dtype", napi_enumerable),
    InstanceAccessor<&TensorObject::shape>("shape", napi_enumerable),
    InstanceMethod<&TensorObject::dispose>("dispose"),
  });
}

Napi::Object TensorObject::make(Napi::Env env, const std::shared_ptr<RuntimeState>& state, Tensor tensor, bool view) {
  Content content{state, std::move(tensor), view};
  return instantiate(env, environment(env).tensor, &content);
}

TensorObject* TensorObject::from(const Napi::Value& value) {
  if (!value.IsObject()) return nullptr;
  const auto object = value.As<Napi::Object>();
  return object.CheckTypeTag(&kTag) ? Unwrap(object) : nullptr;
}

TensorObject::TensorObject(const Napi::CallbackInfo& info) : TensorObject(info, take_pending<Content>(info, "Tensor")) {}

TensorObject::TensorObject(const Napi::CallbackInfo& info, Content& content)
    : Napi::ObjectWrap<TensorObject>(info), Handle(std::move(content.state)), env_(info.Env()), tensor_(std::move(content.tensor)) {
  info.This().As<Napi::Object>().TypeTag(&kTag);
  if (!content.view) accounted_ = static_cast<int64_t>(tensor_.buffer->bytes());
  if (accounted_ > 0) Napi::MemoryManagement::AdjustExternalMemory(env_, accounted_);
}

Napi::Value TensorObject::dtype(const Napi::CallbackInfo& info) { return Napi::String::New(info.Env(), name_of(tensor_.dtype)); }

Napi::Value TensorObject::shape(const Napi::CallbackInfo& info) {
  const Napi::Array shape = Napi::Array::New(info.Env(), tensor_.shape.size());
  for (uint32_t i = 0; i < tensor_.shape.size(); i++) shape.Set(i, static_cast<double>(tensor_.shape[i]));
  return shape;
}

void TensorObject::free_content() {
  tensor_.buffer.reset();
  tensor_.packed.reset();
  if (accounted_ > 0) Napi::MemoryManagement::AdjustExternalMemory(env_, -accounted_);
}

Tensor tensor_of(const RuntimeState& state, const Place& place, const Napi::Value& value) {
  const TensorObject* object = TensorObject::from(value);
  if (object == nullptr) refuse(place, "a tensor", value);
  if (object->state().get() != &state) throw Error(kShape, std::string(place.call) + ": " + place.name + " is a tensor of another runtime");
  if (object->released()) throw Error(kDisposed, std::string(place.call) + ": " + place.name + " has been disposed");
  return object->tensor();
}

Tensor i32_input_of(const RuntimeState& state, const Place& place, const Napi::Value& value) {
  if (value.IsTypedArray()) return tensor_from(int32s_of(place, value));
  if (TensorObject::from(value) == nullptr) refuse(place, "a tensor or an Int32Array", value);
  return tensor_of(state, place, value);
}

ops::Operand operand_of(const RuntimeState& state, const Place& place, const Napi::Value& value) {
  if (value.IsNumber()) return value.As<Napi::Number>().DoubleValue();
  if (TensorObject::from(value) == nullptr) refuse(place, "a tensor or a number", value);
  return tensor_of(state, place, value);
}

ChoiceSpec choice_spec_of(const RuntimeState& state, const Place& place, const Napi::Value& value) {
  const Napi::Object object = object_of(place, value);
  ChoiceSpec spec;
  const Napi::Array samplers = array_of(place.field("samplers"), object.Get("samplers"));
  for (uint32_t i = 0; i < samplers.Length(); i++) spec.samplers.push_back(sampler_of(place.field("samplers").item(i), samplers.Get(i)));
  spec.row_sampler = int32s_of(place.field("rowSampler"), object.Get("rowSampler"));
  spec.positions = i32_input_of(state, place.field("positions"), object.Get("positions"));
  spec.position_offset = static_cast<int32_t>(integer_of(place.field("positionOffset"), object.Get("positionOffset"), INT32_MIN, INT32_MAX));
  const Napi::Value tree = object.Get("tree");
  if (!tree.IsUndefined()) {
    const Napi::Object rows = object_of(place.field("tree"), tree);
    spec.tree_tokens = i32_input_of(state, place.field("tree.tokens"), rows.Get("tokens"));
    spec.tree_parents = i32_input_of(state, place.field("tree.parents"), rows.Get("parents"));
  }
  ops::check_choice(place.call, spec, static_cast<int64_t>(spec.row_sampler.size()));
  const Napi::Value ids = object.Get("vocabMap");
  if (!ids.IsUndefined()) spec.token_ids = tensor_of(state, place.field("vocabMap"), ids);
  return spec;
}

Tensor tensor_from(const std::vector<int32_t>& values) {
  Tensor tensor = Tensor::make(DType::i32, {static_cast<int64_t>(values.size())});
  if (!values.empty()) std::memcpy(tensor.i32(), values.data(), values.size() * sizeof(int32_t));
  return tensor;
}

Napi::Value copy_to_js(Napi::Env env, const Tensor& tensor) {
  const auto count = static_cast<size_t>(tensor.count());
  Napi::ArrayBuffer memory = Napi::ArrayBuffer::New(env, count * 4);
  if (count > 0) std::memcpy(memory.Data(), tensor.buffer->data(), count * 4);
  if (tensor.dtype == DType::i32) return Napi::Int32Array::New(env, count, memory, 0);
  return Napi::Float32Array::New(env, count, memory, 0);
}

}  // namespace foretoken::addon
