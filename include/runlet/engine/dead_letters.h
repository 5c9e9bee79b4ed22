// Work with the events that an engine has given up.
#ifndef RUNLET_ENGINE_DEAD_LETTERS_H_
#define RUNLET_ENGINE_DEAD_LETTERS_H_

#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include <cstddef>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "runlet/queue/dead_letter.h"

namespace runlet {

class EngineCore;

struct RedriveOptions {
  // Between the first attempts of one event and the next, so that what has recovered is not overrun: below 0 it is 0,
  // above 1 h it is 1 h. An event's age (maximum_event_age) counts from when its first attempt may begin.
  absl::Duration interval = absl::ZeroDuration();
  // At most so many letters.
  std::size_t max = std::numeric_limits<std::size_t>::max();
  // Changes nothing, and tells what would be refused for what it is; capacity is not looked at.
  bool dry_run = false;
};

struct RedriveResult {
  RequestId letter;
  absl::Status status;  // as of Redrive()
  RequestId event;      // nil where it was refused, or only tried
};

// A view of the engine's own dead-letter queue: letters of functions without a DeadLetterQueue of the host's, and
// letters on their way to one. Obtained from Engine::dead_letters(); lives as long as the engine. Thread-safe.
class DeadLetterView {
 public:
  // Oldest first. `after`: the last request id of the page before.
  std::vector<DeadLetter> List(const DeadLetterFilter& filter = {}, std::size_t max = 1000,
                               std::optional<RequestId> after = std::nullopt) const;
  std::optional<DeadLetter> Get(const RequestId& id) const;
  std::size_t size() const;

  // Accepts the letter's event again, as a new event with the id that is returned, and removes the letter: both or
  // neither. NotFound for an unknown id or a function that is not registered; ResourceExhausted when the queue is full;
  // FailedPrecondition for an event that cannot be copied, or throws when it is.
  absl::StatusOr<RequestId> Redrive(const RequestId& id);
  // All that match now, oldest first, and what became of each: the letters that are refused stay.
  std::vector<RedriveResult> RedriveAll(const DeadLetterFilter& filter = {}, const RedriveOptions& options = {});
  // All that match, oldest first, a DeadLetter::JsonLine() each: a file of them becomes a test (Simulation::Replay).
  std::string Export(const DeadLetterFilter& filter = {}) const;
  // Removes for good; says how many.
  std::size_t Purge(const DeadLetterFilter& filter = {});

 private:
  friend class Engine;
  explicit DeadLetterView(EngineCore* core) : core_(core) {}

  EngineCore* core_;
};

}  // namespace runlet

#endif  // RUNLET_ENGINE_DEAD_LETTERS_H_
