#include "runtime_state.h"

#include <utility>

#include "error.h"

namespace foretoken::addon {
namespace {

constexpr const char* kGone = "the runtime has been disposed";

void check(napi_env env, napi_status status) {
  if (status != napi_ok) throw Napi::Error::New(env);
}

}  // namespace

std::shared_ptr<RuntimeState> RuntimeState::create(Napi::Env env, int threads, const CpuKernels& kernels, Napi::Function error_factory) {
  std::shared_ptr<RuntimeState> state(new RuntimeState(env));
  if (!error_factory.IsEmpty()) state->error_factory_ = Napi::Persistent(error_factory);
  state->wake_context_ = new Wake{state.get()};
  const auto free_context = [](napi_env, void* wake, void*) { delete static_cast<Wake*>(wake); };
  check(env, napi_create_threadsafe_function(env, nullptr, nullptr, Napi::String::New(env, "foretoken"), 0, 1, state->wake_context_, free_context,
                                             state->wake_context_, on_finished, &state->wake_));
  check(env, napi_unref_threadsafe_function(env, state->wake_));
  // Hooks run in reverse order: this one, which ends the device thread, before the environment closes the thread-safe function.
  check(env, napi_add_env_cleanup_hook(env, on_environment_end, state.get()));
  state->device_ = std::make_unique<Device>(threads, kernels);
  return state;
}

RuntimeState::~RuntimeState() { close(true); }

Device& RuntimeState::device(const char* op) const {
  if (!device_) throw Error(kDisposed, std::string(op) + ": " + kGone);
  return *device_;
}

Napi::Promise RuntimeState::later(const char* op, std::function<void()> command, std::function<Napi::Value(Napi::Env)> settle) {
  Device& target = device(op);
  const uint64_t id = next_id_++;
  const auto waiting = waiting_.emplace(id, Waiting{Napi::Promise::Deferred::New(env_), std::move(settle), shared_from_this()}).first;
  const Napi::Promise promise = waiting->second.deferred.Promise();
  try {
    target.enqueue_completion(op, std::move(command), [wake = wake_, id](const std::string* failure) {
      auto finished = std::make_unique<Finished>(Finished{id, failure != nullptr, failure ? *failure : std::string()});
      if (napi_call_threadsafe_function(wake, finished.get(), napi_tsfn_nonblocking) == napi_ok) finished.release();
    });
  } catch (...) {
    waiting_.erase(id);
    throw;
  }
  if (waiting_.size() == 1) napi_ref_threadsafe_function(env_, wake_);
  return promise;
}

void RuntimeState::on_finished(napi_env env, napi_value, void* wake, void* data) {
  const std::unique_ptr<Finished> finished(static_cast<Finished*>(data));
  if (env == nullptr) return;  // the environment is going; the context may be gone already
  RuntimeState* state = static_cast<Wake*>(wake)->state;
  if (state == nullptr) return;
  try {
    state->settle(*finished);
  } catch (...) {  // JavaScript cannot run any more: a worker that is being terminated. Nobody waits for the promise
  }
}

void RuntimeState::settle(const Finished& finished) {
  const auto found = waiting_.find(finished.id);
  if (found == waiting_.end()) return;  // rejected by dispose
  const Waiting waiting = std::move(found->second);  // holds the last reference, perhaps: nothing of this object is used after it
  waiting_.erase(found);
  if (waiting_.empty()) napi_unref_threadsafe_function(env_, wake_);
  const Napi::HandleScope scope(env_);
  try {
    if (finished.failed) throw Error(kDevice, "the native runtime is lost after " + finished.failure);
    waiting.deferred.Resolve(waiting.settle(env_));
  } catch (...) {
    waiting.deferred.Reject(current_error(env_, error_factory_));
  }
}

void RuntimeState::on_environment_end(void* state) { static_cast<RuntimeState*>(state)->close(false); }

void RuntimeState::close(bool environment_alive) {
  if (wake_ == nullptr) return;
  if (device_) device_->close();
  while (handles_ != nullptr) handles_->release();
  device_.reset();  // joins: from here on nobody calls the thread-safe function
  auto self = weak_from_this().lock();  // rejecting may drop the last reference
  if (environment_alive) {
    reject_waiting();
    napi_remove_env_cleanup_hook(env_, on_environment_end, this);
  }
  waiting_.clear();
  wake_context_->state = nullptr;
  napi_release_threadsafe_function(wake_, napi_tsfn_abort);
  wake_ = nullptr;
}

void RuntimeState::reject_waiting() {
  if (waiting_.empty()) return;
  const Napi::HandleScope scope(env_);
  const auto waiting = std::move(waiting_);
  waiting_.clear();
  for (const auto& entry : waiting) entry.second.deferred.Reject(error_value(env_, error_factory_, kDisposed, kGone));
  napi_unref_threadsafe_function(env_, wake_);
}

Handle::Handle(std::shared_ptr<RuntimeState> state) : state_(std::move(state)), next_(state_->handles_) {
  if (next_ != nullptr) next_->previous_ = this;
  state_->handles_ = this;
}

void Handle::release() {
  unlink();
  if (released_) return;
  released_ = true;
  free_content();
}

void Handle::unlink() {
  if (!linked_) return;
  linked_ = false;
  if (previous_ != nullptr) previous_->next_ = next_;
  else state_->handles_ = next_;
  if (next_ != nullptr) next_->previous_ = previous_;
}

}  // namespace foretoken::addon
