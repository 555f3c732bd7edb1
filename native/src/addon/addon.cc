// The N-API face of the runtime. Everything belongs to one JavaScript environment: the addon may be loaded by many of them at once.
#include <napi.h>

#include "cpu_kernels.h"
#include "environment.h"
#include "model_object.h"
#include "runtime_object.h"
#include "session_object.h"
#include "tensor_object.h"

namespace foretoken::addon {
namespace {

/** createRuntime(options, errorFactory?): `errorFactory(code, message)` makes the errors that the runtime throws and rejects with. */
Napi::Value create_runtime(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const bool has_factory = info[1].IsFunction();
  const Napi::FunctionReference factory = has_factory ? Napi::Persistent(info[1].As<Napi::Function>()) : Napi::FunctionReference();
  return guarded(env, factory, [&] {
    if (!has_factory && !info[1].IsUndefined()) refuse({"createRuntime", "errorFactory"}, "a function", info[1]);
    return RuntimeObject::create(env, info[0], has_factory ? info[1].As<Napi::Function>() : Napi::Function());
  });
}

Napi::Array instruction_sets(Napi::Env env) {
  const Napi::Array names = Napi::Array::New(env);
  uint32_t count = 0;
  for (const char* const* name = available_kernels(); *name != nullptr; name++) names.Set(count++, *name);
  return names;
}

Napi::Object initialise(Napi::Env env, Napi::Object exports) {
  auto* data = new Environment;
  env.SetInstanceData<Environment>(data);
  data->runtime = Napi::Persistent(RuntimeObject::define(env));
  data->model = Napi::Persistent(ModelObject::define(env));
  data->session = Napi::Persistent(SessionObject::define(env));
  data->tensor = Napi::Persistent(TensorObject::define(env));
  exports.Set("createRuntime", Napi::Function::New(env, create_runtime, "createRuntime"));
  exports.Set("instructionSets", instruction_sets(env));
  return exports;
}

}  // namespace
}  // namespace foretoken::addon

static Napi::Object initialise_foretoken(Napi::Env env, Napi::Object exports) { return foretoken::addon::initialise(env, exports); }

NODE_API_MODULE(foretoken, initialise_foretoken)
