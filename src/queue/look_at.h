// What is told of an event that waits.
#ifndef RUNLET_SRC_QUEUE_LOOK_AT_H_
#define RUNLET_SRC_QUEUE_LOOK_AT_H_

#include "runlet/event/event.h"
#include "runlet/queue/event_queue.h"

namespace runlet {

inline WaitingEvent LookAt(const Event& event, const FunctionIdentity& function, Instant now) {
  return {&function,      event.attempts,   event.throttles,
          event.accepted, event.not_before, event.SpentWaiting(now, event.attempts + 1)};
}

}  // namespace runlet

#endif  // RUNLET_SRC_QUEUE_LOOK_AT_H_
