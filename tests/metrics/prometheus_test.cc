// The text that Prometheus scrapes.
#include "runlet/metrics/prometheus.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runlet/runlet.h"
#include "runlet/testing/simulation.h"
#include "tests/catch.h"

namespace runlet {
namespace {

using testing::Simulation;

// Sleeps for as many nanoseconds as the event says.
void SleepFor(std::string_view event, Context& ctx) { ctx.Sleep(absl::Nanoseconds(std::stoll(std::string(event)))); }

bool IsName(std::string_view name) {
  return !name.empty() && name.find_first_not_of("abcdefghijklmnopqrstuvwxyz_") == name.npos && name.front() != '_';
}

// Samples by name and labels: `name{a="b"}`. Fails unless the text keeps the rules of the format: every family is
// described once, with a type, before its samples, which follow it; no sample comes twice; the last line is ended.
std::map<std::string, double> Parse(const std::string& text) {
  std::map<std::string, double> samples;
  std::set<std::string> families;
  std::string family, type;
  REQUIRE(!text.empty());
  REQUIRE(text.back() == '\n');
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    INFO(line);
    std::istringstream words(line);
    if (line.substr(0, 2) == "# ") {
      std::string hash, what, name;
      words >> hash >> what >> name;
      REQUIRE(IsName(name));
      if (what == "HELP") {
        REQUIRE(families.insert(name).second);
        family = name;
      } else {
        REQUIRE(what == "TYPE");
        REQUIRE(name == family);
        words >> type;
        REQUIRE((type == "counter" || type == "gauge" || type == "histogram"));
        REQUIRE((type == "counter") == (name.size() > 6 && name.substr(name.size() - 6) == "_total"));
      }
      continue;
    }
    const std::size_t space = line.rfind(' ');
    REQUIRE(space != line.npos);
    const std::string key = line.substr(0, space);
    const std::string name = key.substr(0, key.find('{'));
    const std::string suffix = name.substr(std::min(family.size(), name.size()));
    REQUIRE(name.substr(0, family.size()) == family);
    if (type == "histogram") {
      REQUIRE((suffix == "_bucket" || suffix == "_sum" || suffix == "_count"));
    } else {
      REQUIRE(suffix.empty());
    }
    char* end = nullptr;
    const double value = std::strtod(line.c_str() + space + 1, &end);
    REQUIRE(*end == '\0');
    REQUIRE(samples.emplace(key, value).second);
  }
  return samples;
}

std::string Durations(std::string_view suffix, std::string_view function, std::string_view le = {}) {
  std::string key = "runlet_duration_seconds" + std::string(suffix) + "{function=\"" + std::string(function) + "\"";
  if (!le.empty()) key += ",le=\"" + std::string(le) + "\"";
  return key + "}";
}

// The lines of `text` that are no part of the histogram.
std::string WithoutDurations(const std::string& text) {
  std::string rest;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (line.find("runlet_duration_seconds") == line.npos) rest += line + '\n';
  }
  return rest;
}

TEST_CASE("an engine without functions has metrics of its own alone") {
  Simulation sim;
  const auto samples = Parse(PrometheusText(sim.engine()));
  CHECK(samples == std::map<std::string, double>{{"runlet_abandoned_threads", 0},
                                                 {"runlet_dead_letters", 0},
                                                 {"runlet_queue_accepted_total", 0},
                                                 {"runlet_queue_bytes", 0},
                                                 {"runlet_queue_ended_total", 0},
                                                 {"runlet_queue_events{state=\"delayed\"}", 0},
                                                 {"runlet_queue_events{state=\"ready\"}", 0},
                                                 {"runlet_queue_events{state=\"running\"}", 0}});
}

