// Feeds the DeadLetterQueues and destinations that the host has chosen.
#ifndef RUNLET_SRC_DELIVERY_SINK_FEED_H_
#define RUNLET_SRC_DELIVERY_SINK_FEED_H_

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <variant>

#include "invoke/invoker.h"
#include "runlet/base/sync.h"
#include "runlet/event/invocation_record.h"
#include "runlet/function/destination.h"
#include "runlet/queue/event_queue.h"

namespace runlet {

// Offers each letter and each record until its sink has answered OK. One that fails is offered again after 1 s,
// doubling to 300 s, for as long as the engine lives; a letter stays in the event queue's dead state meanwhile. A
// record that is too large for the function it is for is given up. Thread-safe.
class SinkFeed final : private Work {
 public:
  // Posts a record to the function of that name.
  using PostRecord = std::function<absl::Status(std::string_view function, const InvocationRecord& record)>;
  SinkFeed(Invoker& invoker, EventQueue& queue, PostRecord post)
      : invoker_(invoker), queue_(queue), post_(std::move(post)) {}

  // Has the letter or the record offered soon, on a thread of the executor's: the caller may be the watcher, which must
  // not be held up by the host's code.
  struct Letter {
    RequestId id;
    Condition condition;
    int attempts;
    std::shared_ptr<DeadLetterQueue> sink;
  };
  void Add(const FunctionEntry& entry, Letter letter);
  void Add(const FunctionEntry& entry, InvocationRecord record, Destination destination);
  // Starts what is due; returns when to call again.
  Instant Advance(Instant now) RUNLET_EXCLUDES(mu_);
  // Letters that are no more.
  void Forget(std::span<const RequestId> letters) RUNLET_EXCLUDES(mu_);
  // Lets go of what no sink has taken.
  void Forget() RUNLET_EXCLUDES(mu_);
  // Nothing is offered, or will be before a sink that keeps failing is asked again.
  bool idle() const { return awaited_.load(std::memory_order_seq_cst) == 0; }
  // Letters and records that wait to be taken; and the records of them.
  std::size_t size() const { return owed_.load(std::memory_order_relaxed); }
  std::size_t records() const { return records_.load(std::memory_order_relaxed); }

 private:
  struct Record {
    InvocationRecord record;
    Destination destination;
  };
  struct Owed {
    const FunctionEntry* entry;
    std::variant<Letter, Record> what;
    int failures = 0;
    Instant due;
    bool awaited = true;  // until its back-off has reached the longest: by then the sink is taken for broken
  };

  void Run() override;
  void Drop() override {}
  void Add(Owed owed) RUNLET_EXCLUDES(mu_);
  void Offer(Owed owed) RUNLET_EXCLUDES(mu_);
  absl::Status OfferLetter(const Owed& owed, const Letter& letter);
  absl::Status OfferRecord(const Owed& owed, const Record& record);
  void Tell(const Owed& owed, Activity::Kind kind, const absl::Status& status = {});
  void TellFailure(const Owed& owed, const absl::Status& status);
  void Conclude(Owed owed, const absl::Status& status) RUNLET_EXCLUDES(mu_);
  static bool IsForFunction(const Owed& owed) {
    const auto* record = std::get_if<Record>(&owed.what);
    return record != nullptr && record->destination.function() != nullptr;
  }
  // The next that is due, if one is; has another turn look for those behind it.
  std::optional<Owed> TakeDue() RUNLET_EXCLUDES(mu_);
  // Nothing is owed any more.
  void Settle(const Owed& owed);
  void StopAwaiting();

  Invoker& invoker_;
  EventQueue& queue_;
  const PostRecord post_;
  std::atomic<int> awaited_{0};
  std::atomic<std::size_t> owed_{0};
  std::atomic<std::size_t> records_{0};
  Mutex mu_;
  std::multimap<Instant, Owed> waiting_ RUNLET_GUARDED_BY(mu_);  // by `due`
  bool posted_ RUNLET_GUARDED_BY(mu_) = false;                   // a turn is on its way that will see what is due
};

}  // namespace runlet

#endif  // RUNLET_SRC_DELIVERY_SINK_FEED_H_
