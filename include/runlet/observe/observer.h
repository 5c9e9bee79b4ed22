// Sees what an engine does.
#ifndef RUNLET_OBSERVE_OBSERVER_H_
#define RUNLET_OBSERVE_OBSERVER_H_

#include <cstdint>
#include <string_view>

#include "runlet/base/time.h"
#include "runlet/event/context.h"
#include "runlet/event/event.h"
#include "runlet/event/request_id.h"

namespace runlet {

// One change of state. The strings live as long as the call.
struct Activity {
  enum class Kind : std::uint8_t {
    kAccepted,          // an event is in the queue
    kRefused,           // a call or an event never ran; `error_type` is the reason or the status code
    kStarted,           // an execution begins; its deadline is `due`
    kSucceeded,         // ... and ends; `duration_ns`
    kFailed,            // ... with a function error
    kTimedOut,          // ... with Sandbox.Timedout; the handler may still be running
    kLateResult,        // what an overrunning handler answered was dropped
    kThrottled,         // an event's attempt was refused for lack of capacity; next try at `due`
    kRetryScheduled,    // next attempt at `due`
    kEnded,             // an event's end, in `condition`
    kRedriven,          // a dead letter was accepted again, as `request_id`
    kDeadLetterTaken,   // a DeadLetterQueue has taken a letter, which the engine has no longer
    kDeadLetterError,   // ... failed to; next try at `due`
    kDeadLetterPurged,  // a dead letter was removed by the host; only `request_id` says which
    kDestinationTold,   // a destination has taken a record
    kDestinationError,  // ... failed to; next try at `due`, which is Never() for a record that is too large
    kRegistered,        // a function has code and configuration now,
    kReplaced,          // ... has others now,
    kRemoved,           // ... has none any more
    kDraining,          // the engine refuses new calls from now on,
    kStopping,          // ... asks what runs to stop, and begins no attempt,
    kClosed,            // ... has drained: what still ran is abandoned, what waited is parked
  };
  Kind kind = Kind::kAccepted;
  InvocationType type = InvocationType::kRequestResponse;
  bool borrowed = false;  // kStarted: runs on the permit of the handler that called it,
  bool reserved = false;  // ... on one that its function has reserved; else on an unreserved one
  bool watched = false;   // kStarted: ends at the deadline, whatever the handler does
  Condition condition = Condition::kSuccess;
  int attempt = 0;
  int depth = 1;
  int memory_size = 0;  // of executions: MB, as configured
  Instant at = {};
  Instant due = {};
  std::int64_t duration_ns = 0;
  RequestId request_id = {};
  std::string_view function = {};        // as it was called: "resize", "resize:live"
  std::string_view version = "$LATEST";  // of executions: whose code it is
  std::string_view error_type = {};
  std::string_view error_message = {};
};
std::string_view ActivityName(Activity::Kind kind);

// Given to the engine in EngineOptions; outlives it. Called on the thread where the change happens, without locks held,
// from several threads at once; records of different threads may come out of order. Must not block, throw or call the
// engine.
class Observer {
 public:
  virtual ~Observer() = default;
  virtual void OnActivity(const Activity& activity) = 0;
};

}  // namespace runlet

#endif  // RUNLET_OBSERVE_OBSERVER_H_
