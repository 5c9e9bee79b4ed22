// The end of one call's log, for its caller.
#include <absl/strings/match.h>

#include <string>
#include <string_view>
#include <utility>

#include "runlet/runlet.h"
#include "runlet/testing/simulation.h"
#include "tests/catch.h"

namespace runlet {
namespace {

using testing::Simulation;

constexpr InvokeOptions kTail = {.log_tail = true};

std::string TailOf(Simulation& sim, Future<std::string> call) {
  CHECK(call.WaitUntil(absl::InfiniteFuture()));
  sim.RunUntilIdle();
  return call.log_tail();
}

TEST_CASE("the log tail holds what Lambda writes around the lines of the handler") {
  Simulation sim;
  REQUIRE(sim.engine()
              .Register("work",
                        [](std::string_view, Context& ctx) {
                          ctx.Log("hello");
                          ctx.Sleep(absl::Milliseconds(2));
                        })
              .ok());
  Future<std::string> call = sim.engine().Start("work", "", kTail);
  const std::string id = call.request_id().ToString();
  CHECK(TailOf(sim, std::move(call)) ==
        "START RequestId: " + id + " Version: $LATEST\nhello\nEND RequestId: " + id + "\nREPORT RequestId: " + id +
            "\tDuration: 2.00 ms\tBilled Duration: 2 ms\tMemory Size: 128 MB\tMax Memory Used: 0 MB\t\n");
  CHECK(TailOf(sim, sim.engine().Start("work", "")).empty());
}

TEST_CASE("the log tail is the last 4 KB") {
  Simulation sim;
  REQUIRE(sim.engine()
              .Register("work",
                        [](std::string_view, Context& ctx) {
                          for (int i = 0; i < 1000; ++i) ctx.Log("line " + std::to_string(i));
                        })
              .ok());
  const std::string tail = TailOf(sim, sim.engine().Start("work", "", kTail));
  CHECK(tail.size() == kLogTailMax);
  CHECK(absl::StrContains(tail, "\nline 999\nEND RequestId: "));
  CHECK(!absl::StrContains(tail, "line 1\n"));
}

TEST_CASE("the log tail of a handler that overran ends with the report of its timeout") {
  Simulation sim;
  REQUIRE(sim.engine()
              .Register("late",
                        [](std::string_view, Context& ctx) {
                          ctx.Log("before");
                          while (ctx.Sleep(absl::Seconds(10))) {
                          }
                          ctx.Log("too late");
                        })
              .ok());
  const std::string tail = TailOf(sim, sim.engine().Start("late", "", kTail));
  CHECK(absl::StrContains(tail, "before\n"));
  CHECK(absl::StrContains(tail, "Task timed out after 3.00 seconds\nEND RequestId: "));
  CHECK(absl::EndsWith(tail, "Status: timeout\n"));
}

}  // namespace
}  // namespace runlet
