// Fork-join without OpenMP. A fork costs well below a microsecond while the workers spin; they spin for a while after their last job, then
// sleep. On an oversubscribed machine a worker may not get a core in time: work that is cut into shares then goes on
// without it, since nobody waits for a worker that has not begun.
#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <utility>
#include <vector>

#include "device.h"
#include "gate.h"

namespace foretoken {
namespace {

constexpr std::chrono::microseconds kSpinTime{40};

}  // namespace
struct ThreadPool::State {
  // One word says which round this is, whether it may still be entered, and how many workers are inside.
  static constexpr uint64_t kRound = uint64_t{1} << 32, kOpen = uint64_t{1} << 31, kInside = kOpen - 1;
  std::atomic<uint64_t> door{0};
  std::atomic<int> entered{0};  // workers that have entered this round
  std::atomic<bool> stopping{false};
  const std::function<void(int)>* job = nullptr;
  Gate start{kSpinTime}, finish{kSpinTime};
  std::mutex failure_mutex;
  std::exception_ptr failure;
  std::vector<std::thread> workers;

  void attempt(int thread) {
    try {
      (*job)(thread);
    } catch (...) {
      std::lock_guard<std::mutex> lock(failure_mutex);
      if (!failure) failure = std::current_exception();
    }
  }

  // Enters the present round unless it is closed; `seen` becomes its number.
  bool enter(uint64_t& seen) {
    uint64_t now = door.load();
    while ((now & kOpen) != 0 && !door.compare_exchange_weak(now, now + 1)) continue;
    seen = now / kRound;
    return (now & kOpen) != 0;
  }

  void work(int thread) {
    flush_subnormals();
    for (uint64_t seen = 0;;) {
      start.wait([&] { return door.load() / kRound != seen || stopping.load(); });
      if (stopping.load()) return;
      if (!enter(seen)) continue;
      entered.fetch_add(1);
      attempt(thread);
      door.fetch_sub(1);
      finish.wake();
    }
  }

  // Runs `job` on the caller and the workers that come in time, or on all of them.
  void fork(const std::function<void(int)>& work, int must_enter) {
    job = &work;
    entered.store(0);
    door.store((door.load() / kRound + 1) * kRound | kOpen);
    start.wake();
    attempt(0);
    if (must_enter > 0) finish.wait([&] { return entered.load() == must_enter && (door.load() & kInside) == 0; });
    door.fetch_and(~kOpen);
    finish.wait([&] { return (door.load() & kInside) == 0; });
    if (failure) std::rethrow_exception(std::exchange(failure, nullptr));
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
  state_->fork(job, size_ - 1);
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
  state_->fork(std::cref(job), 0);
}

}  // namespace foretoken
