// Where work runs, and where it waits. The seam that lets one engine run on its own threads, on the host's, on nobody's
// (Poll) and on one simulated thread with virtual time.
#ifndef RUNLET_BASE_EXECUTOR_H_
#define RUNLET_BASE_EXECUTOR_H_

#include <atomic>
#include <cstdint>
#include <functional>

#include "runlet/base/time.h"

namespace runlet {

class Call;

// Something to run once, or to drop. Whoever posts it keeps it alive until one of the two has begun, which may destroy
// it.
class Work {
 public:
  virtual void Run() = 0;
  // Instead of Run(): the executor has been detached.
  virtual void Drop() = 0;
  // nullptr unless it is a call that Start has made: then somebody may look for it by its id.
  virtual Call* call() { return nullptr; }

  Work* next = nullptr;  // for the executor that holds it
  // Runs on a permit that its function has reserved: other work must not keep it from getting a thread.
  bool reserved = false;

 protected:
  ~Work() = default;
};

// A wait for a word to change: done when `*word != value` or `until` has passed.
struct Wait {
  const std::atomic<std::uint32_t>* word;
  std::uint32_t value;
  Instant until = Instant::Never();
};

// Things to do at times. The engine is one; its executor rings it.
class Alarm {
 public:
  // Does what is due at `now` and returns when to be rung next (Never() for not at all). Calls may overlap.
  virtual Instant Ring(Instant now) = 0;

 protected:
  ~Alarm() = default;
};

// A thread of an executor's, or what stands for one.
class Worker;

// Thread-safe.
class Executor {
 public:
  virtual ~Executor() = default;

  // Called once, before any other call. `alarm` stays alive until Detach() has returned, and until threads that it has
  // left behind have ended.
  virtual void Attach(Alarm* alarm) = 0;
  // After it no posted work starts, and no alarm begins to ring; work that has not begun is dropped. Waits until
  // `until` for work that runs, then writes off its threads; those that have no work left may take a moment more.
  // Returns how many threads are left behind, now and from before.
  virtual int Detach(Instant until) = 0;

  // Runs `work` once, soon, on a thread of the executor's. Never inside this call.
  virtual void Post(Work& work) = 0;
  // Shows what is posted and has not begun; while it does, none of it begins. `look` calls nothing of the executor's.
  virtual void LookAtPosted(const std::function<void(Work&)>& /*look*/) {}
  // Rings the alarm at `when` at the latest. May ring early.
  virtual void WakeAt(Instant when) = 0;

  // Every wait inside the engine comes here: threads sleep, Poll pumps, the simulation switches fibers. Returns when
  // the wait is done, and sometimes before: test and call again.
  virtual void Block(const Wait& wait) = 0;
  // Wakes whoever blocks on `word`; call it after changing the word. Only the address is used.
  virtual void Unblock(const std::atomic<std::uint32_t>* word) = 0;

  // Whether the thread that waits for a call must run it: nobody else would.
  virtual bool runs_on_waiter() const { return false; }
  // How many events a worker may take at once. 1 lets a simulation choose the order of every single one.
  virtual int batch() const { return 32; }
  // Whether a worker that is stuck can be replaced.
  virtual bool can_write_off() const { return false; }
  // The worker whose stack this is, if it can be written off; else nullptr.
  virtual Worker* CurrentWorker() { return nullptr; }
  // `worker` is stuck in its work: from now on it does not count, and it ends when that work returns.
  virtual void WriteOff(Worker* /*worker*/) {}
};

}  // namespace runlet

#endif  // RUNLET_BASE_EXECUTOR_H_
