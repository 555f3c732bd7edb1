#include "environment.h"

namespace foretoken::addon {

Napi::Object instantiate(Napi::Env env, const Napi::FunctionReference& constructor, void* content) {
  environment(env).pending = content;
  return constructor.New({});
}

Napi::Value error_value(Napi::Env env, const Napi::FunctionReference& factory, const std::string& code, const std::string& message) {
  if (!factory.IsEmpty()) {
    const Napi::Value made = factory.Value().Call({Napi::String::New(env, code), Napi::String::New(env, message)});
    if (made.IsObject()) return made;
  }
  const Napi::Error error = Napi::Error::New(env, message);
  error.Set("code", Napi::String::New(env, code));
  return error.Value();
}

Napi::Value current_error(Napi::Env env, const Napi::FunctionReference& factory) {
  try {
    throw;
  } catch (const Napi::Error& error) {
    return error.Value();
  } catch (const Error& error) {
    return error_value(env, factory, error.code(), error.what());
  } catch (const std::bad_alloc&) {
    return error_value(env, factory, kCapacity, "out of memory: the machine could not give what this call needs");
  } catch (const std::exception& error) {
    return error_value(env, factory, kDevice, error.what());
  } catch (...) {
    return error_value(env, factory, kDevice, "an unknown native failure");
  }
}

}  // namespace foretoken::addon
