#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "cpu_kernels.h"

namespace foretoken {

/**
 * Fork-join pool without OpenMP. Thread 0 is the caller (the device thread). Workers spin briefly, then sleep; every thread runs with
 * FTZ and DAZ set. Results never depend on the number of threads: work is split by outputs, never within a sum.
 */
class ThreadPool {
 public:
  /** `threads` in all, the caller's included; at least 1. */
  explicit ThreadPool(int threads);
  ~ThreadPool();
  int size() const { return size_; }
  /** Runs `job(thread)` once on every thread and returns when all are done; rethrows the first exception. Never from inside a job. */
  void run(const std::function<void(int)>& job);
  /** Calls `body(begin, end)` over [0, count) in contiguous shares of at least `grain`; runs inline when one share is enough. */
  void parallel_for(int64_t count, int64_t grain, const std::function<void(int64_t, int64_t)>& body);
  /** The same with the number of the thread, for scratch memory: `body(thread, begin, end)`. */
  void parallel_shares(int64_t count, int64_t grain, const std::function<void(int, int64_t, int64_t)>& body);

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
  /** Drops what is queued and waits for what runs; from inside a command, the thread ends after that command. */
  ~Device();

  /** Throws Error(kDisposed) after close() and Error(kDevice) once the device is lost. `op` names the command in errors. */
  void enqueue(const char* op, std::function<void()> command);
  /**
   * Runs `command`, then calls `done(nullptr)` on the device thread, or `done(message)` with the first failure, or when close() dropped
   * it. Always called once, unless this throws: Error(kDisposed) after close(). A lost device still answers through `done`.
   */
  void enqueue_completion(const char* op, std::function<void()> command, std::function<void(const std::string* failure)> done);
  /** Refuses new commands and drops those that have not begun. Does not wait. */
  void close();

  ThreadPool& pool() { return *pool_; }
  const CpuKernels& kernels() const { return kernels_; }

 private:
  struct State;
  static void loop(State& state);
  std::shared_ptr<State> state_;  // the thread's own share outlives a device that is destroyed inside a command
  const CpuKernels& kernels_;
  std::unique_ptr<ThreadPool> pool_;
  std::thread thread_;
};

}  // namespace foretoken
