// The link by which a timer wheel holds a node.
#ifndef RUNLET_BASE_TIMER_LINK_H_
#define RUNLET_BASE_TIMER_LINK_H_

#include <cstdint>

#include "runlet/base/time.h"

namespace runlet {

// One timer, embedded in the node that it belongs to, as a base class or a member. The node stays where it is while it
// is armed. The fields are the wheel's; anyone may read `due`.
struct TimerLink {
  TimerLink* next = nullptr;
  TimerLink** where = nullptr;  // the pointer that points to this link
  TimerLink* child = nullptr;   // the wheel's slots are heaps
  Instant due;
  std::uint64_t order = 0;  // of arming; 0 while not armed

  bool armed() const { return order != 0; }
};

}  // namespace runlet

#endif  // RUNLET_BASE_TIMER_LINK_H_