TEST_CASE("the metrics of a run, to the letter") {
  Simulation sim;
  Engine& engine = sim.engine();
  REQUIRE(engine.Register("work", SleepFor, {.reserved_concurrency = 1}).ok());
  REQUIRE(engine.Register("idle", SleepFor).ok());
  CHECK(engine.Invoke("work", "1500000").ok());
  CHECK(!engine.Invoke("work", "9000000000").ok());  // times out after 3 s
  Future<std::string> held = engine.Start("work", "1000000");
  CHECK(!engine.Invoke("work", "0").ok());  // throttled
  CHECK(std::move(held).Get().ok());
  sim.FailNext("work", absl::UnavailableError("down"), 4);
  REQUIRE(engine.Post("work", "10").ok());
  sim.RunUntilIdle();                       // dead after three attempts
  REQUIRE(engine.Post("work", "10").ok());  // fails once
  sim.AdvanceBy(absl::Seconds(1));          // ... and waits
  CHECK(WithoutDurations(PrometheusText(engine)) ==
        R"(# HELP runlet_invocations_total Executions that ended, in success or error.
# TYPE runlet_invocations_total counter
runlet_invocations_total{function="work"} 7
runlet_invocations_total{function="idle"} 0
# HELP runlet_errors_total Invocations that ended with a function error.
# TYPE runlet_errors_total counter
runlet_errors_total{function="work"} 5
runlet_errors_total{function="idle"} 0
# HELP runlet_timeouts_total Invocations that ended with Sandbox.Timedout.
# TYPE runlet_timeouts_total counter
runlet_timeouts_total{function="work"} 1
runlet_timeouts_total{function="idle"} 0
# HELP runlet_throttles_total Calls and attempts refused for lack of capacity.
# TYPE runlet_throttles_total counter
runlet_throttles_total{function="work"} 1
runlet_throttles_total{function="idle"} 0
# HELP runlet_late_results_total Answers that came after the timeout and were dropped.
# TYPE runlet_late_results_total counter
runlet_late_results_total{function="work"} 1
runlet_late_results_total{function="idle"} 0
# HELP runlet_retries_total Attempts of events after the first.
# TYPE runlet_retries_total counter
runlet_retries_total{function="work"} 2
runlet_retries_total{function="idle"} 0
# HELP runlet_async_events_received_total Events accepted.
# TYPE runlet_async_events_received_total counter
runlet_async_events_received_total{function="work"} 2
runlet_async_events_received_total{function="idle"} 0
# HELP runlet_async_events_dropped_total Events that ended without success.
# TYPE runlet_async_events_dropped_total counter
runlet_async_events_dropped_total{function="work"} 1
runlet_async_events_dropped_total{function="idle"} 0
# HELP runlet_dead_letter_errors_total Failed sends to a dead-letter queue.
# TYPE runlet_dead_letter_errors_total counter
runlet_dead_letter_errors_total{function="work"} 0
runlet_dead_letter_errors_total{function="idle"} 0
# HELP runlet_destination_delivery_failures_total Failed sends to a destination.
# TYPE runlet_destination_delivery_failures_total counter
runlet_destination_delivery_failures_total{function="work"} 0
runlet_destination_delivery_failures_total{function="idle"} 0
# HELP runlet_recursive_invocations_dropped_total Calls and events stopped by loop detection.
# TYPE runlet_recursive_invocations_dropped_total counter
runlet_recursive_invocations_dropped_total{function="work"} 0
runlet_recursive_invocations_dropped_total{function="idle"} 0
# HELP runlet_billed_seconds_total Billed duration, each invocation rounded up to 1 ms.
# TYPE runlet_billed_seconds_total counter
runlet_billed_seconds_total{function="work"} 3.007
runlet_billed_seconds_total{function="idle"} 0
# HELP runlet_gb_seconds_total Memory size times billed duration.
# TYPE runlet_gb_seconds_total counter
runlet_gb_seconds_total{function="work"} 0.375875
runlet_gb_seconds_total{function="idle"} 0
# HELP runlet_async_attempts_total Attempts of events.
# TYPE runlet_async_attempts_total counter
runlet_async_attempts_total{function="work"} 4
runlet_async_attempts_total{function="idle"} 0
# HELP runlet_async_event_age_seconds_total From acceptance to the start of each attempt of an event.
# TYPE runlet_async_event_age_seconds_total counter
runlet_async_event_age_seconds_total{function="work"} 240
runlet_async_event_age_seconds_total{function="idle"} 0
# HELP runlet_concurrent_executions_max The most executions that ran at once.
# TYPE runlet_concurrent_executions_max gauge
runlet_concurrent_executions_max{function="work"} 1
runlet_concurrent_executions_max{function="idle"} 0
# HELP runlet_queue_accepted_total Events accepted by the queue, redriven ones again.
# TYPE runlet_queue_accepted_total counter
runlet_queue_accepted_total 2
# HELP runlet_queue_ended_total Events that ended.
# TYPE runlet_queue_ended_total counter
runlet_queue_ended_total 1
# HELP runlet_queue_events Events in the queue, by state.
# TYPE runlet_queue_events gauge
runlet_queue_events{state="ready"} 0
runlet_queue_events{state="delayed"} 1
runlet_queue_events{state="running"} 0
# HELP runlet_queue_bytes Payload bytes of waiting and running events.
# TYPE runlet_queue_bytes gauge
runlet_queue_bytes 2
# HELP runlet_dead_letters Dead letters kept.
# TYPE runlet_dead_letters gauge
runlet_dead_letters 1
# HELP runlet_abandoned_threads Threads stuck in handlers that overran.
# TYPE runlet_abandoned_threads gauge
runlet_abandoned_threads 0
)");
  Parse(PrometheusText(engine));
}

