// Where accepted events wait. The seam behind which the memory queue and durable queues stand.
#ifndef RUNLET_QUEUE_EVENT_QUEUE_H_
#define RUNLET_QUEUE_EVENT_QUEUE_H_

#include <absl/status/statusor.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "runlet/base/time.h"
#include "runlet/event/event.h"
#include "runlet/queue/dead_letter.h"

namespace runlet {

// What an accepted event survives.
enum class Durability : std::uint8_t {
  kMemory,      // nothing: it lives as long as the engine
  kProcess,     // the death of the process
  kMachine,     // loss of power
  kReplicated,  // loss of a machine
};

// How a claimed event is put down. Stale when the claim is no longer the caller's; then nothing happens. Stale, too, is
// what would not end an event that has been cancelled: EventQueue::Cancel.
struct Settlement {
  enum class Kind : std::uint8_t {
    kDone,       // ended: Success
    kRetry,      // waits until `due` for its next attempt
    kThrottled,  // the attempt did not take place and does not count; waits until `due`
    kRelease,    // the attempt did not take place and does not count; ready again, before the events behind it. The
                 // listener is not told: who gives an event back for lack of room knows when there is room again.
    kDead,       // ended with `condition`: becomes a dead letter
    kParked,     // ended: handed back to the host
  };
  EventRef event;           // taken unless stale, kDone or kParked
  std::uint64_t fence = 0;  // event->fence as it was when claimed
  Kind kind = Kind::kDone;
  Condition condition = Condition::kSuccess;
  Instant due;
  std::shared_ptr<const std::string> response;  // kDone: what the function answered, where a destination is told
  std::string_view executed_version = {};       // kDone: whose code answered; outlives the queue
  bool stale = false;                           // out
};

// A lease that ends only when ClaimLost asks for all, at Instant::Never(): for runs that nobody can take away. A lease
// that ends at Never() itself cannot be got back at all, and costs the queue nothing.
inline constexpr Instant kLeaseWithoutEnd{kForeverNs - 1};

// At quiescence accepted = ended + waiting + running, and waiting = ready + delayed + stranded.
struct QueueStats {
  std::uint64_t accepted = 0;  // redriven events count again, and those found in a file
  std::uint64_t ended = 0;
  std::size_t ready = 0;
  std::size_t delayed = 0;
  std::size_t running = 0;  // claimed
  std::size_t dead = 0;
  std::size_t bytes = 0;  // of the payloads of waiting and running events
  // They wait too, but nothing here can run them: events of functions that the engine has not registered, which a
  // durable queue has found in its file, and damaged ones.
  std::size_t stranded = 0;
};

// Of a queue that stores events. Counters are since it was opened.
struct StorageStats {
  std::uint64_t wal_bytes = 0;  // of the write-ahead log; the longest it may be before a reader is said to hold it up
  std::uint64_t commits = 0;    // transactions
  std::uint64_t changes = 0;    // written in them: puts, claims, ends and others; changes / commits is the batch size
  std::uint64_t syncs = 0;
  absl::Duration sync_time;      // in all of them
  absl::Duration sync_time_max;  // in the longest
  absl::Duration oldest_age;     // of the event that was accepted first and has not ended
  std::uint64_t damaged = 0;     // rows; those of a page that cannot be read, and all behind it, are about so many
  bool full = false;             // the disk is full: new events are refused
  bool failed = false;           // a sync has failed: nothing is stored any more until the queue is opened anew
};

// Of one function. Ready events that have fallen due and were not looked at yet count as what they were.
struct WaitingEvents {
  std::size_t ready = 0;
  std::size_t delayed = 0;      // by PostOptions
  std::size_t backing_off = 0;  // from a failed attempt
  std::size_t throttled = 0;    // from a refusal for lack of capacity
};

// A waiting event, as it was looked at.
struct WaitingEvent {
  const FunctionIdentity* function = nullptr;
  int attempts = 0;
  int throttles = 0;
  Instant accepted;
  Instant not_before;
  TimeSplit spent;
};

// Told by the queue when a function has ready events. Called without locks held; may call the queue.
class QueueListener {
 public:
  virtual void OnReady(const FunctionIdentity& function) = 0;
  // The earliest due time may have come nearer.
  virtual void OnDue(Instant due) = 0;
  // Of a queue that several engines share: one of them has ended events, and who waits until there are none may look
  // again.
  virtual void OnEnded() {}

 protected:
  ~QueueListener() = default;
};

// All verbs take batches; `now` is the engine's clock. Thread-safe. Backends answer for themselves in one conformance
// suite (tests/queue).
class EventQueue {
 public:
  virtual ~EventQueue() = default;

  virtual Durability durability() const = 0;
  // Whether events leave the process, so that every event type needs a codec.
  virtual bool needs_codec() const = 0;
  // The queue as one engine sees it, whose clock is `clock` and outlives it. A queue that several engines may share
  // gives each its own port; nullptr: this queue is for one engine, and used as it is.
  virtual std::shared_ptr<EventQueue> Join(const Clock& /*clock*/) { return nullptr; }
  // Called once, before any event is put. nullptr detaches.
  virtual void Attach(QueueListener* listener) = 0;
  // From now on `function` takes events of type `in`, with the codec that the host has registered it with. A queue
  // that has found events for a function of this name tells the listener.
  virtual void Announce(const FunctionIdentity& /*function*/, const Type* /*in*/, const CodecOps* /*codec*/) {}

