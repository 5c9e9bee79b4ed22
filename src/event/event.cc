#include "runlet/event/event.h"

#include <algorithm>
#include <new>
#include <utility>

#include "event/any_value.h"

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
    case Condition::kParked: return "Parked";
    case Condition::kPurged: return "Purged";
  }
  return "Unknown";
}

void AttemptErrors::Add(AttemptError error) {
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

void Event::Destroy() {
  const Type* const its_type = type;
  its_type->destroy(payload());
  this->~Event();
  Free(this, its_type);
}

}  // namespace runlet
