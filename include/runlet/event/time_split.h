// Where the time of an invocation went.
#ifndef RUNLET_EVENT_TIME_SPLIT_H_
#define RUNLET_EVENT_TIME_SPLIT_H_

#include <absl/time/time.h>

namespace runlet {

// Adds up exactly to the time since acceptance. Value.
struct TimeSplit {
  absl::Duration queued;       // ready, or delayed by PostOptions, and not begun
  absl::Duration throttled;    // in the back-off of a throttle
  absl::Duration backing_off;  // between an attempt that failed and the time of the next
  absl::Duration running;      // in the handler, before it was asked to stop
  absl::Duration stopping;     // in the handler, afterwards

  absl::Duration total() const { return queued + throttled + backing_off + running + stopping; }
  friend bool operator==(const TimeSplit&, const TimeSplit&) = default;
};

}  // namespace runlet

#endif  // RUNLET_EVENT_TIME_SPLIT_H_
