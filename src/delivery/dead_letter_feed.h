// Feeds dead letters to the DeadLetterQueues that the host has implemented.
#ifndef RUNLET_SRC_DELIVERY_DEAD_LETTER_FEED_H_
#define RUNLET_SRC_DELIVERY_DEAD_LETTER_FEED_H_

#include <atomic>
#include <memory>
#include <vector>

#include "invoke/invoker.h"
#include "runlet/base/sync.h"
#include "runlet/queue/event_queue.h"

namespace runlet {

// A letter stays in the event queue's dead state until its DeadLetterQueue has answered OK. One that fails is offered
// again after 1 s, doubling to 300 s, for as long as the engine lives. Thread-safe.
class DeadLetterFeed final : private Work {
 public:
  DeadLetterFeed(Invoker& invoker, EventQueue& queue) : invoker_(invoker), queue_(queue) {}

  // Has the letter offered soon, on a thread of the executor's: the caller may be the watcher, which must not be held
  // up by the host's code.
  void Add(const FunctionEntry& entry, const RequestId& id, std::shared_ptr<DeadLetterQueue> sink) RUNLET_EXCLUDES(mu_);
  // Starts what is due; returns when to call again.
  Instant Advance(Instant now) RUNLET_EXCLUDES(mu_);
  // Nothing is offered, or will be before a sink that keeps failing is asked again.
  bool idle() const { return awaited_.load(std::memory_order_seq_cst) == 0; }

 private:
  struct Owed {
    const FunctionEntry* entry;
    RequestId id;
    std::shared_ptr<DeadLetterQueue> sink;
    int failures = 0;
    Instant due;
    bool awaited = true;  // until its back-off has reached the longest: by then the sink is taken for broken
  };

  void Run() override;
  void Drop() override {}
  void Offer(Owed owed) RUNLET_EXCLUDES(mu_);
  void StopAwaiting();

  Invoker& invoker_;
  EventQueue& queue_;
  std::atomic<int> awaited_{0};
  Mutex mu_;
  std::vector<Owed> waiting_ RUNLET_GUARDED_BY(mu_);
  bool posted_ RUNLET_GUARDED_BY(mu_) = false;
};

}  // namespace runlet

#endif  // RUNLET_SRC_DELIVERY_DEAD_LETTER_FEED_H_
