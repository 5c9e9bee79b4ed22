// What makes a second post of the same thing the first one.
#ifndef RUNLET_SRC_QUEUE_DEDUP_KEYS_H_
#define RUNLET_SRC_QUEUE_DEDUP_KEYS_H_

#include <absl/container/flat_hash_map.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <utility>

#include "queue/shortage.h"
#include "runlet/base/time.h"
#include "runlet/event/event.h"

namespace runlet {

// The keys of events that were accepted lately, whatever became of them. Thread-compatible.
class DedupKeys {
 public:
  explicit DedupKeys(std::size_t max) : max_(max) {}

  // Of room for the keys of `events`.
  Shortage ShortageFor(std::span<const EventRef> events) const;
  void Forget(Instant now);
  bool Remembers(const Event& event) const;
  // True, and `event` has the other's id, when its key is remembered. Else it is from now on, if there is one.
  bool Known(Event& event);

 private:
  using Key = std::pair<std::uint32_t, std::string>;
  const std::size_t max_;
  absl::flat_hash_map<Key, RequestId> accepted_;
  std::multimap<Instant, Key> ends_;
};

}  // namespace runlet

#endif  // RUNLET_SRC_QUEUE_DEDUP_KEYS_H_
