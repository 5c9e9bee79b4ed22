// The events of one function on their way to its handler.
#ifndef RUNLET_SRC_DELIVERY_LANE_H_
#define RUNLET_SRC_DELIVERY_LANE_H_

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "function/entry.h"
#include "runlet/base/sync.h"

namespace runlet {

class Pump;

// Functions that share permits wait for each other here, instead of backing off as if calls from outside held them.
struct Gate {
  std::atomic<int> active{0};   // pumps that hold one of the permits
  std::atomic<int> waiting{0};  // lanes in `starved`
  Mutex mu;
  std::deque<Lane*> starved RUNLET_GUARDED_BY(mu);
};

class Lane {
 public:
  explicit Lane(FunctionEntry& its_entry) : entry(its_entry) {}

  FunctionEntry& entry;
  // A pump has been posted and has not begun: it will see what becomes ready meanwhile.
  std::atomic<bool> pending{false};
  // The same for a pump beyond what is provisioned, which may have to wait longer for a thread.
  std::atomic<bool> spill_pending{false};
  bool next_pending() const {
    return pending.load(std::memory_order_seq_cst) || spill_pending.load(std::memory_order_seq_cst);
  }
  // Smoothed time from claim to outcome of one event.
  std::atomic<std::int64_t> mean_ns{0};
  // Waits for a permit of those that are provisioned for it; guarded by Delivery.
  bool spilled = false;
  Gate own_gate;  // of a function itself, for all that share its reserved concurrency while it has any

  // Writes what a claimed event keeps of its life; not once a drain has closed the lane, and reads it.
  template <typename F>
  void Note(F write) RUNLET_EXCLUDES(mu) {
    MutexLock lock(&mu);
    if (!closed) write();
  }
  void Close() RUNLET_EXCLUDES(mu) {
    MutexLock lock(&mu);
    closed = true;
  }

  // Told how those events end that pumps had claimed when the function was removed.
  void KeepSinks(std::shared_ptr<const EventInvokeConfig> sinks) RUNLET_EXCLUDES(mu) {
    MutexLock lock(&mu);
    if (!pumps.empty()) kept_sinks.swap(sinks);
  }
  std::shared_ptr<const EventInvokeConfig> sinks_of_removed() RUNLET_EXCLUDES(mu) {
    MutexLock lock(&mu);
    return kept_sinks;
  }

  Mutex mu;
  bool closed RUNLET_GUARDED_BY(mu) = false;
  std::shared_ptr<const EventInvokeConfig> kept_sinks RUNLET_GUARDED_BY(mu);  // until the last of them has ended
  std::vector<Pump*> pumps RUNLET_GUARDED_BY(mu);  // running, with batches that others may take from
};

}  // namespace runlet

#endif  // RUNLET_SRC_DELIVERY_LANE_H_
