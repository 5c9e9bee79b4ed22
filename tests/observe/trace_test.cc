// A trace of activities made by hand: in any order, with any text, beyond its limit.
#include "runlet/observe/trace.h"

#include <absl/status/status.h>

#include <cstdint>
#include <cstdio>
#include <map>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "tests/catch.h"
#include "tests/observe/trace_check.h"

namespace runlet {
namespace {

using Kind = Activity::Kind;

RequestId Id(std::uint64_t n) { return RequestId::FromBits(n, n); }

Activity Of(Kind kind, std::int64_t at_ns, std::uint64_t id = 1, int attempt = 1) {
  Activity activity;
  activity.kind = kind;
  activity.type = InvocationType::kEvent;
  activity.at = {at_ns};
  activity.attempt = attempt;
  activity.request_id = Id(id);
  activity.function = "f";
  return activity;
}
Activity Ended(Kind kind, std::int64_t at_ns, std::int64_t duration_ns, std::uint64_t id = 1, int attempt = 1) {
  Activity activity = Of(kind, at_ns, id, attempt);
  activity.duration_ns = duration_ns;
  return activity;
}
void Run(ChromeTrace& trace, std::int64_t from_ns, std::int64_t to_ns, std::uint64_t id = 1, int attempt = 1) {
  trace.OnActivity(Of(Kind::kStarted, from_ns, id, attempt));
  trace.OnActivity(Ended(Kind::kSucceeded, to_ns, to_ns - from_ns, id, attempt));
}

TEST_CASE("a trace of nothing is JSON") {
  const ChromeTrace trace;
  const CheckedTrace checked(trace);
  CHECK(checked.executions().empty());
  CHECK(checked.arrows() == 0);
}

TEST_CASE("a trace, to the letter") {
  ChromeTrace trace;
  trace.OnActivity(Of(Kind::kAccepted, 1'000, 1, 0));
  trace.OnActivity(Of(Kind::kStarted, 2'000));
  Activity failed = Ended(Kind::kFailed, 3'500, 1'500);
  failed.error_type = "Unavailable";
  failed.error_message = "not \"yet\"";
  trace.OnActivity(failed);
  Activity retry = Of(Kind::kRetryScheduled, 3'500);
  retry.due = {60'000'003'500};
  trace.OnActivity(retry);
  Run(trace, 60'000'003'500, 60'000'003'501, 1, 2);
  trace.OnActivity(Of(Kind::kEnded, 60'000'003'501, 1, 2));
  CHECK(trace.ToJson() ==
        R"([
{"name":"process_name","ph":"M","pid":1,"tid":0,"args":{"name":"runlet"}},
{"name":"thread_name","ph":"M","pid":1,"tid":1,"args":{"name":"thread 1"}},
{"name":"thread_sort_index","ph":"M","pid":1,"tid":1,"args":{"sort_index":1}},
{"name":"accepted","cat":"event","pid":1,"tid":1,"ph":"X","ts":1.000,"dur":0,"args":{"function":"f","request_id":"00000000-0000-4001-8000-000000000001"}},
{"name":"event","cat":"event","ph":"s","id":1,"pid":1,"tid":1,"ts":1.000},
{"name":"f","cat":"event","pid":1,"tid":1,"ph":"X","ts":2.000,"dur":1.500,"args":{"function":"f","request_id":"00000000-0000-4001-8000-000000000001","attempt":1,"outcome":"failed","error_type":"Unavailable","error_message":"not \"yet\""}},
{"name":"event","cat":"event","ph":"f","bp":"e","id":1,"pid":1,"tid":1,"ts":2.000},
{"name":"event","cat":"event","ph":"s","id":2,"pid":1,"tid":1,"ts":2.000},
{"name":"retry scheduled","cat":"event","pid":1,"tid":1,"ph":"i","s":"t","ts":3.500,"args":{"function":"f","request_id":"00000000-0000-4001-8000-000000000001","attempt":1,"next_try_in_ms":60000}},
{"name":"f","cat":"event","pid":1,"tid":1,"ph":"X","ts":60000003.500,"dur":0.001,"args":{"function":"f","request_id":"00000000-0000-4001-8000-000000000001","attempt":2,"outcome":"succeeded"}},
{"name":"event","cat":"event","ph":"f","bp":"e","id":2,"pid":1,"tid":1,"ts":60000003.500},
{"name":"ended","cat":"event","pid":1,"tid":1,"ph":"i","s":"t","ts":60000003.501,"args":{"function":"f","request_id":"00000000-0000-4001-8000-000000000001","attempt":2,"condition":"Success"}}
]
)");
}

TEST_CASE("an attempt that has not ended lasts until the latest record") {
  ChromeTrace trace;
  trace.OnActivity(Of(Kind::kStarted, 1'000));
  trace.OnActivity(Of(Kind::kThrottled, 5'000, 2));
  const auto running = CheckedTrace(trace).executions();
  REQUIRE(running.size() == 1);
  CHECK(running[0]["args"]["outcome"] == "running");
  CHECK(running[0]["dur"] == 4);
  trace.OnActivity(Ended(Kind::kTimedOut, 9'000, 8'000));
  const auto ended = CheckedTrace(trace).executions();
  REQUIRE(ended.size() == 1);
  CHECK(ended[0]["args"]["outcome"] == "timed out");
  CHECK(ended[0]["dur"] == 8);
}

TEST_CASE("an end that another thread tells belongs to the thread of the start") {
  ChromeTrace trace;
  trace.OnActivity(Of(Kind::kStarted, 0));
  std::thread([&] {
    trace.OnActivity(Ended(Kind::kTimedOut, 3'000, 3'000));
    trace.OnActivity(Of(Kind::kRetryScheduled, 3'000));
  }).join();
  const CheckedTrace checked(trace);
  REQUIRE(checked.executions().size() == 1);
  CHECK(checked.executions()[0]["tid"] == 1);
  CHECK(checked.Marks("retry scheduled").at(0)["tid"] == 2);
}

TEST_CASE("an end that is told before its start is one slice all the same") {
  ChromeTrace trace;
  trace.OnActivity(Ended(Kind::kTimedOut, 3'000, 3'000));
  trace.OnActivity(Of(Kind::kStarted, 0));
  CHECK(CheckedTrace(trace).executions().size() == 1);
}

TEST_CASE("what happens in no time is told with the cause before the effect") {
  ChromeTrace trace;
  trace.OnActivity(Of(Kind::kStarted, 0));
  trace.OnActivity(Of(Kind::kAccepted, 0, 2, 0));
  Run(trace, 0, 0, 2, 1);
  Run(trace, 0, 0, 2, 2);
  Run(trace, 0, 9'000, 2, 3);
  trace.OnActivity(Ended(Kind::kSucceeded, 5'000, 5'000));
  trace.OnActivity(Of(Kind::kAccepted, 0, 1, 0));
  CHECK(CheckedTrace(trace).arrows() == 4);
}

TEST_CASE("an event that runs before its acceptance is told has its arrow") {
  ChromeTrace trace;
  Run(trace, 1'000, 2'000);
  trace.OnActivity(Of(Kind::kAccepted, 1'500, 1, 0));
  CHECK(CheckedTrace(trace).arrows() == 1);
}

TEST_CASE("an attempt without its cause, and a cause without its attempt, have no arrow") {
  ChromeTrace trace;
  Run(trace, 1'000, 2'000, 1, 2);
  trace.OnActivity(Of(Kind::kAccepted, 3'000, 2, 0));
  const CheckedTrace checked(trace);
  CHECK(checked.arrows() == 0);
  CHECK(checked.Marks("accepted").size() == 1);
}

TEST_CASE("calls have no arrows, even if they had the same id") {
  ChromeTrace trace;
  for (const int attempt : {1, 2}) {
    Activity call = Of(Kind::kStarted, attempt * 1'000, 1, attempt);
    call.type = InvocationType::kRequestResponse;
    trace.OnActivity(call);
    call.kind = Kind::kSucceeded;
    trace.OnActivity(call);
  }
  CHECK(CheckedTrace(trace).arrows() == 0);
}

TEST_CASE("slices that overlap are spread over tracks, nested ones are not") {
  ChromeTrace trace;
  Run(trace, 0, 10'000, 1);
  Run(trace, 2'000, 8'000, 2);   // in 1
  Run(trace, 5'000, 12'000, 3);  // across both ends
  Run(trace, 10'000, 11'000, 4);
  Run(trace, 10'000, 10'000, 5);
  Run(trace, 11'000, 13'000, 6);
  const CheckedTrace checked(trace);
  std::map<std::string, int> tracks;
  for (const nlohmann::json& slice : checked.executions()) tracks[slice["args"]["request_id"]] = slice["tid"];
  const std::vector<int> expected = {1, 1, 2, 1, 1, 1};
  for (std::uint64_t id = 1; id <= 6; ++id) {
    INFO(id);
    CHECK(tracks[Id(id).ToString()] == expected[id - 1]);
  }
}

TEST_CASE("whatever an error says, the trace is JSON") {
  const std::vector<std::string> texts = {"\"",        "\\",           "\n\r\t\b\f",   std::string("\0\x01\x1f\x7f", 4),
                                          "\xff\xfe",  "\xc3",         "\xed\xa0\x80", "\xf0\x9f\x98\x80",
                                          "</script>", "\xe2\x80\xa8", "{\"a\":[1,2",  std::string(100'000, '\x02')};
  ChromeTrace trace;
  std::uint64_t id = 0;
  for (const std::string& text : texts) {
    ++id;
    Activity failed = Ended(Kind::kFailed, static_cast<std::int64_t>(id), 0, id);
    failed.error_type = text;
    failed.error_message = text;
    failed.function = text;
    trace.OnActivity(failed);
  }
  const auto executions = CheckedTrace(trace).executions();
  REQUIRE(executions.size() == texts.size());
  for (const std::size_t unchanged : {0, 1, 2, 3, 7, 8, 9, 10}) {
    CHECK(executions[unchanged]["args"]["error_message"] == texts[unchanged]);
    CHECK(executions[unchanged]["name"] == texts[unchanged]);
  }
  CHECK(executions[4]["args"]["error_type"] == "\xEF\xBF\xBD\xEF\xBF\xBD");
  CHECK(executions[11]["args"]["error_message"] == std::string(1024, '\x02'));
}

TEST_CASE("a full trace drops what comes, counts it, and says so") {
  ChromeTrace trace({.max_records = 3});
  trace.OnActivity(Of(Kind::kAccepted, 0, 1, 0));
  Run(trace, 1'000, 2'000);
  trace.OnActivity(Of(Kind::kEnded, 2'000));
  CHECK(trace.dropped() == 0);
  CHECK(CheckedTrace(trace).all().dump().find("dropped") == std::string::npos);
  trace.OnActivity(Of(Kind::kAccepted, 7'000, 2, 0));
  Run(trace, 8'000, 9'000, 2);
  CHECK(trace.dropped() == 2);
  const CheckedTrace checked(trace);
  CHECK(checked.arrows() == 1);
  CHECK(checked.executions().size() == 1);
  const auto marks = checked.Marks("2 records dropped from here on");
  REQUIRE(marks.size() == 1);
  CHECK(marks[0]["ts"] == 7);
  CHECK(marks[0]["args"]["dropped"] == 2);
  CHECK(marks[0]["args"]["max_records"] == 3);
}

TEST_CASE("a trace of no records counts them all") {
  ChromeTrace trace({.max_records = 0});
  Run(trace, 0, 1);
  CHECK(trace.dropped() == 1);
  CHECK(CheckedTrace(trace).executions().empty());
}

TEST_CASE("an end is marked as a dead letter where it leaves one") {
  ChromeTrace trace;
  const std::vector<Condition> none = {Condition::kSuccess, Condition::kCancelled, Condition::kParked};
  const std::vector<Condition> letter = {Condition::kRetriesExhausted, Condition::kNotRetryable,
                                         Condition::kFunctionRemoved};
  for (const auto& conditions : {none, letter}) {
    for (const Condition condition : conditions) {
      Activity ended = Of(Kind::kEnded, 0);
      ended.condition = condition;
      trace.OnActivity(ended);
    }
  }
  const CheckedTrace checked(trace);
  CHECK(checked.Marks("ended").size() == none.size());
  CHECK(checked.Marks("dead letter").size() == letter.size());
}

TEST_CASE("a trace is written to a file, or the error names it") {
  ChromeTrace trace;
  for (std::uint64_t id = 1; id <= 2'000; ++id) Run(trace, 0, 1, id);  // several pieces
  const std::string path = "trace_test.json";
  REQUIRE(trace.WriteTo(path).ok());
  std::string text(trace.ToJson().size() + 1, ' ');
  std::FILE* file = std::fopen(path.c_str(), "rb");
  REQUIRE(file != nullptr);
  text.resize(std::fread(text.data(), 1, text.size(), file));
  std::fclose(file);
  std::remove(path.c_str());
  CHECK(text == trace.ToJson());

  const absl::Status missing = trace.WriteTo("no such folder/trace.json");
  CHECK(missing.code() == absl::StatusCode::kNotFound);
  CHECK(std::string(missing.message()).find("no such folder/trace.json") != std::string::npos);
  CHECK(!trace.WriteTo("/dev/full").ok());
}

TEST_CASE("many threads may be traced while the trace is read") {
  ChromeTrace trace({.max_records = 20'000});
  std::vector<std::thread> threads;
  for (std::uint64_t n = 0; n < 4; ++n) {
    threads.emplace_back([&trace, n] {
      for (std::uint64_t i = 0; i < 3'000; ++i) {
        const std::uint64_t id = 1 + n * 10'000 + i;
        const auto at = static_cast<std::int64_t>(1'000 * i);
        trace.OnActivity(Of(Kind::kAccepted, at, id, 0));
        Run(trace, at, at + 500, id);
      }
    });
  }
  for (int i = 0; i < 3; ++i) CHECK(!trace.ToJson().empty());
  for (std::thread& thread : threads) thread.join();
  CHECK(trace.dropped() == 4 * 6'000 - 20'000);
}

}  // namespace
}  // namespace runlet
