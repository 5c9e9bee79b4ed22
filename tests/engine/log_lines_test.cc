// The log of a run, line by line.
#include "runlet/observe/log_lines.h"

#include <absl/strings/str_replace.h>

#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "runlet/runlet.h"
#include "runlet/testing/simulation.h"
#include "tests/catch.h"

namespace runlet {
namespace {

using testing::Simulation;
using testing::SimulationOptions;

// Sleeps for as many milliseconds as the event says; "0" fails.
absl::Status Work(std::string_view event, Context& context) {
  if (event == "0") return absl::UnavailableError("down");
  context.Sleep(absl::Milliseconds(std::stoi(std::string(event))));
  return absl::OkStatus();
}

// The log of whatever `run` does in a simulation, with A, B, ... in place of the request ids.
template <typename Run>
std::string LogOf(LogFormat format, Run run) {
  std::string text;
  const SimulationOptions defaults;
  const ManualClock clock(defaults.start);
  LogLines log([&](std::string_view line) { text += std::string(line) + '\n'; }, format, clock);
  SimulationOptions options;
  options.engine.observer = &log;
  Simulation sim(std::move(options));
  REQUIRE(sim.engine().Register("work", Work, {.memory_size = 512}).ok());
  run(sim);
  std::map<std::string, char> names;
  for (const testing::LedgerEntry& started : sim.Ledger().Of(Activity::Kind::kStarted)) {
    const std::string id = started.request_id.ToString();
    if (names.emplace(id, 'A' + static_cast<char>(names.size())).second) {
      text = absl::StrReplaceAll(text, {{id, std::string(1, names[id])}});
    }
  }
  return text;
}

void SucceedFailAndOverrun(Simulation& sim) {
  CHECK(sim.engine().Invoke("work", "20").ok());
  CHECK(!sim.engine().Invoke("work", "0").ok());
  CHECK(!sim.engine().Invoke("work", "5000").ok());
}

TEST_CASE("the log of a success, an error and a timeout, in text") {
  CHECK(
      LogOf(LogFormat::kText, SucceedFailAndOverrun) ==
      "START RequestId: A Version: $LATEST\n"
      "END RequestId: A\n"
      "REPORT RequestId: A\tDuration: 20.00 ms\tBilled Duration: 20 ms\tMemory Size: 512 MB\tMax Memory Used: 0 MB\t\n"
      "START RequestId: B Version: $LATEST\n"
      "END RequestId: B\n"
      "REPORT RequestId: B\tDuration: 0.00 ms\tBilled Duration: 1 ms\tMemory Size: 512 MB\tMax Memory Used: 0 MB\t"
      "Status: error\tError Type: Unavailable\n"
      "START RequestId: C Version: $LATEST\n"
      "2023-11-14T22:13:23.020Z C Task timed out after 3.00 seconds\n"
      "END RequestId: C\n"
      "REPORT RequestId: C\tDuration: 3000.00 ms\tBilled Duration: 3000 ms\tMemory Size: 512 MB\tMax Memory Used: 0 MB"
      "\tStatus: timeout\n");
}

TEST_CASE("the log of a success, an error and a timeout, in JSON") {
  CHECK(LogOf(LogFormat::kJson, SucceedFailAndOverrun) ==
        R"({"time":"2023-11-14T22:13:20.000Z","type":"platform.start","record":{"requestId":"A","version":"$LATEST"}}
{"time":"2023-11-14T22:13:20.020Z","type":"platform.runtimeDone","record":{"requestId":"A","status":"success","metrics":{"durationMs":20.0}}}
{"time":"2023-11-14T22:13:20.020Z","type":"platform.report","record":{"requestId":"A","status":"success","metrics":{"durationMs":20.0,"billedDurationMs":20,"memorySizeMB":512,"maxMemoryUsedMB":0}}}
{"time":"2023-11-14T22:13:20.020Z","type":"platform.start","record":{"requestId":"B","version":"$LATEST"}}
{"time":"2023-11-14T22:13:20.020Z","type":"platform.runtimeDone","record":{"requestId":"B","status":"error","errorType":"Unavailable","metrics":{"durationMs":0.0}}}
{"time":"2023-11-14T22:13:20.020Z","type":"platform.report","record":{"requestId":"B","status":"error","errorType":"Unavailable","metrics":{"durationMs":0.0,"billedDurationMs":1,"memorySizeMB":512,"maxMemoryUsedMB":0}}}
{"time":"2023-11-14T22:13:20.020Z","type":"platform.start","record":{"requestId":"C","version":"$LATEST"}}
{"time":"2023-11-14T22:13:23.020Z","type":"platform.runtimeDone","record":{"requestId":"C","status":"timeout","metrics":{"durationMs":3000.0}}}
{"time":"2023-11-14T22:13:23.020Z","type":"platform.report","record":{"requestId":"C","status":"timeout","metrics":{"durationMs":3000.0,"billedDurationMs":3000,"memorySizeMB":512,"maxMemoryUsedMB":0}}}
)");
}

TEST_CASE("executions that run together interleave in the log") {
  CHECK(
      LogOf(LogFormat::kText,
            [](Simulation& sim) {
              Future<std::string> slow = sim.engine().Start("work", "30");
              sim.AdvanceBy(absl::Milliseconds(10));
              Future<std::string> quick = sim.engine().Start("work", "10");
              CHECK(std::move(slow).Get().ok());
              CHECK(std::move(quick).Get().ok());
            }) ==
      "START RequestId: A Version: $LATEST\n"
      "START RequestId: B Version: $LATEST\n"
      "END RequestId: B\n"
      "REPORT RequestId: B\tDuration: 10.00 ms\tBilled Duration: 10 ms\tMemory Size: 512 MB\tMax Memory Used: 0 MB\t\n"
      "END RequestId: A\n"
      "REPORT RequestId: A\tDuration: 30.00 ms\tBilled Duration: 30 ms\tMemory Size: 512 MB\tMax Memory Used: 0 MB\t"
      "\n");
}

TEST_CASE("every attempt of an event has a report, under the event's one id") {
  const std::string log = LogOf(LogFormat::kText, [](Simulation& sim) {
    CHECK(sim.engine().Post("work", "0").ok());
    sim.RunUntilIdle();
  });
  std::size_t reports = 0;
  for (std::size_t at = log.find("REPORT RequestId: A"); at != log.npos; at = log.find("REPORT RequestId: A", at + 1)) {
    ++reports;
  }
  CHECK(reports == 3);
  CHECK(log.find("RequestId: B") == log.npos);
}

TEST_CASE("a log that many threads write at once loses no line and mixes none") {
  std::mutex mu;
  std::map<std::string, int> lines;
  LogLines log([&](std::string_view line) {
    const std::lock_guard lock(mu);
    ++lines[std::string(line.substr(0, line.find(' ')))];
  });
  absl::StatusOr<Engine> engine = Engine::Create({.observer = &log});
  REQUIRE(engine.ok());
  REQUIRE(engine->Register("work", [](std::string_view) {}).ok());
  REQUIRE(engine->PostAll("work", std::vector<std::string>(500, "{}")).ok());
  REQUIRE(engine->WaitIdle(absl::Minutes(1)).ok());
  const std::lock_guard lock(mu);
  CHECK(lines == std::map<std::string, int>{{"START", 500}, {"END", 500}, {"REPORT", 500}});
}

}  // namespace
}  // namespace runlet
