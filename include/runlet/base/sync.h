// The one file that owns locks. Every lock of runlet is a Mutex, so that Clang's thread-safety analysis sees it and
// ThreadSanitizer understands it (absl::Mutex in an Abseil built without TSan floods it with false reports).
#ifndef RUNLET_BASE_SYNC_H_
#define RUNLET_BASE_SYNC_H_

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>

#if defined(__clang__)
#define RUNLET_THREAD_ANNOTATION(x) __attribute__((x))
#else
#define RUNLET_THREAD_ANNOTATION(x)
#endif
#define RUNLET_GUARDED_BY(x) RUNLET_THREAD_ANNOTATION(guarded_by(x))
#define RUNLET_REQUIRES(...) RUNLET_THREAD_ANNOTATION(requires_capability(__VA_ARGS__))
#define RUNLET_EXCLUDES(...) RUNLET_THREAD_ANNOTATION(locks_excluded(__VA_ARGS__))
#define RUNLET_NO_THREAD_SAFETY_ANALYSIS RUNLET_THREAD_ANNOTATION(no_thread_safety_analysis)

namespace runlet {

// Thread-safe. Not recursive. User code never runs while one is held.
class RUNLET_THREAD_ANNOTATION(capability("mutex")) Mutex {
 public:
  Mutex() = default;
  Mutex(const Mutex&) = delete;
  Mutex& operator=(const Mutex&) = delete;

  void Lock() RUNLET_THREAD_ANNOTATION(acquire_capability()) { mu_.lock(); }
  void Unlock() RUNLET_THREAD_ANNOTATION(release_capability()) { mu_.unlock(); }
  [[nodiscard]] bool TryLock() RUNLET_THREAD_ANNOTATION(try_acquire_capability(true)) { return mu_.try_lock(); }

 private:
  friend class CondVar;
  std::mutex mu_;
};

class RUNLET_THREAD_ANNOTATION(scoped_lockable) MutexLock {
 public:
  explicit MutexLock(Mutex* mu) RUNLET_THREAD_ANNOTATION(acquire_capability(mu)) : mu_(mu) { mu_->Lock(); }
  ~MutexLock() RUNLET_THREAD_ANNOTATION(release_capability()) { mu_->Unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

 private:
  Mutex* const mu_;
};

// Waits may wake without cause: call them in a loop that tests the condition.
class CondVar {
 public:
  void Wait(Mutex* mu) RUNLET_REQUIRES(mu) {
    std::unique_lock<std::mutex> lock(mu->mu_, std::adopt_lock);
    cv_.wait(lock);
    lock.release();
  }
  // Waits at most `nanoseconds` of real time. False: they have passed.
  bool WaitFor(Mutex* mu, std::int64_t nanoseconds) RUNLET_REQUIRES(mu) {
    std::unique_lock<std::mutex> lock(mu->mu_, std::adopt_lock);
    const bool woken = cv_.wait_for(lock, std::chrono::nanoseconds(nanoseconds)) == std::cv_status::no_timeout;
    lock.release();
    return woken;
  }
  void NotifyOne() { cv_.notify_one(); }
  void NotifyAll() { cv_.notify_all(); }

 private:
  std::condition_variable cv_;
};

}  // namespace runlet

#endif  // RUNLET_BASE_SYNC_H_
