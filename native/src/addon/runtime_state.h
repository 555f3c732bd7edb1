#pragma once
#include <napi.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "device.h"
#include "environment.h"

namespace foretoken::addon {

class Handle;

/**
 * What the JavaScript objects of one runtime share: the device, the promises that wait for it, and a list of all handles, so that dispose
 * can free what they hold. Lives on the JavaScript thread; the device thread knows only the thread-safe function and the number of a promise.
 */
class RuntimeState : public std::enable_shared_from_this<RuntimeState> {
 public:
  /** Two steps: a shared pointer must exist before hooks are installed. */
  static std::shared_ptr<RuntimeState> create(Napi::Env env, int threads, const CpuKernels& kernels, Napi::Function error_factory);
  ~RuntimeState();

  /** Throws Error(kDisposed) naming `op`. */
  Device& device(const char* op) const;
  const Napi::FunctionReference& error_factory() const { return error_factory_; }

  /**
   * Enqueues `command`; when it has run, `settle` makes the promise's value on the JavaScript thread, or throws what rejects it. Loss of
   * the device rejects with DEVICE, dispose with DISPOSED. The process stays alive while a promise waits.
   */
  Napi::Promise later(const char* op, std::function<void()> command, std::function<Napi::Value(Napi::Env)> settle);

  /** Drops what is queued, waits for what runs, rejects what waits, frees what all handles hold. A second call does nothing. */
  void dispose() { close(true); }

 private:
  friend class Handle;
  struct Waiting {
    Napi::Promise::Deferred deferred;
    std::function<Napi::Value(Napi::Env)> settle;
    std::shared_ptr<RuntimeState> keep;  // the runtime outlives its promises
  };
  struct Finished {
    uint64_t id;
    bool failed;
    std::string failure;
  };
  /** The context of the thread-safe function, freed with it; `state` is empty once the runtime is gone. */
  struct Wake {
    RuntimeState* state;
  };

  explicit RuntimeState(Napi::Env env) : env_(env) {}
  static void on_finished(napi_env env, napi_value function, void* wake, void* finished);
  static void on_environment_end(void* state);
  void settle(const Finished& finished);
  void close(bool environment_alive);
  void reject_waiting();

  Napi::Env env_;
  Napi::FunctionReference error_factory_;
  std::unique_ptr<Device> device_;  // empty after dispose
  Handle* handles_ = nullptr;
  napi_threadsafe_function wake_ = nullptr;
  Wake* wake_context_ = nullptr;
  std::unordered_map<uint64_t, Waiting> waiting_;
  uint64_t next_id_ = 0;
};

/** What a JavaScript object holds of a runtime: released by its own dispose, by the runtime's, or by the garbage collector. */
class Handle {
 public:
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  const std::shared_ptr<RuntimeState>& state() const { return state_; }
  bool released() const { return released_; }
  /** Frees what is held, once. */
  void release();

 protected:
  explicit Handle(std::shared_ptr<RuntimeState> state);
  virtual ~Handle() { unlink(); }
  virtual void free_content() = 0;

 private:
  void unlink();
  std::shared_ptr<RuntimeState> state_;
  Handle* previous_ = nullptr;
  Handle* next_ = nullptr;
  bool linked_ = true, released_ = false;
};

}  // namespace foretoken::addon
