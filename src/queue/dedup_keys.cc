#include "queue/dedup_keys.h"

#include <algorithm>

#include "base/planted.h"

namespace runlet {
namespace {

bool HasKey(const Event& event) { return event.details != nullptr && !event.details->dedup_key.empty(); }

}  // namespace

Shortage DedupKeys::ShortageFor(std::span<const EventRef> events) const {
  const auto keyed = static_cast<std::size_t>(
      std::count_if(events.begin(), events.end(), [](const EventRef& event) { return HasKey(*event); }));
  if (keyed == 0 || accepted_.size() + keyed <= max_) return {};
  return {Shortage::Of::kDedupKeys, accepted_.size(), max_, keyed};
}

void DedupKeys::Forget(Instant now) {
  while (!ends_.empty() && ends_.begin()->first <= now) {
    accepted_.erase(ends_.begin()->second);
    ends_.erase(ends_.begin());
  }
}

bool DedupKeys::Remembers(const Event& event) const {
  return HasKey(event) && accepted_.contains(Key(event.function->index, event.details->dedup_key));
}

bool DedupKeys::Known(Event& event) {
  if (!HasKey(event) || RUNLET_PLANTED("duplicate-accepted")) return false;
  const auto [known, fresh] = accepted_.try_emplace(Key(event.function->index, event.details->dedup_key), event.id);
  if (fresh) {
    ends_.emplace(event.details->dedup_until, known->first);
  } else {
    event.id = known->second;
  }
  return !fresh;
}

}  // namespace runlet
