#include "runlet/engine/inspection.h"

#include <fmt/format.h>

namespace runlet {
namespace {

std::string Text(absl::Duration duration) { return absl::FormatDuration(duration); }

}  // namespace

std::string Inspection::ToString() const {
  std::string text = fmt::format(
      "permits: {} of {} unreserved in use, {} in all; threads: {}, {} abandoned\n"
      "events: {} ready, {} delayed, {} claimed, {} dead; {} letters and records not taken yet\n",
      unreserved_in_use, unreserved, concurrency, threads, abandoned, queue.ready, queue.delayed, queue.running,
      queue.dead, undelivered);
  if (queue.stranded != 0) text += fmt::format("events of functions not registered, or damaged: {}\n", queue.stranded);
  if (storage.has_value()) {
    text += fmt::format(
        "storage: {} bytes of log, {} changes in {} commits, {} syncs of {} at most, oldest event {}, {} damaged "
        "rows{}{}\n",
        storage->wal_bytes, storage->changes, storage->commits, storage->syncs, Text(storage->sync_time_max),
        Text(storage->oldest_age), storage->damaged, storage->full ? ", disk full" : "",
        storage->failed ? ", FAILED: open it anew" : "");
  }
  for (const FunctionInspection& each : functions) {
    text += fmt::format("function {}{}: {} ready, {} delayed, {} backing off, {} throttled", each.function,
                        each.registered ? "" : " (removed)", each.waiting.ready, each.waiting.delayed,
                        each.waiting.backing_off, each.waiting.throttled);
    if (each.reserved_concurrency.has_value()) {
      text += fmt::format("; {} of {} reserved in use", each.reserved_in_use, *each.reserved_concurrency);
    }
    if (each.provisioned_concurrency != 0) {
      text += fmt::format("; {} of {} provisioned in use", each.provisioned_in_use, each.provisioned_concurrency);
    }
    if (each.abandoned != 0) text += fmt::format("; {} abandoned", each.abandoned);
    text += '\n';
  }
  for (const RunningExecution& each : running) {
    text += fmt::format("running {} {}: attempt {}, for {}, {} left, thread {}{}{}\n", each.function,
                        each.request_id.ToString(), each.attempt, Text(each.running_for), Text(each.remaining),
                        each.thread, each.asked_to_stop ? ", asked to stop" : "", each.abandoned ? ", abandoned" : "");
  }
  return text;
}

std::string_view StateName(Explanation::State state) {
  switch (state) {
    case Explanation::State::kQueued: return "queued";
    case Explanation::State::kThrottled: return "throttled";
    case Explanation::State::kBackingOff: return "backing off";
    case Explanation::State::kRunning: return "running";
    case Explanation::State::kStopping: return "stopping";
    case Explanation::State::kDead: return "dead";
  }
  return "unknown";
}

std::string Explanation::ToString() const {
  std::string text = fmt::format(
      "{} {}: {}{}{} after {} attempts in {}: queued {}, throttled {}, backing off {}, running {}, stopping {}",
      function, request_id.ToString(), StateName(state), condition.has_value() ? ", " : "",
      condition.has_value() ? ConditionName(*condition) : "", attempts, Text(elapsed), Text(spent.queued),
      Text(spent.throttled), Text(spent.backing_off), Text(spent.running), Text(spent.stopping));
  if (due_in > absl::ZeroDuration()) text += fmt::format("; due in {}", Text(due_in));
  return text;
}

}  // namespace runlet
