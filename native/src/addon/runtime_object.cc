#include "runtime_object.h"

#include <exception>
#include <map>
#include <optional>
#include <utility>

#include "../ops/stored_tensor.h"
#include "model_object.h"
#include "ops.h"
#include "tensor_object.h"

namespace foretoken::addon {
namespace {

constexpr int64_t kMaxThreads = 1024;

/** What a command on the device thread made, or why it could not: its failure is the promise's, not the device's. */
template <typename Value>
struct Outcome {
  Value value;
  std::exception_ptr failure;

  template <typename Make>
  void attempt(const Make& make) {
    try {
      value = make();
    } catch (...) {
      failure = std::current_exception();
    }
  }
  Value& get() {
    if (failure) std::rethrow_exception(failure);
    return value;
  }
};

}  // namespace

Napi::Function RuntimeObject::define(Napi::Env env) {
  return DefineClass(env, "Runtime", {
    InstanceAccessor<&RuntimeObject::isa>("isa", napi_enumerable),
    InstanceAccessor<&RuntimeObject::threads>("threads", napi_enumerable),
    InstanceMethod<&RuntimeObject::load_model>("loadModel"),
    InstanceMethod<&RuntimeObject::load_tensors>("loadTensors"),
    InstanceMethod<&RuntimeObject::create_model>("createModel"),
    InstanceMethod<&RuntimeObject::read>("read"),
    InstanceMethod<&RuntimeObject::dispose>("dispose"),
  });
}

Napi::Value RuntimeObject::create(Napi::Env env, const Napi::Value& value, Napi::Function error_factory) {
  const Place place{"createRuntime", "options"};
  const Napi::Object options = object_of(place, value);
  const int64_t threads = integer_of(place.field("threads"), options.Get("threads"), 1, kMaxThreads);
  const Napi::Value isa = options.Get("isa");
  const std::string name = isa.IsUndefined() ? std::string() : string_of(place.field("isa"), isa);
  const CpuKernels& kernels = select_kernels(isa.IsUndefined() ? nullptr : name.c_str());
  std::shared_ptr<RuntimeState> state = RuntimeState::create(env, static_cast<int>(threads), kernels, error_factory);
  return instantiate(env, environment(env).runtime, &state);
}

RuntimeObject::RuntimeObject(const Napi::CallbackInfo& info)
    : Napi::ObjectWrap<RuntimeObject>(info), state_(take_pending<std::shared_ptr<RuntimeState>>(info, "Runtime")) {
  info.This().As<Napi::Object>().DefineProperty(Napi::PropertyDescriptor::Value("ops", ops_table(info.Env(), state_), napi_enumerable));
}

Napi::Value RuntimeObject::isa(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), state_->error_factory(), [&] { return Napi::String::New(info.Env(), state_->device("isa").kernels().name); });
}

Napi::Value RuntimeObject::threads(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), state_->error_factory(), [&] { return Napi::Number::New(info.Env(), state_->device("threads").pool().size()); });
}

Napi::Value RuntimeObject::load_model(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), state_->error_factory(), [&] {
    Description description = description_of({"loadModel", "description"}, info[0]);
    auto sources = sources_of({"loadModel", "tensors"}, info[1]);
    const auto type = static_cast<WeightType>(choice_of({"loadModel", "dtype"}, info[2], {"f32", "bf16"}));
    Device* device = &state_->device("loadModel");
    const auto outcome = std::make_shared<Outcome<std::shared_ptr<Model>>>();
    auto load = [device, description = std::move(description), sources = std::move(sources), type, outcome] {
      outcome->attempt([&] { return Model::load(*device, description, sources, type); });
    };
    return state_->later("loadModel", std::move(load), [state = std::weak_ptr<RuntimeState>(state_), outcome](Napi::Env env) {
      return ModelObject::make(env, state.lock(), std::move(outcome->get()));
    });
  });
}

Napi::Value RuntimeObject::load_tensors(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), state_->error_factory(), [&] {
    auto sources = sources_of({"loadTensors", "tensors"}, info[0]);
    std::optional<WeightType> wanted;
    if (!info[1].IsUndefined()) wanted = static_cast<WeightType>(choice_of({"loadTensors", "dtype"}, info[1], {"f32", "bf16"}));
    const auto outcome = std::make_shared<Outcome<std::map<std::string, Tensor>>>();
    auto load = [sources = std::move(sources), wanted, outcome] {
      outcome->attempt([&] {
        std::map<std::string, Tensor> tensors;
        for (const auto& [name, source] : sources) tensors.emplace(name, load_tensor(name, source, wanted));
        return tensors;
      });
    };
    return state_->later("loadTensors", std::move(load), [state = std::weak_ptr<RuntimeState>(state_), outcome](Napi::Env env) {
      const Napi::Object tensors = Napi::Object::New(env);
      const std::shared_ptr<RuntimeState> of = state.lock();
      for (auto& [name, tensor] : outcome->get()) tensors.Set(name, TensorObject::make(env, of, std::move(tensor)));
      return tensors;
    });
  });
}

Napi::Value RuntimeObject::create_model(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), state_->error_factory(), [&] {
    Description description = description_of({"createModel", "description"}, info[0]);
    const Napi::Object object = object_of({"createModel", "tensors"}, info[1]);
    std::map<std::string, Tensor> tensors;
    const Napi::Array names = object.GetPropertyNames();
    for (uint32_t i = 0; i < names.Length(); i++) {
      const std::string name = names.Get(i).ToString();
      tensors.emplace(name, tensor_of(*state_, {"createModel", "tensors[\"" + name + "\"]"}, object.Get(name)));
    }
    const auto type = static_cast<WeightType>(choice_of({"createModel", "dtype"}, info[2], {"f32", "bf16"}));
    std::shared_ptr<Model> shared;
    if (!info[3].IsUndefined()) shared = ModelObject::of(*state_, {"createModel", "shared"}, info[3]);
    return ModelObject::make(info.Env(), state_, Model::create(state_->device("createModel"), std::move(description), tensors, type, shared));
  });
}

Napi::Value RuntimeObject::read(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), state_->error_factory(), [&] {
    const Place place{"read", "tensors"};
    const Napi::Array array = array_of(place, info[0]);
    std::vector<Tensor> tensors;
    for (uint32_t i = 0; i < array.Length(); i++) {
      tensors.push_back(tensor_of(*state_, place.item(i), array.Get(i)));
      const DType dtype = tensors.back().dtype;
      if (dtype != DType::f32 && dtype != DType::i32) throw Error(kShape, "read: " + place.item(i).name + " must be f32 or i32, got " + name_of(dtype));
    }
    // Nobody writes a tensor again: once everything before has run, the copy can be made on this thread, straight to where it is wanted.
    return state_->later("read", [] {}, [tensors = std::move(tensors)](Napi::Env env) {
      const Napi::Array copies = Napi::Array::New(env, tensors.size());
      for (uint32_t i = 0; i < tensors.size(); i++) copies.Set(i, copy_to_js(env, tensors[i]));
      return copies;
    });
  });
}

void RuntimeObject::dispose(const Napi::CallbackInfo& info) {
  guarded(info.Env(), state_->error_factory(), [&] { state_->dispose(); });
}

}  // namespace foretoken::addon
