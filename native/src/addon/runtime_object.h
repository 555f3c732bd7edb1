#pragma once
#include <napi.h>

#include <memory>

#include "runtime_state.h"

namespace foretoken::addon {

/** See NativeRuntime. */
class RuntimeObject : public Napi::ObjectWrap<RuntimeObject> {
 public:
  static Napi::Function define(Napi::Env env);
  /** `options` as in NativeBinding.createRuntime. */
  static Napi::Value create(Napi::Env env, const Napi::Value& options, Napi::Function error_factory);

  explicit RuntimeObject(const Napi::CallbackInfo& info);

 private:
  Napi::Value isa(const Napi::CallbackInfo& info);
  Napi::Value threads(const Napi::CallbackInfo& info);
  Napi::Value load_model(const Napi::CallbackInfo& info);
  Napi::Value load_tensors(const Napi::CallbackInfo& info);
  Napi::Value create_model(const Napi::CallbackInfo& info);
  Napi::Value read(const Napi::CallbackInfo& info);
  void dispose(const Napi::CallbackInfo& info);

  std::shared_ptr<RuntimeState> state_;
};

/** The table of ops as an object of functions bound to the runtime. */
Napi::Object ops_table(Napi::Env env, const std::shared_ptr<RuntimeState>& state);

}  // namespace foretoken::addon
