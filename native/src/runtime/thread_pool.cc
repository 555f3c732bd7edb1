// Fork-join without OpenMP. A fork costs about a microsecond while the workers spin; they spin for some tens of microseconds after
// their last job, then sleep, so that idle engines and oversubscribed machines lose nothing.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <utility>
#include <vector>

#include "device.h"

namespace foretoken {
namespace {

constexpr auto kSpinTime = std::chrono::microseconds(40);
constexpr int kPausesPerLook = 32;  // between two looks at the clock

inline void pause_cpu() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// Spins until `ready()` or the spin time is over; true when ready.
template <typename Ready>
bool spin_until(const Ready& ready) {
  const auto end = std::chrono::steady_clock::now() + kSpinTime;
  do {
    for (int i = 0; i < kPausesPerLook; i++) {
      if (ready()) return true;
      pause_cpu();
    }
  } while (std::chrono::steady_clock::now() < end);
  return ready();
}

// A gate that one side opens and the other waits for: spinning first, then asleep. Opening costs no system call while nobody sleeps.
class Gate {
 public:
  template <typename Ready>
  void wait(const Ready& ready) {
    if (spin_until(ready)) return;
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
  std::mutex mutex_;
  std::condition_variable condition_;
  std::atomic<int> sleepers_{0};
};

}  // namespace

struct ThreadPool::State {
  std::vector<std::thread> workers;
  const std::function<void(int)>* job = nullptr;
  std::atomic<uint64_t> round{0};  // one more for every job
  std::atomic<int> running{0};     // workers that have not finished this round
  std::atomic<bool> stopping{false};
  Gate start, finish;
  std::mutex failure_mutex;
  std::exception_ptr failure;

  void attempt(int thread) {
    try {
      (*job)(thread);
    } catch (...) {
      std::lock_guard<std::mutex> lock(failure_mutex);
      if (!failure) failure = std::current_exception();
    }
  }

  void work(int thread) {
    flush_subnormals();
    for (uint64_t seen = 0;; seen++) {
      start.wait([&] { return round.load() != seen || stopping.load(); });
      if (stopping.load()) return;
      attempt(thread);
      if (running.fetch_sub(1) == 1) finish.wake();
    }
  }
};

ThreadPool::ThreadPool(int threads) : size_(std::max(threads, 1)), state_(std::make_unique<State>()) {
  for (int thread = 1; thread < size_; thread++) {
    state_->workers.emplace_back([state = state_.get(), thread] { state->work(thread); });
  }
}

ThreadPool::~ThreadPool() {
  state_->stopping.store(true);
  state_->start.wake();
  for (std::thread& worker : state_->workers) worker.join();
}

void ThreadPool::run(const std::function<void(int)>& job) {
  if (size_ == 1) return job(0);
  State& state = *state_;
  state.job = &job;
  state.running.store(size_ - 1);
  state.round.fetch_add(1);
  state.start.wake();
  state.attempt(0);
  state.finish.wait([&] { return state.running.load() == 0; });
  if (state.failure) std::rethrow_exception(std::exchange(state.failure, nullptr));
}

void ThreadPool::parallel_for(int64_t count, int64_t grain, const std::function<void(int64_t, int64_t)>& body) {
  parallel_shares(count, grain, [&](int, int64_t begin, int64_t end) { body(begin, end); });
}

void ThreadPool::parallel_shares(int64_t count, int64_t grain, const std::function<void(int, int64_t, int64_t)>& body) {
  if (count <= 0) return;
  grain = std::max<int64_t>(grain, 1);
  if (size_ == 1 || count <= grain) return body(0, 0, count);
  // Several shares per thread: where another program holds one core, the other threads take over what is left.
  constexpr int64_t kSharesPerThread = 4;
  const int64_t share = std::max(grain, (count + size_ * kSharesPerThread - 1) / (size_ * kSharesPerThread));
  std::atomic<int64_t> next{0};
  const auto job = [&](int thread) {
    for (int64_t begin; (begin = next.fetch_add(share)) < count;) body(thread, begin, std::min(begin + share, count));
  };
  run(std::cref(job));
}

}  // namespace foretoken
