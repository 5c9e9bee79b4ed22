// One run of a handler on the stack of one thread.
#ifndef RUNLET_SRC_INVOKE_EXECUTION_H_
#define RUNLET_SRC_INVOKE_EXECUTION_H_

#include <atomic>
#include <cstdint>
#include <utility>

#include "capacity/admission.h"
#include "capacity/slot.h"
#include "function/entry.h"
#include "runlet/event/context.h"
#include "runlet/event/lineage.h"
#include "runlet/observe/observer.h"

namespace runlet {

class Invoker;

// Begun and ended by Invoker. The kinds differ in who waits for the result.
class Execution : public Watched {
 public:
  // The handler ends its own thread: the run is over, and must give back all it holds.
  virtual void OnForcedUnwind() = 0;
  void OnOverrun(Instant now) override = 0;

  // The innermost execution on this thread, of whatever engine; nullptr outside of handlers.
  static Execution* Current() { return current_; }
  // For those who switch stacks, and for Invoker. Returns what was current.
  static Execution* SetCurrent(Execution* execution) { return std::exchange(current_, execution); }

  // Since when there has been this invocation: for an event, since its acceptance; and where the time went until this
  // attempt began.
  virtual Instant Since() const { return started; }
  virtual TimeSplit SpentBefore() const { return {}; }
  // ... and until `now`, in the attempt.
  TimeSplit SpentUntil(Instant now) const;
  // The handler has been asked to stop, and may be waiting for something else. Called while others look: must be short.
  virtual void OnStopAsked() {}
  // For Engine::Cancel. Whoever the handler waits for is not told.
  void AskToStop(Instant now);
  // When the handler was asked to stop, or will be.
  Instant StopAskedAt() const;

  Invocation invocation;
  Invoker* invoker = nullptr;
  FunctionEntry* entry = nullptr;
  const Code* code = nullptr;
  Slot* slot = nullptr;
  Meter* meter = nullptr;            // of the entry, in the slot
  Execution* parent = nullptr;       // the execution whose handler made this call, on the same stack
  const Lineage* lineage = nullptr;  // of what the outermost execution on this stack runs; nullptr for none
  ContextPort* port = nullptr;       // of its own; nullptr for the invoker's
  Observer* follower = nullptr;      // sees what the engine's observer does of this execution; nullptr for none
  Worker* worker = nullptr;          // set while the watcher may take the run away
  Admission::Permit permit;
  Instant started;
  std::atomic<std::int64_t> cancelled_at{kForeverNs};  // when somebody asked the handler to stop
  std::atomic<bool> cancelled{false};                  // by Engine::Cancel
  bool written_off = false;                            // its thread, when it overran
  bool names_latest = false;                           // as its Ask says
  std::int64_t timeout_ns = 0;                         // as Lambda's message states it

 protected:
  Execution() = default;
  ~Execution() = default;

 private:
  // Fibers change stacks, never threads: its address may be kept across a switch, and its value is memory.
  static thread_local constinit Execution* current_;
};

}  // namespace runlet

#endif  // RUNLET_SRC_INVOKE_EXECUTION_H_
