#include "testing/auditor.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>

namespace runlet::testing {

Auditor::Auditor(const EngineOptions& options, const Clock& clock, Report report)
    : concurrency_(options.concurrency),
      events_max_(options.queue == nullptr ? options.memory_queue.events
                                           : SIZE_MAX),  // a queue of the host's has its own
      clock_(clock),
      report_(std::move(report)) {}

void Auditor::OnActivity(const Activity& activity) {
  switch (activity.kind) {
    case Activity::Kind::kAccepted:
    case Activity::Kind::kRedriven: OnEventAccepted(activity); break;
    case Activity::Kind::kStarted: OnStarted(activity); break;
    case Activity::Kind::kSucceeded:
    case Activity::Kind::kFailed:
    case Activity::Kind::kTimedOut: OnRunEnded(activity); break;
    case Activity::Kind::kThrottled:
    case Activity::Kind::kRetryScheduled:
      if (const auto event = events_.find(activity.request_id); event != events_.end())
        event->second.not_before = activity.due;
      break;
    case Activity::Kind::kEnded: OnEventEnded(activity); break;
    case Activity::Kind::kRefused:
      if (runs_.contains(activity.request_id)) report_(2, "a call was refused after it had begun");
      break;
    case Activity::Kind::kRegistered:
    case Activity::Kind::kReplaced:
    case Activity::Kind::kRemoved: OnPublished(activity); break;
    default: break;
  }
}

void Auditor::OnPublished(const Activity& activity) {
  FunctionState& function = StateOf(activity.function);
  const std::string_view name = QualifiedName(activity.function).function;
  int set_aside = 0;
  for (const FunctionInspection& each : engine_->Inspect().functions) {
    if (each.function == name && each.reserved_concurrency.has_value()) {
      set_aside = *each.reserved_concurrency;
      break;
    }
    if (QualifiedName(each.function).function == name) set_aside += each.provisioned_concurrency;
  }
  if (set_aside < function.set_aside) {
    function.shrinks = !engine_->idle();
    shrinking_ = shrinking_ || function.shrinks;
  }
  function.set_aside = set_aside;
}

Auditor::FunctionState& Auditor::StateOf(std::string_view qualified) {
  return functions_[std::string(QualifiedName(qualified).function)];
}

void Auditor::OnEventAccepted(const Activity& activity) {
  ++accepted_;
  EventState state;
  state.function = activity.function;
  state.not_before = std::max(activity.at, activity.due);
  state.expires = Instant::Never();
  if (const absl::StatusOr<FunctionConfig> config = engine_->Config(activity.function); config.ok()) {
    state.attempts_max = 1 + config->event_invoke.maximum_retry_attempts;
    // The age of a redriven event counts from when it may begin.
    const Instant born = activity.kind == Activity::Kind::kRedriven ? state.not_before : activity.at;
    state.expires = born.After(Nanos(config->event_invoke.maximum_event_age));
  }
  if (!events_.emplace(activity.request_id, std::move(state)).second) {
    report_(1, fmt::format("event {} was accepted twice", activity.request_id.ToString()));
  }
}

void Auditor::Meet(const Activity& activity, int attempts) {
  if (strangers_ == 0 || events_.contains(activity.request_id)) return;
  --strangers_;
  EventState state;
  state.function = activity.function;
  state.attempts = attempts;
  state.attempts_max = attempts + 1;
  state.expires = Instant::Never();
  events_.emplace(activity.request_id, std::move(state));
}

void Auditor::OnStarted(const Activity& activity) {
  FunctionState& function = StateOf(activity.function);
  const absl::StatusOr<FunctionConfig> config = engine_->Config(activity.function);
  Run run;
  run.function = activity.function;
  run.deadline = activity.due;
  run.borrowed = activity.borrowed;
  run.reserved = activity.reserved;
  run.watched = activity.watched;
  if (run.reserved && ++function.running > function.set_aside && !function.shrinks) {
    report_(5, fmt::format("{} executions of \"{}\" run, but {} are set aside", function.running, activity.function,
                           function.set_aside));
  }
  if (!run.borrowed && ++running_ > concurrency_) {
    report_(5, fmt::format("{} executions run, but the engine's concurrency is {}", running_, concurrency_));
  }
  if (activity.at >= activity.due)
    report_(4, fmt::format("an execution of \"{}\" began after its deadline", activity.function));

  if (activity.type == InvocationType::kEvent) {
    Meet(activity, activity.attempt - 1);
    const auto found = events_.find(activity.request_id);
    if (found == events_.end()) {
      report_(1, fmt::format("event {} runs, but was not accepted, or has ended", activity.request_id.ToString()));
      return;
    }
    EventState& event = found->second;
    if (event.running) report_(1, fmt::format("event {} runs twice at once", activity.request_id.ToString()));
    event.running = true;
    if (activity.attempt != ++event.attempts) {
      report_(3, fmt::format("attempt {} of event {} calls itself {}", event.attempts, activity.request_id.ToString(),
                             activity.attempt));
    }
    // Waiting events run by the configuration that the function has then.
    if (config.ok()) {
      event.attempts_max = std::max(event.attempts_max, 1 + config->event_invoke.maximum_retry_attempts);
    }
    if (event.attempts > event.attempts_max) {
      report_(3, fmt::format("event {} runs for the {}th time, {} are allowed", activity.request_id.ToString(),
                             event.attempts, event.attempts_max));
    }
    if (activity.at < event.not_before) {
      report_(4, fmt::format("event {} runs {} before its time", activity.request_id.ToString(),
                             absl::FormatDuration(absl::Nanoseconds(event.not_before.Since(activity.at)))));
    }
    if (activity.at >= event.expires)
      report_(4, fmt::format("event {} runs although it is too old", activity.request_id.ToString()));
  }
  if (run.watched) deadlines_.emplace(run.deadline, activity.request_id);
  runs_[activity.request_id] = std::move(run);
}

void Auditor::OnRunEnded(const Activity& activity) {
  const auto found = runs_.find(activity.request_id);
  if (found == runs_.end()) {
    report_(1, fmt::format("a run of \"{}\" ended that did not begin", activity.function));
    return;
  }
  const Run& run = found->second;
  if (activity.kind != Activity::Kind::kTimedOut && activity.at >= run.deadline) {
    report_(6, fmt::format("a result of \"{}\" was taken after its deadline", activity.function));
  }
  FunctionState& function = StateOf(run.function);
  if (run.reserved) --function.running;
  ++function.invocations;
  if (activity.kind != Activity::Kind::kSucceeded) ++function.errors;
  function.billed_ms += std::max<std::int64_t>(1, (activity.duration_ns + 999'999) / 1'000'000);
  if (!run.borrowed) --running_;
  for (auto [at, end] = deadlines_.equal_range(run.deadline); at != end; ++at) {
    if (at->second == activity.request_id) {
      deadlines_.erase(at);
      break;
    }
  }
  runs_.erase(found);
  if (const auto event = events_.find(activity.request_id); event != events_.end()) event->second.running = false;
}

void Auditor::OnEventEnded(const Activity& activity) {
  ++ended_;
  Meet(activity, activity.attempt);
  if (events_.erase(activity.request_id) == 0) {
    report_(1, fmt::format("event {} ended as {}, but was not accepted, or has ended before",
                           activity.request_id.ToString(), ConditionName(activity.condition)));
  }
}

void Auditor::CheckStep(const Engine& engine) {
  const QueueStats stats = engine.queue_stats();
  if (shrinking_ && engine.idle()) {
    shrinking_ = false;
    for (auto& [name, function] : functions_) function.shrinks = false;
  }
  const std::size_t live = stats.ready + stats.delayed + stats.running + stats.stranded;
  if (stats.accepted != stats.ended + live) {
    report_(1, fmt::format("{} events accepted, but {} ended, {} ready, {} delayed and {} running", stats.accepted,
                           stats.ended, stats.ready, stats.delayed, stats.running));
  }
  if (stats.accepted != accepted_ + found_ || stats.ended != ended_) {
    report_(1, fmt::format("the queue counts {} accepted and {} ended events, observed were {} and {}", stats.accepted,
                           stats.ended, accepted_ + found_, ended_));
  }
  if (live > events_max_) report_(9, fmt::format("{} events in the queue, the limit is {}", live, events_max_));
  if (!deadlines_.empty() && deadlines_.begin()->first < clock_.Now()) {
    report_(6, fmt::format("a run of \"{}\" goes on after its deadline", runs_[deadlines_.begin()->second].function));
  }
}

void Auditor::CheckInFull(const Engine& engine) {
  for (const auto& [name, function] : functions_) {
    const absl::StatusOr<FunctionMetrics> metrics = engine.Metrics(name);
    if (!metrics.ok()) continue;
    if (metrics->invocations != function.invocations || metrics->errors != function.errors ||
        metrics->billed_milliseconds != function.billed_ms || metrics->durations.count() != function.invocations) {
      report_(12,
              fmt::format("\"{}\": metered {} invocations, {} errors, {} ms; the sum over its runs is {}, {}, {} ms",
                          name, metrics->invocations, metrics->errors, metrics->billed_milliseconds,
                          function.invocations, function.errors, function.billed_ms));
    }
  }
  if (running_ != static_cast<int>(std::count_if(runs_.begin(), runs_.end(),
                                                 [](const auto& run) { return !run.second.borrowed; }))) {
    report_(5, "the count of running executions is off");
  }
}

}  // namespace runlet::testing
