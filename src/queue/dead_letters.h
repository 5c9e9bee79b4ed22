// The dead letters that a queue in memory holds.
#ifndef RUNLET_SRC_QUEUE_DEAD_LETTERS_H_
#define RUNLET_SRC_QUEUE_DEAD_LETTERS_H_

#include <absl/container/flat_hash_map.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "runlet/queue/dead_letter.h"

namespace runlet {

// Whether a letter of the function `name` is one of the function `wanted` of a DeadLetterFilter: "f" is of "f" and of
// all its versions and aliases, "f:$LATEST" of the function alone.
bool IsOfFunction(std::string_view name, std::string_view wanted);

// In the order in which the events died; found by id. Ids are unique. Thread-compatible.
class DeadLetters {
 public:
  // How many letters that are gone are remembered, so that a listing goes on after one of them. What counts is the last
  // letter of a page, and who empties the queue page by page takes that one last.
  static constexpr std::size_t kRemembered = 1024;

  // Keeps the event and its errors as they are; letters are made from them when asked for.
  void Add(EventRef event, Condition condition, absl::Time accepted_at, absl::Time died_at);

  std::size_t size() const { return entries_.size(); }
  // As EventQueue::ListDead. Where a letter came back after it was taken, `after` means its new place.
  std::vector<DeadLetter> List(const DeadLetterFilter& filter, std::size_t max, std::optional<RequestId> after) const;
  std::optional<DeadLetter> Get(const RequestId& id) const;
  bool Contains(const RequestId& id) const { return order_of_.contains(id); }
  std::vector<DeadLetter> Take(std::span<const RequestId> ids);
  // The event of a letter that is there, which goes.
  EventRef Remove(const RequestId& id);
  // The events of the letters removed: to be let go where user code may run.
  std::vector<EventRef> Purge(const DeadLetterFilter& filter);

 private:
  struct Entry {
    EventRef event;
    Condition condition;
    absl::Time accepted_at;
    absl::Time died_at;
  };
  using Entries = std::map<std::uint64_t, Entry>;  // by order of death

  static bool Matches(const Entry& entry, const DeadLetterFilter& filter);
  static DeadLetter Letter(const Entry& entry);
  Entries::const_iterator FirstAfter(const RequestId& id) const;
  Entries::iterator Erase(Entries::iterator entry);

  Entries entries_;
  absl::flat_hash_map<RequestId, std::uint64_t> order_of_;
  std::uint64_t next_order_ = 0;
  std::vector<std::pair<RequestId, std::uint64_t>> gone_;  // a ring once it has kRemembered
  std::size_t oldest_gone_ = 0;
};

}  // namespace runlet

#endif  // RUNLET_SRC_QUEUE_DEAD_LETTERS_H_
