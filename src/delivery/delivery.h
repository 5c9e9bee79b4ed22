// Asynchronous invocation: from an accepted event to its named end.
#ifndef RUNLET_SRC_DELIVERY_DELIVERY_H_
#define RUNLET_SRC_DELIVERY_DELIVERY_H_

#include <absl/status/status.h>

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "delivery/lane.h"
#include "delivery/retry_tokens.h"
#include "delivery/sink_feed.h"
#include "function/registry.h"
#include "invoke/invoker.h"
#include "runlet/queue/event_queue.h"

namespace runlet {

// Claims ready events, runs them through pumps (one piece of work each, for one function, of at most 32 events), and
// settles them by Lambda's rules: lambda-semantics of retries, throttles and age. Thread-safe.
class Delivery final : public QueueListener, public CapacityListener {
 public:
  struct Limits {
    Account account;
    std::size_t records;  // that wait for destinations
    std::optional<RetryBudget> retries = std::nullopt;
  };
  Delivery(Invoker& invoker, EventQueue& queue, const Registry& registry, Limits limits);
  ~Delivery();

  // Gives `entry` its lane. Called once for each function.
  void AddLane(FunctionEntry& entry) RUNLET_EXCLUDES(mu_);

  // Event: accepts one event for each of `asks`, all or none, and writes their ids to `ids`, which
  // is as long.
  absl::Status Post(FunctionEntry& entry, std::span<const Ask> asks, std::span<RequestId> ids,
                    const PostOptions& options);
  // `dry_run`: only what would be refused for what it is.
  absl::Status Redrive(const RequestId& id, absl::Duration delay, bool dry_run, RequestId* new_id);

  // Does what is due; returns when to call again.
  Instant Advance(Instant now);
  // Takes what waits for `entry` alone.
  std::vector<EventRef> TakeWaiting(const FunctionEntry& entry);
  // ... and ends it. Says how many that were.
  std::size_t EndWaiting(std::vector<EventRef> events, Condition condition, const EventInvokeConfig* sinks);
  // Ends what waits for `entry` alone, and is not told to anybody but the observer.
  std::size_t Purge(const FunctionEntry& entry);
  std::size_t PurgeDead(const DeadLetterFilter& filter);
  // Has letters of `entry` offered to `sink` that were there before it was registered: those that a durable queue has
  // kept from an earlier process.
  void OfferOldLetters(const FunctionEntry& entry, const std::shared_ptr<DeadLetterQueue>& sink);
  // Ends as Parked what waits, and what is still claimed; hands it to `parked`. Returns how many.
  std::size_t ParkAll(const std::function<void(const DeadLetter&)>& parked);
  enum class Cancelled { kNothing, kEnded, kBeingCancelled };
  // Ends the event, if it waits, as Cancelled. kBeingCancelled: it is claimed, and ends so unless it succeeds. If it
  // has not begun to run when the caller next looks at the slots, it will have been asked to stop when it does.
  Cancelled Cancel(const RequestId& id);
  std::optional<WaitingEvent> FindWaiting(const RequestId& id, Instant now);
  WaitingEvents waiting(const FunctionEntry& entry) const { return queue_.waiting(entry); }
  // Looks for ready events of a function whose capacity has changed.
  void Wake(Lane& lane);
  // The same where what the function has reserved has changed: a turn that was posted before stands in the wrong line.
  void WakeAnew(Lane& lane);
  // No event waits, runs, or owes a letter to a DeadLetterQueue.
  bool idle() const;
  // Lets go of letters and records that nobody will take any more.
  void ForgetUndelivered() { feed_.Forget(); }
  bool idle_feed() const { return feed_.idle(); }
  // Letters and records that their sinks have not taken yet.
  std::size_t undelivered() const { return feed_.size(); }

  // QueueListener
  void OnReady(const FunctionIdentity& function) override;
  void OnDue(Instant due) override;
  void OnEnded() override;
  // CapacityListener
  void OnCapacity() override RUNLET_EXCLUDES(mu_);

 private:
  friend class Pump;

