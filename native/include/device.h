#pragma once
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "cpu_kernels.h"

namespace foretoken {

/**
 * Fork-join pool without OpenMP. Thread 0 is the caller (the device thread). Workers spin briefly, then sleep; every thread runs with
 * FTZ and DAZ set. Results never depend on the number of threads: work is split by outputs, never within a sum.
 */
class ThreadPool {
 public:
  explicit ThreadPool(int threads);
  ~ThreadPool();
  int size() const { return size_; }
  /** Runs `job(thread)` once on every thread and returns when all are done. */
  void run(const std::function<void(int)>& job);
  /** Calls `body(begin, end)` over [0, count) in contiguous shares of at least `grain`; runs inline when one share is enough. */
  void parallel_for(int64_t count, int64_t grain, const std::function<void(int64_t, int64_t)>& body);

 private:
  struct State;
  int size_;
  std::unique_ptr<State> state_;
};

/**
 * One command queue and the thread that runs it in order. Commands are enqueued from the JS thread and hold shared references to all
 * they touch. A command that throws loses the device: later commands are dropped and every completion gets the error.
 */
class Device {
 public:
  Device(int threads, const CpuKernels& kernels);
  ~Device();  // drops what is queued, waits for what runs

  /** Throws Error(kDisposed) after close() and Error(kDevice) once the device is lost. `op` names the command in errors. */
  void enqueue(const char* op, std::function<void()> command);
  /** Like enqueue; afterwards calls `done(nullptr)` on the device thread, or `done(message)` with the first failure. Always called once. */
  void enqueue_completion(const char* op, std::function<void()> command, std::function<void(const std::string* failure)> done);
  void close();

  ThreadPool& pool() { return pool_; }
  const CpuKernels& kernels() const { return kernels_; }

 private:
  struct Command { const char* op; std::function<void()> run; std::function<void(const std::string*)> done; };
  void loop();
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Command> queue_;
  bool closed_ = false;
  std::string failure_;  // not empty: the device is lost
  const CpuKernels& kernels_;
  ThreadPool pool_;
  std::thread thread_;
};

}  // namespace foretoken
