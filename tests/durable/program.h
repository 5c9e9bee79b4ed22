// A program as users write it: it opens a queue, posts events, and runs them. It tells what it does.
#ifndef RUNLET_TESTS_DURABLE_PROGRAM_H_
#define RUNLET_TESTS_DURABLE_PROGRAM_H_

#include <absl/status/status.h>
#include <absl/time/time.h>

#include <cstdint>
#include <functional>
#include <string>

#include "runlet/queue/event_queue.h"
#include "tests/durable/books.h"

namespace runlet::durable_test {

struct ProgramOptions {
  std::string path;
  Durability durability = Durability::kMachine;
  // Events are numbered from here.
  std::uint64_t first = 0;
  // Each producer posts so many, unless posts fail.
  std::uint64_t posts = 20;
  int producers = 2;
  // Waits so long for all to end, before it closes the queue.
  absl::Duration patience = absl::ZeroDuration();
  // Gets the notes, from several threads at once.
  std::function<void(Note)> note = nullptr;
};

// How the events of number n end: most succeed, some at the second attempt, a few never. Every eighth is long.
bool FailsOnce(std::uint64_t n);
bool FailsAlways(std::uint64_t n);
std::string Payload(std::uint64_t n);

// What Open answered, where that is an error.
absl::Status RunProgram(const ProgramOptions& options);

}  // namespace runlet::durable_test

#endif  // RUNLET_TESTS_DURABLE_PROGRAM_H_
