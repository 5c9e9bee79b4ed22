// What an engine has done, in the text format that Prometheus scrapes. Needs the target runlet::metrics.
#ifndef RUNLET_METRICS_PROMETHEUS_H_
#define RUNLET_METRICS_PROMETHEUS_H_

#include <string>

#include "runlet/engine/engine.h"

namespace runlet {

// The text to answer a scrape with (Content-Type: text/plain; version=0.0.4): one line for each metric and function, in
// order of first registration. Thread-safe. Functions that were removed keep their lines: counters do not go back.
//
// Of each function (FunctionMetrics tells what is counted), with the label `function`:
//
//   runlet_invocations_total                    runlet_async_events_received_total
//   runlet_errors_total                         runlet_async_events_dropped_total
//   runlet_timeouts_total                       runlet_dead_letter_errors_total
//   runlet_throttles_total                      runlet_destination_delivery_failures_total
//   runlet_late_results_total                   runlet_recursive_invocations_dropped_total
//   runlet_retries_total                        runlet_billed_seconds_total
//   runlet_gb_seconds_total                     runlet_async_attempts_total
//   runlet_concurrent_executions_max            runlet_async_event_age_seconds_total
//   runlet_duration_seconds                     histogram of 16 buckets, each to four times the one before: 1.023 us to
//                                               1,100 s. Counts are exact, as the bounds are bounds of
//                                               DurationHistogram
//
// Of the engine (QueueStats tells what is counted):
//
//   runlet_queue_accepted_total                 runlet_dead_letters
//   runlet_queue_ended_total                    runlet_queue_bytes
//   runlet_queue_events{state="ready"}          and "delayed", "running"
//   runlet_abandoned_threads
//
// Of a durable queue (StorageStats):
//
//   runlet_storage_log_bytes                    runlet_storage_oldest_event_seconds
//   runlet_storage_commits_total                runlet_storage_changes_total
//   runlet_storage_syncs_total                  runlet_storage_sync_seconds_total
//   runlet_storage_sync_seconds_max             runlet_storage_damaged_rows
//   runlet_storage_full                         runlet_storage_failed
//   runlet_storage_stranded_events
//
// Several engines in one program answer on paths of their own: two texts together are none, since a metric may be
// described only once.
std::string PrometheusText(const Engine& engine);

}  // namespace runlet

#endif  // RUNLET_METRICS_PROMETHEUS_H_
