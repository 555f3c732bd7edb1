#pragma once
#include <napi.h>

#include <memory>

#include "runtime_state.h"
#include "session.h"

namespace foretoken::addon {

/** See NativeSession. */
class SessionObject : public Napi::ObjectWrap<SessionObject>, public Handle {
 public:
  static Napi::Function define(Napi::Env env);
  static Napi::Object make(Napi::Env env, const std::shared_ptr<RuntimeState>& state, std::unique_ptr<Session> session);

  explicit SessionObject(const Napi::CallbackInfo& info);
  ~SessionObject() override { release(); }

 private:
  struct Content {
    std::shared_ptr<RuntimeState> state;
    std::unique_ptr<Session> session;
  };
  SessionObject(const Napi::CallbackInfo& info, Content& content);
  Napi::Value open(const Napi::CallbackInfo& info);
  Napi::Value fork(const Napi::CallbackInfo& info);
  void close(const Napi::CallbackInfo& info);
  Napi::Value length(const Napi::CallbackInfo& info);
  Napi::Value forward(const Napi::CallbackInfo& info);
  void commit(const Napi::CallbackInfo& info);
  void truncate(const Napi::CallbackInfo& info);
  void set_long(const Napi::CallbackInfo& info);
  Napi::Value is_long(const Napi::CallbackInfo& info);
  Napi::Value pages(const Napi::CallbackInfo& info);
  void dispose(const Napi::CallbackInfo&) { release(); }
  void free_content() override { session_.reset(); }

  Session& session(const char* call) const;
  Rows rows_of(const Napi::Value& value) const;

  std::unique_ptr<Session> session_;
};

}  // namespace foretoken::addon
