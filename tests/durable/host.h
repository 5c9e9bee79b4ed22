// A host with a durable queue, in virtual time.
#ifndef RUNLET_TESTS_DURABLE_HOST_H_
#define RUNLET_TESTS_DURABLE_HOST_H_

#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "runlet/durable/queue.h"
#include "runlet/runlet.h"
#include "runlet/testing/simulation.h"
#include "tests/catch.h"
#include "tests/durable/scratch.h"

namespace runlet::durable_test {

inline const absl::Time kStart = absl::FromUnixSeconds(1'700'000'000);

// A path at which there is nothing yet.
inline std::string FreshFile(const std::string& name) {
  const std::string path = Scratch(name + ".db");
  for (const char* const end : {"", "-wal", "-shm", "-lock"}) std::filesystem::remove(path + end);
  return path;
}

inline std::shared_ptr<durable::Queue> MustOpen(const std::string& path, const durable::Options& options = {}) {
  absl::StatusOr<std::shared_ptr<durable::Queue>> queue = durable::Open(path, options);
  if (!queue.ok()) FAIL(queue.status().ToString());
  return *std::move(queue);
}

// From opening to a clean end.
class Host {
 public:
  explicit Host(const std::string& path, absl::Time start = kStart, const durable::Options& options = {})
      : queue_(MustOpen(path, options)) {
    testing::SimulationOptions simulated;
    simulated.engine.queue = queue_;
    simulated.start = start;
    // Ids are new in each life, as they are outside of simulations.
    static std::uint64_t lives = 0;
    simulated.seed = ++lives * 1'000'000 + static_cast<std::uint64_t>(getpid());
    simulation_.emplace(std::move(simulated));
  }

  Engine& engine() { return simulation_->engine(); }
  testing::Simulation& sim() { return *simulation_; }
  durable::Queue& queue() { return *queue_; }
  QueueStats stats() { return engine().queue_stats(); }

 private:
  std::shared_ptr<durable::Queue> queue_;
  std::optional<testing::Simulation> simulation_;
};

// Runs `life` in a process of its own, which then ends as kill -9 would end it, if it has not done so itself. True when
// it was killed.
template <typename F>
bool Killed(F life) {
  const pid_t child = fork();
  if (child == 0) {
    life();
    raise(SIGKILL);
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}

}  // namespace runlet::durable_test

#endif  // RUNLET_TESTS_DURABLE_HOST_H_
