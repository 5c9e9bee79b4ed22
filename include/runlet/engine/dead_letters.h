// Work with the events that an engine has given up.
#ifndef RUNLET_ENGINE_DEAD_LETTERS_H_
#define RUNLET_ENGINE_DEAD_LETTERS_H_

#include <absl/status/statusor.h>

#include <cstddef>
#include <optional>
#include <vector>

#include "runlet/queue/dead_letter.h"

namespace runlet {

class EngineCore;

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
  // FailedPrecondition for an event that cannot be copied.
  absl::StatusOr<RequestId> Redrive(const RequestId& id);
  // All that match now, oldest first, up to the first that is refused. How many were accepted; the refusal when none
  // was.
  absl::StatusOr<std::size_t> RedriveAll(const DeadLetterFilter& filter = {});
  // Removes for good; says how many.
  std::size_t Purge(const DeadLetterFilter& filter = {});

 private:
  friend class Engine;
  explicit DeadLetterView(EngineCore* core) : core_(core) {}

  EngineCore* core_;
};

}  // namespace runlet

#endif  // RUNLET_ENGINE_DEAD_LETTERS_H_
