#include "capacity/elastic_pool.h"

#include <algorithm>
#include <utility>

#include "base/futex.h"
#include "capacity/leaving.h"

namespace runlet {
namespace {

constexpr std::int64_t kStuckNs = 1'000'000;      // 1 ms
constexpr std::int64_t kIdleNs = 10'000'000'000;  // 10 s

}  // namespace

// What a Worker is in this executor.
struct ElasticPool::Thread {
  ElasticPool* pool;
  std::list<std::unique_ptr<Thread>>::iterator place;
  pthread_t handle = {};
  bool busy = false;                 // guarded by the pool's lock
  bool on_others = false;            // ... with other than reserved work; guarded by the pool's lock
  bool written_off = false;          // guarded by the pool's lock
  std::shared_ptr<void> keep_alive;  // set when written off
};

namespace {
constinit thread_local void* current_thread = nullptr;
}  // namespace

ElasticPool::ElasticPool(const Clock& clock, int max_threads) : clock_(clock), max_threads_(max_threads) {}

ElasticPool::~ElasticPool() { Detach(Instant::Never()); }

void ElasticPool::Attach(Alarm* alarm) {
  alarm_ = alarm;
  watcher_ = std::make_unique<Watcher>(clock_, static_cast<Alarm*>(this));
}

int ElasticPool::Detach(Instant until) {
  const Instant leave_by = LeaveBy(until, clock_);
  Line dropped[2];
  std::vector<pthread_t> ended;
  int left_behind;
  {
    MutexLock lock(&mu_);
    detached_ = true;
    dropped[0] = std::exchange(reserved_, {});
    dropped[1] = std::exchange(others_, {});
    work_or_end_.NotifyAll();
    // A thread without work leaves at once; one that has work, by `until`.
    const auto busy = [](const std::unique_ptr<Thread>& thread) { return thread->busy; };
    while (!threads_.empty()) {
      const std::int64_t left = until.never() ? kForeverNs : until.Since(clock_.Now());
      if (left <= 0 && std::all_of(threads_.begin(), threads_.end(), busy)) break;
      if (until.never() || left <= 0) {
        thread_left_.Wait(&mu_);
      } else {
        thread_left_.WaitFor(&mu_, left);
      }
    }
    while (!threads_.empty()) StopCounting(*threads_.front());
    left_behind = left_behind_;
    ended.swap(ended_);
    joined_ = true;
  }
  // Before the others: while one of those takes all the time there is, the watcher would be found on its way out.
  if (watcher_ != nullptr && !watcher_->Stop(leave_by, keep_alive_)) ++left_behind;
  for (pthread_t thread : ended) {
    if (JoinBy(thread, leave_by)) continue;
    pthread_detach(thread);
    ++left_behind;
  }
  for (Line& line : dropped) {
    while (line.head != nullptr) {
      Work* work = std::exchange(line.head, line.head->next);
      work->Drop();
    }
  }
  return left_behind;
}

void ElasticPool::Post(Work& work) {
  enum { kNothing, kWakeThread, kWatch, kDrop } then = kNothing;
  Instant look_at;
  {
    MutexLock lock(&mu_);
    if (detached_) {
      then = kDrop;
    } else {
      Line& line = work.reserved ? reserved_ : others_;
      work.next = nullptr;
      (line.head == nullptr ? line.head : line.tail->next) = &work;
      line.tail = &work;
      if (idle_ > 0) {
        if (HasWork() && !std::exchange(waking_, true)) then = kWakeThread;
      } else {
        if (threads_.empty()) AddThread();
        // Also where no thread could be made: the watcher tries again.
        look_at = WatchForStuck();
        if (!look_at.never()) then = kWatch;
      }
    }
  }
  switch (then) {
    case kNothing: break;
    case kWakeThread: work_or_end_.NotifyOne(); break;
    case kWatch: watcher_->WakeAt(look_at); break;
    case kDrop: work.Drop(); break;
  }
}

bool ElasticPool::MayGrow() const {
  // Reserved work that still runs of what was set aside for it takes no thread from the others.
  const int extra = std::max(extra_threads_.load(std::memory_order_relaxed), running_reserved_);
  return static_cast<int>(threads_.size()) < max_threads_ + extra;
}

Instant ElasticPool::WatchForStuck() {
  if (std::exchange(watched_, true)) return Instant::Never();
  taken_before_ = taken_;
  look_at_ = clock_.Now().After(kStuckNs);
  return look_at_;
}

void ElasticPool::AddThread() {
  // A thread that has left may still be ending thread-local objects of the host's, which may take any time and may call
  // the pool: nobody waits for it here.
  std::erase_if(ended_, [](pthread_t thread) { return pthread_tryjoin_np(thread, nullptr) == 0; });
  threads_.push_back(std::make_unique<Thread>());
  Thread& thread = *threads_.back();
  thread.pool = this;
  thread.place = std::prev(threads_.end());
  if (pthread_create(&thread.handle, nullptr, &ElasticPool::Main, &thread) != 0) threads_.pop_back();
}

Instant ElasticPool::GrowIfStuck() {
  MutexLock lock(&mu_);
  if (!watched_) return Instant::Never();
  // Read here: with an older time, what has just been posted would seem to have waited since then.
  const Instant now = clock_.Now();
  if (now < look_at_) return look_at_;
  if (!HasWork() || detached_) {
    watched_ = false;
    return Instant::Never();
  }
  if (taken_ == taken_before_ && idle_ == 0 && MayGrow()) AddThread();
  taken_before_ = taken_;
  look_at_ = now.After(kStuckNs);
  return look_at_;
}

Instant ElasticPool::Ring(Instant now) { return std::min(GrowIfStuck(), alarm_->Ring(now)); }

void* ElasticPool::Main(void* arg) {
  auto* thread = static_cast<Thread*>(arg);
  // Also when a handler ends the thread (pthread_exit): the stack is unwound through here.
  struct LeaveAtEnd {
    Thread* thread;
    ~LeaveAtEnd() { thread->pool->Leave(*thread); }
  } leave{thread};
  current_thread = thread;
  thread->pool->Loop(*thread);
  return nullptr;
}

void ElasticPool::Loop(Thread& thread) {
  while (Work* work = NextWork(thread)) work->Run();
}

void ElasticPool::LookAtPosted(const std::function<void(Work&)>& look) {
  MutexLock lock(&mu_);
  for (Work* first : {reserved_.head, others_.head}) {
    for (Work* work = first; work != nullptr; work = work->next) look(*work);
  }
}

Work* ElasticPool::NextWork(Thread& thread) {
  Work* work;
  Instant look_at = Instant::Never();
  {
    MutexLock lock(&mu_);
    work = AwaitWork(thread);
    // Posted while this thread was on its way, and counted as idle: no other thread comes for it.
    if (work != nullptr && HasWork() && idle_ == 0) look_at = WatchForStuck();
  }
  if (!look_at.never()) watcher_->WakeAt(look_at);
  return work;
}

Work* ElasticPool::AwaitWork(Thread& thread) {
  EndWork(thread);
  for (;;) {
    if (thread.written_off || detached_) return nullptr;
    if (HasWork()) {
      Work* const work = Take(thread);
      // Woken threads wake the next one, so that a producer pays for one wake-up only.
      if (HasWork() && idle_ > 0 && !waking_) {
        waking_ = true;
        work_or_end_.NotifyOne();
      }
      return work;
    }
    ++idle_;
    const Instant until = clock_.Now().After(kIdleNs);
    while (!HasWork() && !detached_) {
      const std::int64_t left = until.Since(clock_.Now());
      if (left <= 0) break;
      work_or_end_.WaitFor(&mu_, left);
      waking_ = false;
    }
    --idle_;
    if (!HasWork()) return nullptr;
  }
}

Work* ElasticPool::Take(Thread& thread) {
  Line& line = reserved_.head != nullptr ? reserved_ : others_;
  thread.busy = true;
  thread.on_others = &line == &others_;
  ++(thread.on_others ? running_others_ : running_reserved_);
  ++taken_;
  return std::exchange(line.head, line.head->next);
}

void ElasticPool::EndWork(Thread& thread) {
  if (!std::exchange(thread.busy, false)) return;
  --(std::exchange(thread.on_others, false) ? running_others_ : running_reserved_);
}

void ElasticPool::Leave(Thread& thread) {
  current_thread = nullptr;
  std::unique_ptr<Thread> own;
  {
    MutexLock lock(&mu_);
    if (thread.written_off) {
      if (joined_) {
        pthread_detach(thread.handle);
      } else {
        ended_.push_back(thread.handle);
      }
      --left_behind_;
      own.reset(&thread);
    } else {
      EndWork(thread);
      own = std::move(*thread.place);
      threads_.erase(thread.place);
      if (HasWork() && !detached_) {
        if (idle_ > 0) work_or_end_.NotifyOne();
        if (threads_.empty()) AddThread();
      }
      // Not before: AddThread joins those that have ended, and no thread can join itself.
      ended_.push_back(thread.handle);
      thread_left_.NotifyAll();
    }
  }
  // `own` may hold the last reference to the pool itself.
}

void ElasticPool::Block(const Wait& wait) {
  while (wait.word->load(std::memory_order_acquire) == wait.value) {
    std::int64_t left = kForeverNs;
    if (!wait.until.never()) {
      left = wait.until.Since(clock_.Now());
      if (left <= 0) return;
    }
    FutexWait(wait.word, wait.value, left);
  }
}

void ElasticPool::Unblock(const std::atomic<std::uint32_t>* word) { FutexWakeAll(word); }

Worker* ElasticPool::CurrentWorker() {
  auto* thread = static_cast<Thread*>(current_thread);
  return thread != nullptr && thread->pool == this ? reinterpret_cast<Worker*>(thread) : nullptr;
}

void ElasticPool::StopCounting(Thread& thread) {
  thread.written_off = true;
  EndWork(thread);
  ++left_behind_;
  if (keep_alive_) thread.keep_alive = keep_alive_();
  thread.place->release();
  threads_.erase(thread.place);
  thread_left_.NotifyAll();
}

void ElasticPool::WriteOff(Worker* worker) {
  MutexLock lock(&mu_);
  auto* thread = reinterpret_cast<Thread*>(worker);
  if (thread->written_off) return;
  StopCounting(*thread);
  if (!HasWork() || detached_) return;
  if (idle_ > 0) {
    work_or_end_.NotifyOne();
  } else if (MayGrow()) {
    AddThread();
  }
}

int ElasticPool::threads() const {
  MutexLock lock(&mu_);
  return static_cast<int>(threads_.size());
}

}  // namespace runlet
