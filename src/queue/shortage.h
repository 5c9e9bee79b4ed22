// Why events do not fit into a queue.
#ifndef RUNLET_SRC_QUEUE_SHORTAGE_H_
#define RUNLET_SRC_QUEUE_SHORTAGE_H_

#include <absl/status/status.h>

#include <cstddef>

namespace runlet {

// Why a batch does not fit.
struct Shortage {
  enum class Of { kNothing, kDeadLetters, kDedupKeys, kEvents, kBytes };
  Of of = Of::kNothing;
  std::size_t used = 0;
  std::size_t limit = 0;
  std::size_t asked = 0;

  absl::Status AsStatus() const;
};

}  // namespace runlet

#endif  // RUNLET_SRC_QUEUE_SHORTAGE_H_
