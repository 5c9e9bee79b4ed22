// A list of waiting events that costs no memory of its own.
#ifndef RUNLET_SRC_QUEUE_EVENT_LIST_H_
#define RUNLET_SRC_QUEUE_EVENT_LIST_H_

#include "runlet/event/event.h"

namespace runlet {

// Links events by lane_next and lane_prev; an event is in one list at most. Owns nothing. Thread-compatible.
class EventList {
 public:
  bool empty() const { return front_ == nullptr; }
  Event* front() const { return front_; }

  void PushBack(Event* event) {
    event->lane_next = nullptr;
    event->lane_prev = back_;
    (back_ == nullptr ? front_ : back_->lane_next) = event;
    back_ = event;
  }

  void PushFront(Event* event) {
    event->lane_prev = nullptr;
    event->lane_next = front_;
    (front_ == nullptr ? back_ : front_->lane_prev) = event;
    front_ = event;
  }

  void Remove(Event* event) {
    (event->lane_prev == nullptr ? front_ : event->lane_prev->lane_next) = event->lane_next;
    (event->lane_next == nullptr ? back_ : event->lane_next->lane_prev) = event->lane_prev;
    event->lane_next = nullptr;
    event->lane_prev = nullptr;
  }

 private:
  Event* front_ = nullptr;
  Event* back_ = nullptr;
};

}  // namespace runlet

#endif  // RUNLET_SRC_QUEUE_EVENT_LIST_H_
