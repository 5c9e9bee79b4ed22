// Checks the engine's promises while a simulation runs.
#ifndef RUNLET_SRC_TESTING_AUDITOR_H_
#define RUNLET_SRC_TESTING_AUDITOR_H_

#include <absl/container/flat_hash_map.h>

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "runlet/engine/engine.h"
#include "runlet/observe/observer.h"

namespace runlet::testing {

// Keeps a model of its own from what it observes: what was accepted, what runs, when each event may run next. Every
// record is checked as it comes, the engine's counts after each step, and the metrics in full now and then.
class Auditor final : public Observer {
 public:
  // `report` gets the number of the promise (design: "1" to "12") and what was seen.
  using Report = std::function<void(int promise, std::string_view what)>;
  Auditor(const EngineOptions& options, const Clock& clock, Report report);

  void OnActivity(const Activity& activity) override;
  // After every step.
  void CheckStep(const Engine& engine);
  // Every 1,000 steps and at the end.
  void CheckInFull(const Engine& engine);
  // Events that its queue has already are taken for accepted.
  void set_engine(const Engine* engine) {
    engine_ = engine;
    found_ = strangers_ = engine->queue_stats().accepted;
  }

 private:
  struct EventState {
    std::string function;
    int attempts = 0;
    int attempts_max = 1;
    Instant not_before;
    Instant expires;
    bool running = false;
  };
  struct Run {
    std::string function;
    Instant deadline;
    bool borrowed = false;
    bool reserved = false;
    bool watched = false;
  };
  struct FunctionState {
    int set_aside = 0;  // reserved, or provisioned for its versions and aliases
    int running = 0;    // on permits of those
    // Less is set aside than was: who was admitted before goes on, so this holds again once nothing of that is left.
    bool shrinks = false;
    std::uint64_t invocations = 0;
    std::uint64_t errors = 0;
    std::int64_t billed_ms = 0;
  };

  // Of the function that a version or an alias is of.
  FunctionState& StateOf(std::string_view qualified);
  void OnPublished(const Activity& activity);
  // An event that was found may be met for the first time when it runs or ends.
  void Meet(const Activity& activity, int attempts);
  void OnEventAccepted(const Activity& activity);
  void OnStarted(const Activity& activity);
  void OnRunEnded(const Activity& activity);
  void OnEventEnded(const Activity& activity);

  const int concurrency_;
  const std::size_t events_max_;
  const Clock& clock_;
  const Report report_;
  const Engine* engine_ = nullptr;

  absl::flat_hash_map<RequestId, EventState> events_;  // accepted and not ended
  absl::flat_hash_map<RequestId, Run> runs_;
  std::map<std::string, FunctionState, std::less<>> functions_;
  std::multimap<Instant, RequestId> deadlines_;  // of runs that must be released then
  std::uint64_t found_ = 0;                      // in a durable queue, at the beginning
  std::uint64_t strangers_ = 0;                  // of these, those that have not been met yet
  std::uint64_t accepted_ = 0;
  std::uint64_t ended_ = 0;
  int running_ = 0;  // on permits of their own
  bool shrinking_ = false;
};

}  // namespace runlet::testing

#endif  // RUNLET_SRC_TESTING_AUDITOR_H_