  absl::Status PostRecord(std::string_view function, const InvocationRecord& record);
  // Post, while the engine is no closer to its end than `until`.
  absl::Status Accept(FunctionEntry& entry, std::span<const Ask> asks, std::span<RequestId> ids,
                      const PostOptions& options, const Lineage& lineage, Life until);
  // Gives back to the queue what pumps have claimed and not begun, and tells it of what they have finished, so that it
  // is found there.
  void RecallClaimed() RUNLET_EXCLUDES(mu_);
  bool RecallClaimed(Lane& lane);
  void SettleFinished(Lane& lane);
  // Has it told soon of what a pump has just finished: the next event of the turn may take long.
  void LookAtFinished(Instant now);
  std::vector<Lane*> AllLanes() RUNLET_EXCLUDES(mu_);
  // Where the time of an event that runs went until `now`; empty for one that does not run.
  std::optional<TimeSplit> SpentRunning(const RequestId& id, Instant now) const;
  void PostPump(Lane& lane);
  // For events beyond what is provisioned: in the line of those who have no thread set aside. The next in the other
  // line comes once a permit has come back.
  void SpillOver(Lane& lane) RUNLET_EXCLUDES(mu_);
  static Lane& LaneOf(const Event& event) { return *static_cast<const FunctionEntry&>(*event.function).lane; }
  Gate& GateOf(Lane& lane) {
    return wiring_.admission.IsUnreserved(lane.entry) ? shared_gate_ : lane.entry.function.lane->own_gate;
  }
  // Takes a permit for a pump, and enters the gate of those who share it. False: none is free; `*gate` is left again.
  bool Enter(Lane& lane, Admission::Permit* permit, Gate** gate);
  struct Attempt {
    Instant started;
    Instant asked_to_stop;  // at the deadline at the latest
    Instant ended;
    bool cancelled;  // by Engine::Cancel: no attempt follows
  };
  // How the event goes on after an attempt that ended as `status`.
  Settlement Decide(EventRef event, std::uint64_t fence, const Code& code, const absl::Status& status,
                    const Attempt& attempt, Random& random);
  // Whether the attempt that `event` was claimed for fits into the retry budget, which is charged then.
  bool RetryMayBegin(const Event& event, Instant now);
  Settlement Postpone(EventRef event, std::uint64_t fence, Instant now);
  static Settlement End(EventRef event, std::uint64_t fence, Condition condition);
  void Settle(std::span<Settlement> settlements, Instant now, const EventInvokeConfig* sinks, Slot& slot);
  // What is told once a settlement has ended its event.
  struct Ending {
    const Settlement* settlement;
    const FunctionEntry* entry;
    Activity activity;
    std::unique_ptr<InvocationRecord> record;
  };
  // Whether `destination` is a function that the loop which ends with `event` has run often enough.
  bool TakesUpLoop(const Event& event, const Destination& destination) const;
  Ending EndingOf(const Settlement& settlement, Instant now, const EventInvokeConfig* sinks);
  void Tell(Ending& ending, const EventInvokeConfig* sinks, Slot& slot);
  void EndExpired(Instant now);
  // A pump found no permit free.
  void TurnedAway(Lane& lane);
  void LeaveGate(Gate& gate);
  enum class Whom { kFirst, kFirstWithRoom };
  // Wakes one lane that waits there, if one does (and has room).
  void WakeStarved(Gate& gate, Whom whom);
  // Wakes those whose provisioned permits have come back.
  void WakeSpilled() RUNLET_EXCLUDES(mu_);
  void ForgetSpilled(Lane& lane) RUNLET_EXCLUDES(mu_);
  std::shared_ptr<const EventInvokeConfig> SinksOf(const FunctionEntry& entry);
  static Activity About(const Event& event, Activity::Kind kind, Instant at);

  Invoker& invoker_;
  const Invoker::Wiring& wiring_;
  EventQueue& queue_;
  const bool queue_stores_ = queue_.durability() != Durability::kMemory;  // so that its verbs take their time
  const Registry& registry_;
  const Limits limits_;
  std::optional<RetryTokens> retry_tokens_;
  SinkFeed feed_;
  Gate shared_gate_;
  std::atomic<int> starved_alone_{0};           // lanes that wait in their own gates
  std::atomic<std::int64_t> finished_look_{0};  // when SettleFinished() comes for all; 0: not yet asked for
  std::atomic<int> spilled_{0};                 // lanes that wait for what is provisioned for them
  Mutex mu_;
  std::vector<std::unique_ptr<Lane>> lanes_ RUNLET_GUARDED_BY(mu_);
};

}  // namespace runlet

#endif  // RUNLET_SRC_DELIVERY_DELIVERY_H_