  // Accepts all of `events`, which are taken, or none, which stay. Returns once they are as safe as durability() says.
  // Their ids are unique among the events and dead letters of the queue. Excepted is an event whose function has, by
  // now, a dedup_key like its own remembered: it stays, gets the id of the event that was accepted then, and is none.
  // (Two of one batch are never compared with each other.)
  [[nodiscard]] virtual absl::Status Put(std::span<EventRef> events, Instant now) = 0;

  // Up to out.size() ready events of `function`, oldest first. Each counts one attempt more, has a new fence, and is
  // the caller's alone until `lease` ends. Keep a copy of the fence: from then on it may change at any time. What `out`
  // held before is let go.
  virtual std::size_t Claim(const FunctionIdentity& function, std::span<EventRef> out, Instant now, Instant lease) = 0;
  // Keeps claimed events longer.
  virtual void Extend(std::span<const EventRef> events, Instant lease) = 0;
  // One atomic step for each.
  virtual void Settle(std::span<Settlement> settlements, Instant now) = 0;

  // Makes ready what has fallen due, tells the listener, and returns when to call again (Never(): when OnDue says so).
  virtual Instant Advance(Instant now) = 0;
  // Claims, without counting an attempt, waiting events that have expired, were cancelled or are not to be run again
  // after what they did to the process, with Event::crashed (`everything`: all that wait).
  virtual std::size_t ClaimExpired(std::span<EventRef> out, Instant now, bool everything) = 0;
  // The event `id` begins no further attempt. One that waits is claimed, as by ClaimExpired, into `*waiting`, and its
  // end is the caller's to settle. One that is claimed is cancelled: it ends where its claim is settled as kDone or
  // kParked; every other settlement is stale, and ClaimExpired hands the event out, with Event::cancelled; given back,
  // it waits for that again. False, and nothing has changed: no such event waits or is claimed. May have to look at all
  // of them.
  virtual bool Cancel(const RequestId& id, EventRef* waiting) = 0;
  // Whether the claimed event `id` has been cancelled. Costs next to nothing while none is.
  virtual bool IsCancelled(const RequestId& id) const = 0;
  // Where the waiting event `id` is; empty if no such event waits. May have to look at all that wait.
  virtual std::optional<WaitingEvent> FindWaiting(const RequestId& id, Instant now) const = 0;
  // Up to out.size() waiting events of `function`, ready or delayed, as ClaimExpired.
  virtual std::size_t ClaimWaiting(const FunctionIdentity& function, std::span<EventRef> out) = 0;

  // Claims anew, without counting an attempt and without a lease, events that are claimed and whose lease has ended by
  // `now`: whoever had claimed them finds its settlement stale. Advance() tells OnReady() once of a lease that has
  // ended.
  virtual std::size_t ClaimLost(std::span<EventRef> out, Instant now) = 0;

  // Dead letters, oldest first; `after` is the last id of the page before, which may have been taken meanwhile. An id
  // that the queue does not remember lists from the oldest: rather a letter twice than one not at all.
  virtual std::vector<DeadLetter> ListDead(const DeadLetterFilter& filter, std::size_t max,
                                           std::optional<RequestId> after) const = 0;
  virtual std::optional<DeadLetter> GetDead(const RequestId& id) const = 0;
  // Accepts `fresh` in place of the letter `id`, in one step. NotFound, or what Put would say; then nothing has
  // changed. A full dead-letter queue refuses nothing here.
  [[nodiscard]] virtual absl::Status Redrive(const RequestId& id, EventRef fresh, Instant now) = 0;
  // Takes letters out, in order; those that are not there are left out of the answer.
  virtual std::vector<DeadLetter> TakeDead(std::span<const RequestId> ids) = 0;
  // Removes what matches, and says what that was.
  virtual std::vector<RequestId> PurgeDead(const DeadLetterFilter& filter) = 0;

  virtual QueueStats stats() const = 0;
  // Empty where nothing is stored.
  virtual std::optional<StorageStats> storage() const { return std::nullopt; }
  // What waits of `function`.
  virtual WaitingEvents waiting(const FunctionIdentity& function) const = 0;
};

struct MemoryQueueOptions {
  std::size_t events = 100'000;                // waiting and running; 1 to 10,000,000
  std::size_t bytes = std::size_t{256} << 20;  // of their payloads; a typed event counts its sizeof
  std::size_t dead_letters = 10'000;           // when reached, Put is refused; 1 to 10,000,000
  std::size_t dedup_keys = 100'000;            // remembered; when reached, events with a key are refused
};

// Events in the process's memory. `clock` and the queue belong to the engine that it is given to.
// Put is refused with ResourceExhausted and the numbers when a limit is reached (EventQueueFull, DeadLetterQueueFull,
// DedupKeysFull);
// an event that was accepted becomes a dead letter even beyond that limit.
std::unique_ptr<EventQueue> MemoryQueue(const MemoryQueueOptions& options, const Clock& clock);

}  // namespace runlet

#endif  // RUNLET_QUEUE_EVENT_QUEUE_H_
