// An accepted event: the node that carries it from acceptance to its end.
#ifndef RUNLET_EVENT_EVENT_H_
#define RUNLET_EVENT_EVENT_H_

#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runlet/base/timer_link.h"
#include "runlet/event/codec.h"
#include "runlet/event/function_name.h"
#include "runlet/event/lineage.h"
#include "runlet/event/request_id.h"
#include "runlet/event/status.h"
#include "runlet/event/time_split.h"
#include "runlet/event/type.h"

namespace runlet {

// How an accepted event ended. Lambda's conditions first, then what only an engine inside a program knows. The numbers
// are stored in files: new ones come last.
enum class Condition : std::uint8_t {
  kSuccess,
  kRetriesExhausted,         // its last allowed attempt failed
  kEventAgeExceeded,         // older than maximum_event_age, or it would be at the next attempt
  kZeroReservedConcurrency,  // the function's reserved concurrency is 0: no attempt was made
  kNotRetryable,             // an attempt failed with Permanent()
  kRecursionLimit,           // its lineage had invoked the function 16 times: no attempt was made
  kFunctionRemoved,          // the function was removed while the event waited
  kUndecodable,              // the function was replaced by one of another event type, which cannot read the event
  kCancelled,                // Engine::Cancel; no dead letter
  kParked,                   // handed back by Drain
  kPurged,                   // Engine::Purge; no dead letter
  kHostCrashed,              // durable queue: the process died three times while it ran alone; no attempt follows
};
// "RetriesExhausted", as in Lambda's invocation records.
std::string_view ConditionName(Condition condition);

struct AttemptError {
  int attempt = 0;
  absl::Time at;  // when the attempt ended
  FunctionError error;
  std::string version = std::string(kLatest);  // of the function, that failed
};

// The errors of an event's attempts: the first 9 and the last 9, of each message the first 8 KiB.
class AttemptErrors {
 public:
  static constexpr std::size_t kKept = 9;
  static constexpr std::size_t kMessageMax = 8192;

  void Add(AttemptError error);
  // In order of attempts.
  std::vector<AttemptError> List() const;

 private:
  std::vector<AttemptError> first_;
  std::vector<AttemptError> last_;  // a ring once it has kKept
  std::size_t oldest_ = 0;
};

// What few events have.
struct EventDetails {
  AttemptErrors errors;
  TimeSplit spent;  // until `since`
  Instant since;
  std::string dedup_key;  // another event with this key is not accepted until `dedup_until`
  Instant dedup_until;
};

class EventRef;

// Where a queue has the events of one function. The timer is the queue's.
struct EventLane : TimerLink {
  explicit EventLane(const FunctionIdentity* its_function) : function(its_function) {}
  const FunctionIdentity* const function;  // as the queue knows it
};

// Made once, moved by reference. Whoever holds the event (the queue while it waits, the delivery while it runs) writes
// its fields; the payload is never written again, so an execution that overran its deadline may go on reading it while
// the next attempt runs.
class Event : public TimerLink {
 public:
  // Moves *value, an object of `type`, into a new event.
  static EventRef Make(const Type* type, void* value);

  const void* payload() const { return reinterpret_cast<const char*>(this) + payload_offset_; }
  void* payload() { return reinterpret_cast<char*>(this) + payload_offset_; }

  RequestId id;
  const FunctionIdentity* function = nullptr;
  const Type* const type;
  const CodecOps* codec = nullptr;  // nullptr: cannot become bytes
  Instant accepted;
  Instant expires = Instant::Never();
  Instant not_before;             // of the next attempt
  std::uint64_t fence = 0;        // for the queue: changes with every claim
  std::size_t payload_bytes = 0;  // what the event counts against the queue's byte limit
  std::unique_ptr<EventDetails> details;
  int attempts = 0;   // begun, this one included
  int throttles = 0;  // refusals since the last attempt
  Lineage lineage;    // of the handler that posted it, its own invocation included

  EventDetails& NeedDetails();
  // Where its time went, if it waits until `now` for attempt number `next`.
  TimeSplit SpentWaiting(Instant now, int next) const;
  // Notes that it has waited until `now` for attempt number `next`. An event that was never tried, nor turned away,
  // needs no note: it was queued.
  void EndWait(Instant now, int next);
  // Notes an attempt that began where EndWait() has left off, was asked to stop at `asked` and ended at `now`.
  void EndAttempt(Instant started, Instant asked, Instant now);
  // No attempt follows.
  bool waits_for_its_end() const { return cancelled || crashed; }
  std::vector<AttemptError> ErrorList() const {
    return details == nullptr ? std::vector<AttemptError>() : details->errors.List();
  }

  // For the queue until the event ends: its function's lane; while the event waits there, its neighbours in it, and
  // which list that is. The TimerLink is free for a timer meanwhile.
  EventLane* lane = nullptr;
  Event* lane_next = nullptr;
  Event* lane_prev = nullptr;
  std::uint8_t place = 0;
  bool cancelled = false;   // while it was claimed
  bool crashed = false;     // with it died too many processes: HostCrashed
  std::uint32_t claim = 0;  // the number of its claim
  // For a queue that stores events: the payload is not in memory, and under which number it is stored.
  bool away = false;
  std::int64_t stored = 0;

 private:
  friend class EventRef;
  Event(const Type* event_type, std::size_t offset)
      : type(event_type), payload_offset_(static_cast<std::uint32_t>(offset)) {}
  ~Event() = default;
  void Destroy();

  std::atomic<std::uint32_t> references_{1};
  const std::uint32_t payload_offset_;
};

// Shares an event. Value; thread-compatible.
class EventRef {
 public:
  EventRef() = default;
  EventRef(const EventRef& other) : event_(other.event_) {
    if (event_ != nullptr) event_->references_.fetch_add(1, std::memory_order_relaxed);
  }
  EventRef(EventRef&& other) noexcept : event_(std::exchange(other.event_, nullptr)) {}
  EventRef& operator=(EventRef other) noexcept {
    std::swap(event_, other.event_);
    return *this;
  }
  ~EventRef() { Reset(); }

  Event* get() const { return event_; }
  Event* operator->() const { return event_; }
  Event& operator*() const { return *event_; }
  explicit operator bool() const { return event_ != nullptr; }

  // For intrusive lists: gives up and takes over one reference.
  Event* Release() { return std::exchange(event_, nullptr); }
  static EventRef Adopt(Event* event) {
    EventRef ref;
    ref.event_ = event;
    return ref;
  }

 private:
  void Reset() {
    // The only holder needs no atomic write: nobody else can take a reference meanwhile.
    if (event_ == nullptr) return;
    if (event_->references_.load(std::memory_order_acquire) == 1 ||
        event_->references_.fetch_sub(1, std::memory_order_acq_rel) == 1) {
      event_->Destroy();
    }
    event_ = nullptr;
  }

  Event* event_ = nullptr;
};

}  // namespace runlet

#endif  // RUNLET_EVENT_EVENT_H_
