#include "runlet/event/event.h"

#include <algorithm>
#include <new>
#include <utility>

#include "base/planted.h"
#include "event/any_value.h"
#include "event/json_text.h"

namespace runlet {
namespace {

std::size_t PayloadOffset(const Type* type) { return (sizeof(Event) + type->align - 1) / type->align * type->align; }

std::size_t Alignment(const Type* type) { return std::max(alignof(Event), type->align); }
void* Allocate(const Type* type) { return NewMemory(PayloadOffset(type) + type->size, Alignment(type)); }
void Free(void* memory, const Type* type) { DeleteMemory(memory, Alignment(type)); }

// Frees an event's memory unless the event was made: the user's move may throw.
struct Unmade {
  ~Unmade() {
    if (memory != nullptr) Free(memory, type);
  }
  void* memory;
  const Type* type;
};

}  // namespace

std::string_view ConditionName(Condition condition) {
  switch (condition) {
    case Condition::kSuccess: return "Success";
    case Condition::kRetriesExhausted: return "RetriesExhausted";
    case Condition::kEventAgeExceeded: return "EventAgeExceeded";
    case Condition::kZeroReservedConcurrency: return "ZeroReservedConcurrency";
    case Condition::kNotRetryable: return "NotRetryable";
    case Condition::kRecursionLimit: return "RecursionLimit";
    case Condition::kFunctionRemoved: return "FunctionRemoved";
    case Condition::kUndecodable: return "Undecodable";
    case Condition::kCancelled: return "Cancelled";
    case Condition::kParked: return "Parked";
    case Condition::kPurged: return "Purged";
    case Condition::kHostCrashed: return "HostCrashed";
  }
  return "Unknown";
}

void AttemptErrors::Add(AttemptError error) {
  if (error.error.message.size() > kMessageMax) {
    error.error.message = FirstCharacters(error.error.message, kMessageMax);
  }
  if (first_.size() < kKept) {
    first_.push_back(std::move(error));
  } else if (last_.size() < kKept) {
    last_.push_back(std::move(error));
  } else {
    last_[oldest_] = std::move(error);
    oldest_ = (oldest_ + 1) % kKept;
  }
}

std::vector<AttemptError> AttemptErrors::List() const {
  std::vector<AttemptError> all = first_;
  for (std::size_t i = 0; i < last_.size(); ++i) all.push_back(last_[(oldest_ + i) % last_.size()]);
  return all;
}

EventRef Event::Make(const Type* type, void* value) {
  const std::size_t offset = PayloadOffset(type);
  Unmade unmade{Allocate(type), type};
  type->move(value, static_cast<char*>(unmade.memory) + offset);
  return EventRef::Adopt(::new (std::exchange(unmade.memory, nullptr)) Event(type, offset));
}

EventDetails& Event::NeedDetails() {
  if (details == nullptr) {
    details = std::make_unique<EventDetails>();
    details->since = accepted;
  }
  return *details;
}

TimeSplit Event::SpentWaiting(Instant now, int next) const {
  TimeSplit spent = details == nullptr ? TimeSplit() : details->spent;
  const Instant since = details == nullptr ? accepted : details->since;
  const Instant ready = std::clamp(not_before, since, std::max(since, now));
  const absl::Duration held = absl::Nanoseconds(ready.Since(since));
  (throttles > 0 ? spent.throttled : next > 1 ? spent.backing_off : spent.queued) += held;
  spent.queued += absl::Nanoseconds(now.Since(ready));
  return spent;
}

void Event::EndWait(Instant now, int next) {
  const TimeSplit spent = SpentWaiting(now, next);
  EventDetails& noted = NeedDetails();
  noted.spent = spent;
  noted.since = now;
}

void Event::EndAttempt(Instant started, Instant asked, Instant now) {
  if (details == nullptr) EndWait(started, 1);
  const Instant stopping = std::clamp(asked, started, now);
  details->spent.running += absl::Nanoseconds(stopping.Since(started));
  details->spent.stopping += absl::Nanoseconds(now.Since(stopping));
  if (!RUNLET_PLANTED("attempt-counted-twice")) details->since = now;
}

void Event::Destroy() {
  const Type* const its_type = type;
  its_type->destroy(payload());
  this->~Event();
  Free(this, its_type);
}

}  // namespace runlet
