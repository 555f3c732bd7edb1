#include "device.h"

#include <atomic>
#include <chrono>
#include <deque>
#include <mutex>

#include "error.h"
#include "gate.h"

namespace foretoken {
namespace {

// After a pass the host takes about this long to tell what comes next; to wake a thread that sleeps takes nearly as long again.
constexpr std::chrono::microseconds kSpinTime{150};

struct Command {
  const char* op;
  std::function<void()> run;
  std::function<void(const std::string*)> done;
};

// Runs one command; returns what went wrong, or nothing.
std::string attempt(Command& command) {
  std::string failure;
  try {
    command.run();
  } catch (const std::exception& error) {
    failure = std::string(command.op) + ": " + error.what();
  } catch (...) {
    failure = std::string(command.op) + ": unknown failure";
  }
  return failure;
}

// A completion has nobody to throw to: what it throws ends here.
void finish(Command& command, const std::string* failure) {
  command.run = nullptr;  // what the command held is freed before anyone hears of its end
  if (!command.done) return;
  try {
    command.done(failure);
  } catch (...) {
  }
}

}  // namespace

struct Device::State {
  std::mutex mutex;
  std::deque<Command> queue;
  std::atomic<bool> waiting{false};  // whether the queue has a command
  std::atomic<bool> closed{false};
  Gate gate{kSpinTime};
  std::string failure;  // not empty: the device is lost

  void push(Command command, bool even_when_lost) {
    {
      std::lock_guard<std::mutex> lock(mutex);
      if (closed) throw Error(kDisposed, std::string(command.op) + ": the runtime has been disposed");
      if (!failure.empty() && !even_when_lost) throw Error(kDevice, "the native runtime is lost after " + failure);
      queue.push_back(std::move(command));
      waiting.store(true);
    }
    gate.wake();
  }

  // The next command, or false when the device is closed.
  bool pop(Command& command) {
    gate.wait([&] { return waiting.load() || closed.load(); });
    std::lock_guard<std::mutex> lock(mutex);
    if (closed) return false;
    command = std::move(queue.front());
    queue.pop_front();
    waiting.store(!queue.empty());
    return true;
  }
};

Device::Device(int threads, const CpuKernels& kernels)
    : state_(std::make_shared<State>()), kernels_(kernels), pool_(std::make_unique<ThreadPool>(threads)) {
  thread_ = std::thread([state = state_] { loop(*state); });
}

Device::~Device() {
  close();
  if (thread_.get_id() == std::this_thread::get_id()) thread_.detach();
  else thread_.join();
}

// These keep the state alive by themselves: a command may destroy the device before the call that enqueued it has returned.
void Device::enqueue(const char* op, std::function<void()> command) {
  const auto state = state_;
  state->push({op, std::move(command), nullptr}, false);
}

void Device::enqueue_completion(const char* op, std::function<void()> command, std::function<void(const std::string*)> done) {
  const auto state = state_;
  state->push({op, std::move(command), std::move(done)}, true);
}

void Device::close() {
  const auto state = state_;
  {
    std::lock_guard<std::mutex> lock(state->mutex);
    state->closed = true;
  }
  state->gate.wake();
}

void Device::loop(State& state) {
  flush_subnormals();
  Command command;
  while (state.pop(command)) {
    std::string failure = state.failure;  // only this thread writes it
    if (failure.empty()) {
      failure = attempt(command);
      if (!failure.empty()) {
        std::lock_guard<std::mutex> lock(state.mutex);
        state.failure = failure;
      }
    }
    finish(command, failure.empty() ? nullptr : &failure);
    command = {};
  }
  std::deque<Command> dropped;
  {
    std::lock_guard<std::mutex> lock(state.mutex);
    dropped.swap(state.queue);
  }
  const std::string why = "the runtime has been disposed";
  for (Command& each : dropped) finish(each, &why);
}

}  // namespace foretoken