TEST_CASE("the histogram counts each duration in every bucket that is long enough") {
  Simulation sim;
  Engine& engine = sim.engine();
  REQUIRE(engine.Register("work", SleepFor, {.timeout = absl::Minutes(15)}).ok());
  // On both sides of two bounds, and at the ends.
  for (const std::string_view ns : {"0", "1023", "1024", "1048575", "1048575", "1048576", "899999999999"}) {
    REQUIRE(engine.Invoke("work", ns).ok());
  }
  const auto samples = Parse(PrometheusText(engine));
  CHECK(samples.at(Durations("_count", "work")) == 7);
  CHECK(samples.at(Durations("_sum", "work")) == Approx(900.003147772).epsilon(1e-12));
  const std::vector<std::pair<std::string, int>> buckets = {
      {"1.023e-06", 2},   {"4.095e-06", 3},   {"1.6383e-05", 3},     {"6.5535e-05", 3}, {"0.000262143", 3},
      {"0.001048575", 5}, {"0.004194303", 6}, {"1099.511627775", 7}, {"+Inf", 7}};
  for (const auto& [le, count] : buckets) {
    INFO(le);
    REQUIRE(samples.count(Durations("_bucket", "work", le)) == 1);
    CHECK(samples.at(Durations("_bucket", "work", le)) == count);
  }
  int all = 0;
  for (const auto& [key, value] : samples) all += key.find("_bucket") != key.npos ? 1 : 0;
  CHECK(all == 17);
}

TEST_CASE("the buckets of many durations count what there is") {
  Simulation sim;
  Engine& engine = sim.engine();
  REQUIRE(engine.Register("work", SleepFor).ok());
  std::vector<std::int64_t> durations;
  for (int i = 0; i < 1'000; ++i) durations.push_back(static_cast<std::int64_t>(std::pow(1.02, i)));
  for (const std::int64_t ns : durations) {
    if (ns < 2'000'000'000) REQUIRE(engine.Invoke("work", std::to_string(ns)).ok());
  }
  for (const auto& [key, value] : Parse(PrometheusText(engine))) {
    const std::size_t at = key.find("le=\"");
    if (at == key.npos || key.find("+Inf") != key.npos) continue;
    const auto bound = static_cast<std::int64_t>(std::llround(std::stod(key.substr(at + 4)) * 1e9));
    int within = 0;
    for (const std::int64_t ns : durations) within += ns < 2'000'000'000 && ns <= bound ? 1 : 0;
    INFO(key);
    CHECK(value == within);
  }
}

TEST_CASE("a function that was removed keeps its counts") {
  Simulation sim;
  REQUIRE(sim.engine().Register("work", SleepFor).ok());
  REQUIRE(sim.engine().Invoke("work", "0").ok());
  REQUIRE(sim.engine().Remove("work").ok());
  CHECK(Parse(PrometheusText(sim.engine())).at("runlet_invocations_total{function=\"work\"}") == 1);
}

}  // namespace
}  // namespace runlet
