#include "runlet/metrics/prometheus.h"

#include <absl/time/time.h>
#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "base/planted.h"

namespace runlet {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

struct NamedMetrics {
  std::string function;
  FunctionMetrics metrics;
};

MetricFamily Family(std::string_view name, std::string_view help, MetricType type) {
  MetricFamily family;
  family.name = name;
  family.help = help;
  family.type = type;
  return family;
}

ClientMetric& AddMetric(MetricFamily& family, std::string_view label = {}, std::string_view value = {}) {
  ClientMetric& metric = family.metric.emplace_back();
  if (!label.empty()) metric.label.push_back({std::string(label), std::string(value)});
  return metric;
}

// How many durations are `bound` at most, which is the upper bound of a bucket.
std::uint64_t CountUpTo(const DurationHistogram& durations, std::uint64_t total, absl::Duration bound) {
  std::uint64_t within = 0;
  std::uint64_t beyond = total + 1;
  while (beyond - within > 1) {
    const std::uint64_t rank = within + (beyond - within) / 2;
    const double quantile = (static_cast<double>(rank) - 0.5) / static_cast<double>(total);
    (durations.Percentile(quantile) <= bound ? within : beyond) = rank;
  }
  return within;
}

MetricFamily Durations(const std::vector<NamedMetrics>& functions) {
  MetricFamily family =
      Family("runlet_duration_seconds", "Time in the handler, per invocation.", MetricType::Histogram);
  for (const auto& [function, metrics] : functions) {
    ClientMetric::Histogram& histogram = AddMetric(family, "function", function).histogram;
    histogram.sample_count = metrics.durations.count();
    histogram.sample_sum = absl::ToDoubleSeconds(metrics.total_duration);
    for (int power = 10; power <= 40; power += 2) {
      const std::int64_t bound_ns = (std::int64_t{1} << power) - 1;
      histogram.bucket.push_back({CountUpTo(metrics.durations, histogram.sample_count, absl::Nanoseconds(bound_ns)),
                                  static_cast<double>(bound_ns) / 1e9});
    }
  }
  return family;
}

void AddFunctionFamilies(const std::vector<NamedMetrics>& functions, std::vector<MetricFamily>* families) {
  const auto counter = [&](std::string_view name, std::string_view help,
                           const std::function<double(const FunctionMetrics&)>& value) {
    MetricFamily& family = families->emplace_back(Family(name, help, MetricType::Counter));
    for (const auto& [function, metrics] : functions) {
      AddMetric(family, "function", function).counter.value = value(metrics);
    }
  };
  const auto count = [&](std::string_view name, std::string_view help, std::uint64_t FunctionMetrics::*field) {
    counter(name, help, [field](const FunctionMetrics& metrics) { return static_cast<double>(metrics.*field); });
  };
  count("runlet_invocations_total", "Executions that ended, in success or error.", &FunctionMetrics::invocations);
  count("runlet_errors_total", "Invocations that ended with a function error.", &FunctionMetrics::errors);
  count("runlet_timeouts_total", "Invocations that ended with Sandbox.Timedout.", &FunctionMetrics::timeouts);
  count("runlet_throttles_total", "Calls and attempts refused for lack of capacity.", &FunctionMetrics::throttles);
  count("runlet_late_results_total", "Answers that came after the timeout and were dropped.",
        &FunctionMetrics::late_results);
  count("runlet_retries_total", "Attempts of events after the first.", &FunctionMetrics::retries);
  count("runlet_async_events_received_total", "Events accepted.", &FunctionMetrics::async_events_received);
  count("runlet_async_events_dropped_total", "Events that ended without success.",
        &FunctionMetrics::async_events_dropped);
  count("runlet_dead_letter_errors_total", "Failed sends to a dead-letter queue.",
        &FunctionMetrics::dead_letter_errors);
  count("runlet_destination_delivery_failures_total", "Failed sends to a destination.",
        &FunctionMetrics::destination_delivery_failures);
  count("runlet_recursive_invocations_dropped_total", "Calls and events stopped by loop detection.",
        &FunctionMetrics::recursive_invocations_dropped);
  counter("runlet_billed_seconds_total", "Billed duration, each invocation rounded up to 1 ms.",
          [](const FunctionMetrics& metrics) {
            return static_cast<double>(metrics.billed_milliseconds) /
                   (RUNLET_PLANTED("metrics-in-milliseconds") ? 1 : 1e3);
          });
  counter("runlet_gb_seconds_total", "Memory size times billed duration.",
          [](const FunctionMetrics& metrics) { return metrics.gb_seconds(); });
  count("runlet_async_attempts_total", "Attempts of events.", &FunctionMetrics::async_attempts);
  counter("runlet_async_event_age_seconds_total", "From acceptance to the start of each attempt of an event.",
          [](const FunctionMetrics& metrics) { return absl::ToDoubleSeconds(metrics.total_async_event_age); });
  MetricFamily& concurrent = families->emplace_back(
      Family("runlet_concurrent_executions_max", "The most executions that ran at once.", MetricType::Gauge));
  for (const auto& [function, metrics] : functions) {
    AddMetric(concurrent, "function", function).gauge.value = metrics.max_concurrent_executions;
  }
  families->push_back(Durations(functions));
}

void AddEngineFamilies(const Engine& engine, std::vector<MetricFamily>* families) {
  const QueueStats queue = engine.queue_stats();
  const auto counter = [&](std::string_view name, std::string_view help, std::uint64_t value) {
    MetricFamily& family = families->emplace_back(Family(name, help, MetricType::Counter));
    AddMetric(family).counter.value = static_cast<double>(value);
  };
  const auto gauge = [&](std::string_view name, std::string_view help, std::uint64_t value) {
    MetricFamily& family = families->emplace_back(Family(name, help, MetricType::Gauge));
    AddMetric(family).gauge.value = static_cast<double>(value);
  };
  counter("runlet_queue_accepted_total", "Events accepted by the queue, redriven ones again.", queue.accepted);
  counter("runlet_queue_ended_total", "Events that ended.", queue.ended);
  MetricFamily& events =
      families->emplace_back(Family("runlet_queue_events", "Events in the queue, by state.", MetricType::Gauge));
  for (const auto& [state, number] :
       {std::pair("ready", queue.ready), std::pair("delayed", queue.delayed), std::pair("running", queue.running)}) {
    AddMetric(events, "state", state).gauge.value = static_cast<double>(number);
  }
  gauge("runlet_queue_bytes", "Payload bytes of waiting and running events.", queue.bytes);
  gauge("runlet_dead_letters", "Dead letters kept.", queue.dead);
  gauge("runlet_abandoned_threads", "Threads stuck in handlers that overran.",
        static_cast<std::uint64_t>(engine.abandoned()));
}

void AddStorageFamilies(const StorageStats& storage, std::size_t stranded, std::vector<MetricFamily>* families) {
  const auto add = [&](std::string_view name, std::string_view help, MetricType type) -> ClientMetric& {
    return AddMetric(families->emplace_back(Family(name, help, type)));
  };
  const auto counter = [&](std::string_view name, std::string_view help, double value) {
    add(name, help, MetricType::Counter).counter.value = value;
  };
  const auto gauge = [&](std::string_view name, std::string_view help, double value) {
    add(name, help, MetricType::Gauge).gauge.value = value;
  };
  gauge("runlet_storage_log_bytes", "Length of the write-ahead log.", static_cast<double>(storage.wal_bytes));
  gauge("runlet_storage_oldest_event_seconds", "Age of the oldest event that has not ended.",
        absl::ToDoubleSeconds(storage.oldest_age));
  counter("runlet_storage_commits_total", "Transactions.", static_cast<double>(storage.commits));
  counter("runlet_storage_changes_total", "Puts, claims, ends and others, written in the transactions.",
          static_cast<double>(storage.changes));
  counter("runlet_storage_syncs_total", "Syncs of the write-ahead log.", static_cast<double>(storage.syncs));
  counter("runlet_storage_sync_seconds_total", "Time in all syncs.", absl::ToDoubleSeconds(storage.sync_time));
  gauge("runlet_storage_sync_seconds_max", "Time in the longest sync.", absl::ToDoubleSeconds(storage.sync_time_max));
  gauge("runlet_storage_stranded_events", "Waiting events that nothing here can run.", static_cast<double>(stranded));
  gauge("runlet_storage_damaged_rows", "Damaged rows found.", static_cast<double>(storage.damaged));
  gauge("runlet_storage_full", "1 while the disk is full.", storage.full ? 1 : 0);
  gauge("runlet_storage_failed", "1 once a sync has failed.", storage.failed ? 1 : 0);
}

}  // namespace

std::string PrometheusText(const Engine& engine) {
  std::vector<NamedMetrics> functions;
  for (std::string& name : engine.FunctionNames()) {
    absl::StatusOr<FunctionMetrics> metrics = engine.Metrics(name);
    if (metrics.ok()) functions.push_back({std::move(name), *std::move(metrics)});
  }
  std::vector<MetricFamily> families;
  AddFunctionFamilies(functions, &families);
  AddEngineFamilies(engine, &families);
  if (const std::optional<StorageStats> storage = engine.queue_storage())
    AddStorageFamilies(*storage, engine.queue_stats().stranded, &families);
  return prometheus::TextSerializer().Serialize(families);
}

}  // namespace runlet
