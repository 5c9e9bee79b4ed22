// One line of Lambda's at a time, from activities made by hand.
#include "runlet/observe/log_lines.h"

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "runlet/base/time.h"
#include "tests/catch.h"

namespace runlet {
namespace {

using Lines = std::vector<std::string>;

constexpr RequestId kId = RequestId::FromBits(0x0123456789ABCDEF, 0x0123456789ABCDEF);
const std::string kIdText = "01234567-89ab-4def-8123-456789abcdef";

// An execution of 3 s that ends 3 s after the clock's zero.
Activity Ended(Activity::Kind kind, std::int64_t duration_ns = 3'000'000'000) {
  Activity activity;
  activity.kind = kind;
  activity.memory_size = 128;
  activity.at = {3'000'000'000};
  activity.duration_ns = duration_ns;
  activity.request_id = kId;
  activity.function = "f";
  return activity;
}

Lines LinesOf(const Activity& activity, LogFormat format, const ManualClock& clock = ManualClock()) {
  Lines lines;
  LogLines log([&](std::string_view line) { lines.emplace_back(line); }, format, clock);
  log.OnActivity(activity);
  return lines;
}
Lines Text(const Activity& activity) { return LinesOf(activity, LogFormat::kText); }
Lines Json(const Activity& activity) { return LinesOf(activity, LogFormat::kJson); }

TEST_CASE("durations have two digits in text, and are billed by the millisecond begun") {
  const auto durations = [](std::int64_t ns) {
    const std::string line = Text(Ended(Activity::Kind::kSucceeded, ns)).back();
    const std::size_t begin = line.find('\t') + 1;
    return line.substr(begin, line.find("\tMemory") - begin);
  };
  CHECK(durations(3'010'000) == "Duration: 3.01 ms\tBilled Duration: 4 ms");
  CHECK(durations(0) == "Duration: 0.00 ms\tBilled Duration: 1 ms");
  CHECK(durations(-20) == "Duration: 0.00 ms\tBilled Duration: 1 ms");
  CHECK(durations(4'999) == "Duration: 0.00 ms\tBilled Duration: 1 ms");
  CHECK(durations(5'001) == "Duration: 0.01 ms\tBilled Duration: 1 ms");
  CHECK(durations(1'000'000) == "Duration: 1.00 ms\tBilled Duration: 1 ms");
  CHECK(durations(1'000'001) == "Duration: 1.00 ms\tBilled Duration: 2 ms");
  CHECK(durations(900'000'000'000) == "Duration: 900000.00 ms\tBilled Duration: 900000 ms");
}

TEST_CASE("durations in JSON have the digits that they need, one at least and three at most") {
  const auto duration = [](std::int64_t ns) {
    const std::string line = Json(Ended(Activity::Kind::kSucceeded, ns)).front();
    const std::size_t begin = line.find("durationMs\":") + 12;
    return line.substr(begin, line.find('}') - begin);
  };
  CHECK(duration(0) == "0.0");
  CHECK(duration(499) == "0.0");
  CHECK(duration(500) == "0.001");
  CHECK(duration(13'740'000) == "13.74");
  CHECK(duration(5'000'000'000) == "5000.0");
  CHECK(duration(1'056'000) == "1.056");
}

TEST_CASE("a time is what the calendar showed when it happened, however late it is written") {
  ManualClock clock(absl::FromUnixMillis(1'700'000'000'123));
  clock.AdvanceBy(absl::Hours(5));
  CHECK(LinesOf(Ended(Activity::Kind::kStarted), LogFormat::kJson, clock) ==
        Lines{R"({"time":"2023-11-14T22:13:23.123Z","type":"platform.start","record":{"requestId":")" + kIdText +
              R"(","version":"$LATEST"}})"});
}

TEST_CASE("an error type of several lines stays on its line") {
  Activity failed = Ended(Activity::Kind::kFailed);
  failed.error_type = "a\tb\r\nc";
  CHECK(Text(failed).size() == 2);
  const std::string report = Text(failed).back();
  CHECK(report.substr(report.find("Status")) == "Status: error\tError Type: a b  c");
}

TEST_CASE("an error type is a JSON string, whatever is in it") {
  Activity failed = Ended(Activity::Kind::kFailed);
  failed.error_type = "std::vector<\"x\\y\">\x01\xFF\n";
  const std::string expected = R"("status":"error","errorType":"std::vector<\"x\\y\">\u0001)"
                               "\xEF\xBF\xBD"
                               R"(\n","metrics")";
  for (const std::string& line : Json(failed)) CHECK(line.find(expected) != std::string::npos);
}

TEST_CASE("a timeout of a foreign wording is told in its own words") {
  Activity timed_out = Ended(Activity::Kind::kTimedOut);
  timed_out.error_message = "too slow";
  CHECK(Text(timed_out).front() == "2023-11-14T22:13:23.000Z " + kIdText + " too slow");
}

TEST_CASE("what is no execution has no line") {
  for (const auto kind :
       {Activity::Kind::kAccepted, Activity::Kind::kRefused, Activity::Kind::kLateResult, Activity::Kind::kThrottled,
        Activity::Kind::kRetryScheduled, Activity::Kind::kEnded, Activity::Kind::kRedriven,
        Activity::Kind::kDeadLetterError, Activity::Kind::kRegistered, Activity::Kind::kRemoved}) {
    CHECK(Text(Ended(kind)).empty());
    CHECK(Json(Ended(kind)).empty());
  }
}

}  // namespace
}  // namespace runlet
