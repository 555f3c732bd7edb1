// Waiting for another thread that will be ready soon.
#pragma once

#include <sched.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>

namespace foretoken {

inline constexpr int kPausesAlone = 128;  // pauses before the core is offered to others
inline constexpr int kPausesPerLook = 16;

inline void pause_cpu() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

template <typename Ready>
bool spin(const Ready& ready, int pauses) {
  for (int i = 0; i < pauses; i++) {
    if (ready()) return true;
    pause_cpu();
  }
  return ready();
}

// Spins until `ready()` or `time` is over; true when ready. Whoever else wants this core gets it: it may be the one we wait for.
template <typename Ready>
bool spin_until(const Ready& ready, std::chrono::microseconds time) {
  if (spin(ready, kPausesAlone)) return true;
  const auto end = std::chrono::steady_clock::now() + time;
  while (std::chrono::steady_clock::now() < end) {
    sched_yield();
    if (spin(ready, kPausesPerLook)) return true;
  }
  return false;
}

// A gate that one side opens and the other waits for: spinning first, then asleep. Opening costs no system call while nobody sleeps.
class Gate {
 public:
  explicit Gate(std::chrono::microseconds spin_time) : spin_time_(spin_time) {}

  template <typename Ready>
  void wait(const Ready& ready) {
    if (spin_until(ready, spin_time_)) return;
    std::unique_lock<std::mutex> lock(mutex_);
    sleepers_.fetch_add(1);  // sequentially consistent with wake(): either it sees the sleeper or we see what is ready
    condition_.wait(lock, ready);
    sleepers_.fetch_sub(1);
  }
  // After what `ready` looks at has been stored.
  void wake() {
    if (sleepers_.load() == 0) return;
    std::lock_guard<std::mutex> lock(mutex_);
    condition_.notify_all();
  }

 private:
  const std::chrono::microseconds spin_time_;
  std::mutex mutex_;
  std::condition_variable condition_;
  std::atomic<int> sleepers_{0};
};

}  // namespace foretoken
