#include "queue/dead_letters.h"

#include <algorithm>

#include "base/planted.h"

namespace runlet {

bool IsOfFunction(std::string_view name, std::string_view wanted) {
  if (wanted.empty() || name == wanted) return true;
  const QualifiedName function(name);
  const QualifiedName filter(wanted);
  if (function.function != filter.function) return false;
  return filter.qualifier.empty() || (filter.qualifier == kLatest && function.qualifier.empty());
}

void DeadLetters::Add(EventRef event, Condition condition, absl::Time accepted_at, absl::Time died_at) {
  const std::uint64_t order = next_order_++;
  order_of_.insert_or_assign(event->id, order);
  entries_.emplace_hint(entries_.end(), order, Entry{std::move(event), condition, accepted_at, died_at});
}

std::vector<DeadLetter> DeadLetters::List(const DeadLetterFilter& filter, std::size_t max,
                                          std::optional<RequestId> after) const {
  std::vector<DeadLetter> letters;
  auto at = after.has_value() ? FirstAfter(*after) : entries_.begin();
  for (; at != entries_.end() && letters.size() < max; ++at) {
    if (Matches(at->second, filter)) letters.push_back(Letter(at->second));
  }
  return letters;
}

std::optional<DeadLetter> DeadLetters::Get(const RequestId& id) const {
  const auto found = order_of_.find(id);
  if (found == order_of_.end()) return std::nullopt;
  return Letter(entries_.at(found->second));
}

std::vector<DeadLetter> DeadLetters::Take(std::span<const RequestId> ids) {
  std::vector<DeadLetter> letters;
  for (const RequestId& id : ids) {
    const auto found = order_of_.find(id);
    if (found == order_of_.end()) continue;
    const auto entry = entries_.find(found->second);
    letters.push_back(Letter(entry->second));
    Erase(entry);
  }
  return letters;
}

EventRef DeadLetters::Remove(const RequestId& id) {
  const auto entry = entries_.find(order_of_.at(id));
  EventRef event = entry->second.event;
  Erase(entry);
  return event;
}

std::vector<EventRef> DeadLetters::Purge(const DeadLetterFilter& filter) {
  std::vector<EventRef> events;
  for (auto at = entries_.begin(); at != entries_.end();) {
    if (!Matches(at->second, filter) && !RUNLET_PLANTED("purge-takes-all")) {
      ++at;
      continue;
    }
    events.push_back(at->second.event);
    at = Erase(at);
  }
  return events;
}

bool DeadLetters::Matches(const Entry& entry, const DeadLetterFilter& filter) {
  return IsOfFunction(entry.event->function->name, filter.function) &&
         (!filter.condition.has_value() || *filter.condition == entry.condition) &&
         entry.died_at >= filter.died_after &&
         (entry.died_at < filter.died_before ||
          (RUNLET_PLANTED("before-is-inclusive") && entry.died_at == filter.died_before));
}

DeadLetter DeadLetters::Letter(const Entry& entry) {
  const Event& event = *entry.event;
  DeadLetter letter;
  letter.request_id = event.id;
  letter.function = event.function->name;
  letter.condition = entry.condition;
  letter.attempts = event.attempts;
  letter.errors = event.ErrorList();
  if (event.details != nullptr) letter.spent = event.details->spent;
  letter.accepted_at = entry.accepted_at;
  letter.died_at = entry.died_at;
  letter.event = entry.event;
  return letter;
}

DeadLetters::Entries::const_iterator DeadLetters::FirstAfter(const RequestId& id) const {
  if (const auto found = order_of_.find(id); found != order_of_.end()) {
    return RUNLET_PLANTED("page-overlaps") ? entries_.lower_bound(found->second) : entries_.upper_bound(found->second);
  }
  // The last time that it went counts: a letter may have come back and gone again.
  std::optional<std::uint64_t> order;
  for (const auto& [gone_id, gone_order] : gone_) {
    if (gone_id == id) order = std::max(order.value_or(0), gone_order);
  }
  return order.has_value() ? entries_.upper_bound(*order) : entries_.begin();
}

DeadLetters::Entries::iterator DeadLetters::Erase(Entries::iterator entry) {
  const std::pair<RequestId, std::uint64_t> gone(entry->second.event->id, entry->first);
  if (gone_.size() < kRemembered) {
    gone_.push_back(gone);
  } else {
    gone_[oldest_gone_] = gone;
    oldest_gone_ = (oldest_gone_ + 1) % kRemembered;
  }
  order_of_.erase(gone.first);
  return entries_.erase(entry);
}

}  // namespace runlet
