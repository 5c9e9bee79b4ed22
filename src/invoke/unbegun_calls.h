// Calls that no thread has begun and that nobody waits for, so that nobody would notice their deadlines.
#ifndef RUNLET_SRC_INVOKE_UNBEGUN_CALLS_H_
#define RUNLET_SRC_INVOKE_UNBEGUN_CALLS_H_

#include "base/timer_wheel.h"
#include "runlet/base/sync.h"
#include "runlet/base/time.h"

namespace runlet {

// Embedded in a call.
class UnbegunCall : public TimerLink {
 public:
  // Under the lock of UnbegunCalls: whether a thread may still begin it, ...
  virtual bool unbegun() const = 0;
  // ... and keeps it alive until OnDeadlineUnbegun().
  virtual void Hold() = 0;
  virtual void OnDeadlineUnbegun() = 0;

 protected:
  ~UnbegunCall() = default;
};

// Thread-safe.
class UnbegunCalls {
 public:
  // Unless it has been begun meanwhile.
  void Add(UnbegunCall& call, Instant deadline) RUNLET_EXCLUDES(mu_);
  // When it has been begun; before that nothing may destroy it.
  void Remove(UnbegunCall& call) RUNLET_EXCLUDES(mu_);
  // Ends those whose deadline has passed. When to look next.
  Instant Expire(Instant now) RUNLET_EXCLUDES(mu_);

 private:
  Mutex mu_;
  TimerWheel wheel_ RUNLET_GUARDED_BY(mu_);
};

}  // namespace runlet

#endif  // RUNLET_SRC_INVOKE_UNBEGUN_CALLS_H_
