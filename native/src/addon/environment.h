#pragma once
#include <napi.h>

#include <exception>
#include <new>
#include <string>

#include "error.h"

namespace foretoken::addon {

class RuntimeState;

/** What one JavaScript environment needs to make objects. Nothing here is shared between environments. */
struct Environment {
  Napi::FunctionReference runtime, model, session, tensor;
  /** Handed to the constructor that runs next: objects are made by native code only. */
  void* pending = nullptr;
};

inline Environment& environment(Napi::Env env) { return *env.GetInstanceData<Environment>(); }

/** Makes an instance of `constructor`; its C++ constructor finds `content` through take_pending. */
Napi::Object instantiate(Napi::Env env, const Napi::FunctionReference& constructor, void* content);

/** What instantiate passed; throws a TypeError when JavaScript called the constructor. */
template <typename Content>
Content& take_pending(const Napi::CallbackInfo& info, const char* name) {
  void*& pending = environment(info.Env()).pending;
  if (pending == nullptr) throw Napi::TypeError::New(info.Env(), std::string(name) + " objects are made by the runtime only");
  auto& content = *static_cast<Content*>(pending);
  pending = nullptr;
  return content;
}

/** The JavaScript error for a code of core/errors.ts. `factory` makes it; while it is empty, a plain Error with that `code`. */
Napi::Value error_value(Napi::Env env, const Napi::FunctionReference& factory, const std::string& code, const std::string& message);

/** The JavaScript error for the exception that is being handled. */
Napi::Value current_error(Napi::Env env, const Napi::FunctionReference& factory);

/** Runs the body of a function that JavaScript calls; every C++ exception becomes a JavaScript one. */
template <typename Body>
auto guarded(Napi::Env env, const Napi::FunctionReference& factory, const Body& body) {
  try {
    return body();
  } catch (...) {
    const Napi::Value error = current_error(env, factory);
    throw Napi::Error(env, error);
  }
}

}  // namespace foretoken::addon
