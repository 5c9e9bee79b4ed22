// What the host of an engine decides.
#ifndef RUNLET_ENGINE_OPTIONS_H_
#define RUNLET_ENGINE_OPTIONS_H_

#include <absl/time/time.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>
#include <variant>

#include "runlet/base/executor.h"
#include "runlet/base/time.h"
#include "runlet/event/arn.h"
#include "runlet/event/context.h"
#include "runlet/function/retry_budget.h"
#include "runlet/invoke/interceptor.h"
#include "runlet/invoke/invoke_options.h"
#include "runlet/observe/observer.h"
#include "runlet/queue/event_queue.h"

namespace runlet {

// Whose threads run the handlers.
struct OwnThreads {
  // Grows to this many when handlers block; 1 to 10,000. 0: max(16, 8 per processor). Functions with reserved
  // concurrency get threads on top of it.
  int max_threads = 0;
};
// Runs what it is given once, on any thread, and never inside the call. Deadlines are cooperative. May throw when it
// has no room: then it is asked again, every 10 ms.
struct HostThreads {
  std::function<void(std::function<void()>)> post;
};
// Handlers run inside Engine::Poll() and inside calls that wait. Deadlines are cooperative.
struct NoThreads {};

struct EngineOptions {
  // Executions that run at once, over all functions; 1 to 1,000,000. Lambda's default account quota.
  int concurrency = 1000;
  // Executions that reserved concurrency must leave to the functions without; 0 to concurrency. Lambda keeps 100: in a
  // process all are yours to give.
  int unreserved_minimum = 0;
  // Calls (Invoke, Start) a second for each execution that a function may have at once; 0 for any number. More are
  // refused, as FunctionInvocationRateLimitExceeded. Lambda allows 10, to protect its servers from you: here both are
  // you.
  int requests_per_permit = 0;
  // Unset: retries begin when they are due.
  std::optional<RetryBudget> retry_budget = std::nullopt;
  // With the limits of an AWS account that differ from the defaults: unreserved_minimum 100, requests_per_permit 10.
  static EngineOptions LambdaQuotas();
  std::variant<OwnThreads, HostThreads, NoThreads> threads = OwnThreads{};
  // Threads that may be stuck in handlers that overran their deadline and be replaced; 0 to 10,000. At the limit,
  // functions that own such threads are refused (AbandonedExecutionLimitExceeded).
  int max_abandoned = 16;

  // Whose functions they pretend to be, in ARNs.
  Account account = {};

  PayloadLimits payload_limits = {};
  // Bounds of the built-in queue. Not used when `queue` is set.
  MemoryQueueOptions memory_queue = {};
  // Invocation records that may wait for destinations that fail; 1 to 10,000,000. When reached, Post to functions that
  // have destinations is refused (DestinationBacklogFull); events that were accepted before still add theirs.
  std::size_t destination_backlog = 10'000;
  // Functions, versions and aliases that may ever be made: their names are known, and counted, until the engine ends; 1
  // to 10,000,000. When reached, what would make another is refused (NamesFull).
  std::size_t names = 100'000;
  // Where accepted events wait. nullptr: in memory.
  std::shared_ptr<EventQueue> queue = nullptr;

  // The destructor is a Drain(0, destroy_grace). 0 to 1 h.
  absl::Duration destroy_grace = absl::Seconds(5);
  // Gets every event that a Drain could not complete, when the queue is not durable. Called on the draining thread.
  std::function<void(const DeadLetter&)> on_parked = nullptr;
  // Gets the lines of Context::Log. Called from any thread; must not call the engine.
  std::function<void(const Invocation&, std::string_view line)> log = nullptr;
  // Outlives the engine.
  Observer* observer = nullptr;

  // The seams, for simulation. They outlive the engine.
  Interceptor* interceptor = nullptr;
  const Clock* clock = nullptr;                      // nullptr: the system's
  Executor* executor = nullptr;                      // instead of `threads`
  std::optional<std::uint64_t> seed = std::nullopt;  // of ids and jitter; unset: a random one
};

inline EngineOptions EngineOptions::LambdaQuotas() {
  EngineOptions options;
  options.unreserved_minimum = 100;
  options.requests_per_permit = 10;
  return options;
}

}  // namespace runlet

#endif  // RUNLET_ENGINE_OPTIONS_H_
