// What an engine is doing, and where the time of one invocation went.
#ifndef RUNLET_ENGINE_INSPECTION_H_
#define RUNLET_ENGINE_INSPECTION_H_

#include <absl/time/time.h>

#include <optional>
#include <string>
#include <vector>

#include "runlet/event/context.h"
#include "runlet/event/event.h"
#include "runlet/event/time_split.h"
#include "runlet/queue/event_queue.h"

namespace runlet {

// An execution that runs now. Value.
struct RunningExecution {
  std::string function;
  RequestId request_id;
  InvocationType type = InvocationType::kRequestResponse;
  int attempt = 1;
  int depth = 1;  // more than 1: called by a handler, which waits for it
  absl::Duration running_for;
  absl::Duration remaining;  // to its deadline; negative once that has passed
  bool asked_to_stop = false;
  bool abandoned = false;  // has overrun: its caller was released, its event goes on without it
  int thread = 0;          // as the system numbers it (gettid)
};

// What a function has waiting and in use, or one of its versions and aliases, which are listed by themselves. Value.
struct FunctionInspection {
  std::string function;
  bool registered = true;
  std::optional<int> reserved_concurrency;
  int reserved_in_use = 0;          // those that are provisioned not counted
  int provisioned_concurrency = 0;  // of a version or an alias
  int provisioned_in_use = 0;
  int abandoned = 0;      // executions that overran and whose threads have not come back
  WaitingEvents waiting;  // calls that were started and wait for a thread are in use, and do not run yet
};

// One look at an engine: each figure is right for a moment of it. Value.
struct Inspection {
  std::vector<RunningExecution> running;      // longest first
  std::vector<FunctionInspection> functions;  // in order of first registration
  QueueStats queue;
  std::optional<StorageStats> storage;  // of a durable queue
  int concurrency = 0;                  // the engine's permits
  int unreserved = 0;                   // those that no function has reserved
  int unreserved_in_use = 0;
  int unreserved_minimum = 0;   // as in EngineOptions
  int threads = 0;              // of the engine's own that count; 0 where it has none
  int abandoned = 0;            // threads that were replaced, and have not come back
  std::size_t undelivered = 0;  // dead letters and records that their sinks have not taken yet

  // A table for people.
  std::string ToString() const;
};

// What became of an invocation so far. Value.
struct Explanation {
  enum class State {
    kQueued,
    kThrottled,
    kBackingOff,
    kRunning,
    kStopping,
    kDead,
  };
  RequestId request_id;
  std::string function;
  State state = State::kQueued;
  std::optional<Condition> condition;  // of a dead letter
  int attempts = 0;                    // begun
  absl::Duration elapsed;              // since acceptance; of a dead letter, until its end
  TimeSplit spent;                     // adds up to `elapsed`
  absl::Duration due_in;               // until its next attempt may begin; zero when it may now
  std::vector<AttemptError> errors;    // of a dead letter

  // "resize 1b9d…: backing off for 42s, after 2 attempts: queued 1ms, ...".
  std::string ToString() const;
};
std::string_view StateName(Explanation::State state);

}  // namespace runlet

#endif  // RUNLET_ENGINE_INSPECTION_H_
