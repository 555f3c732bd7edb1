#pragma once
#include <napi.h>

#include <map>
#include <memory>
#include <string>

#include "arguments.h"
#include "model.h"
#include "runtime_state.h"

namespace foretoken::addon {

/** See NativeModel. */
class ModelObject : public Napi::ObjectWrap<ModelObject>, public Handle {
 public:
  static Napi::Function define(Napi::Env env);
  static Napi::Object make(Napi::Env env, const std::shared_ptr<RuntimeState>& state, std::shared_ptr<Model> model);
  /** The model behind `value`: of this runtime and not disposed. */
  static const std::shared_ptr<Model>& of(const RuntimeState& state, const Place& place, const Napi::Value& value);

  explicit ModelObject(const Napi::CallbackInfo& info);
  ~ModelObject() override { release(); }

 private:
  struct Content {
    std::shared_ptr<RuntimeState> state;
    std::shared_ptr<Model> model;
  };
  ModelObject(const Napi::CallbackInfo& info, Content& content);
  Napi::Value bytes(const Napi::CallbackInfo& info);
  Napi::Value create_session(const Napi::CallbackInfo& info);
  Napi::Value embed(const Napi::CallbackInfo& info);
  Napi::Value head(const Napi::CallbackInfo& info);
  Napi::Value choose(const Napi::CallbackInfo& info);
  Napi::Value measure(const Napi::CallbackInfo& info);
  void dispose(const Napi::CallbackInfo&) { release(); }
  void free_content() override { model_.reset(); }

  const std::shared_ptr<Model>& model(const char* call) const;

  std::shared_ptr<Model> model_;
};

/** See ModelDescription in core/description.ts. */
Description description_of(const Place& place, const Napi::Value& value);
/** See NativeTensorSource. */
std::map<std::string, TensorSource> sources_of(const Place& place, const Napi::Value& value);

}  // namespace foretoken::addon
