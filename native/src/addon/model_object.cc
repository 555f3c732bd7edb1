#include "model_object.h"

#include <utility>

#include "session_object.h"
#include "tensor_object.h"

namespace foretoken::addon {
namespace {

constexpr napi_type_tag kTag = {0x51d5be3d28a04f7b, 0xb0c2f1e2746a9d38};
constexpr int64_t kMaxTokens = int64_t{1} << 53;

}  // namespace

Napi::Function ModelObject::define(Napi::Env env) {
  return DefineClass(env, "Model", {
    InstanceAccessor<&ModelObject::bytes>("bytes", napi_enumerable),
    InstanceMethod<&ModelObject::create_session>("createSession"),
    InstanceMethod<&ModelObject::embed>("embed"),
    InstanceMethod<&ModelObject::head>("head"),
    InstanceMethod<&ModelObject::choose>("choose"),
    InstanceMethod<&ModelObject::measure>("measure"),
    InstanceMethod<&ModelObject::dispose>("dispose"),
  });
}

Napi::Object ModelObject::make(Napi::Env env, const std::shared_ptr<RuntimeState>& state, std::shared_ptr<Model> model) {
  Content content{state, std::move(model)};
  return instantiate(env, environment(env).model, &content);
}

ModelObject::ModelObject(const Napi::CallbackInfo& info) : ModelObject(info, take_pending<Content>(info, "Model")) {}

ModelObject::ModelObject(const Napi::CallbackInfo& info, Content& content)
    : Napi::ObjectWrap<ModelObject>(info), Handle(std::move(content.state)), model_(std::move(content.model)) {
  info.This().As<Napi::Object>().TypeTag(&kTag);
}

const std::shared_ptr<Model>& ModelObject::of(const RuntimeState& state, const Place& place, const Napi::Value& value) {
  if (!value.IsObject() || !value.As<Napi::Object>().CheckTypeTag(&kTag)) refuse(place, "a model", value);
  const ModelObject& object = *Unwrap(value.As<Napi::Object>());
  if (object.state().get() != &state) throw Error(kShape, std::string(place.call) + ": " + place.name + " belongs to another runtime");
  return object.model(place.call);
}

const std::shared_ptr<Model>& ModelObject::model(const char* call) const {
  state()->device(call);
  if (released()) throw Error(kDisposed, std::string(call) + ": the model has been disposed");
  return model_;
}

Napi::Value ModelObject::bytes(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), state()->error_factory(), [&] { return Napi::Number::New(info.Env(), static_cast<double>(model("bytes")->bytes())); });
}

Napi::Value ModelObject::create_session(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), state()->error_factory(), [&] {
    const Place place{"createSession", "options"};
    const Napi::Object options = object_of(place, info[0]);
    const int64_t sequences = integer_of(place.field("maxSequences"), options.Get("maxSequences"), 1, INT32_MAX);
    const int64_t tokens = integer_of(place.field("maxTokens"), options.Get("maxTokens"), 1, kMaxTokens);
    const int64_t pages = integer_of(place.field("pages"), options.Get("pages"), 1, INT32_MAX);
    const auto type = static_cast<WeightType>(choice_of(place.field("kvDtype"), options.Get("kvDtype"), {"f32", "bf16"}));
    auto session = std::make_unique<Session>(model("createSession"), static_cast<int>(sequences), tokens, pages, type);
    return SessionObject::make(info.Env(), state(), std::move(session));
  });
}

Napi::Value ModelObject::embed(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), state()->error_factory(), [&] {
    const Tensor tokens = i32_input_of(*state(), {"embed", "tokens"}, info[0]);
    return TensorObject::make(info.Env(), state(), model("embed")->embed(tokens));
  });
}

Napi::Value ModelObject::head(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), state()->error_factory(), [&] {
    const Tensor hidden = tensor_of(*state(), {"head", "hidden"}, info[0]);
    return TensorObject::make(info.Env(), state(), model("head")->head(hidden));
  });
}

Napi::Value ModelObject::choose(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), state()->error_factory(), [&] {
    const Tensor hidden = tensor_of(*state(), {"choose", "hidden"}, info[0]);
    const ChoiceSpec spec = choice_spec_of(*state(), {"choose", "choice"}, info[1]);
    return TensorObject::make(info.Env(), state(), model("choose")->choose(hidden, spec));
  });
}

Napi::Value ModelObject::measure(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), state()->error_factory(), [&] {
    std::vector<int> counts;
    for (int64_t count : integers_of({"measure", "rowCounts"}, info[0], 1, INT32_MAX)) counts.push_back(static_cast<int>(count));
    const auto times = std::make_shared<std::vector<double>>();
    return state()->later("measure", [model = model("measure"), counts, times] { *times = model->measure(counts); }, [times](Napi::Env env) {
      const Napi::Array array = Napi::Array::New(env, times->size());
      for (uint32_t i = 0; i < times->size(); i++) array.Set(i, (*times)[i]);
      return array;
    });
  });
}

}  // namespace foretoken::addon
