// A release by hand: a new version gets a tenth of the calls, and none any more once it fails.
#include <absl/time/time.h>
#include <fmt/format.h>
#include <runlet/runlet.h>
#include <runlet/testing/simulation.h>

#include <string>
#include <string_view>

#include "expect.h"

namespace {

int CountFailures(runlet::Engine& engine, int calls) {
  int failures = 0;
  for (int i = 0; i < calls; ++i) failures += engine.Invoke("greet:live", "ada").ok() ? 0 : 1;
  return failures;
}

}  // namespace

int main() {
  runlet::testing::Simulation sim({.seed = 42});
  runlet::Engine& engine = sim.engine();
  ExpectOk(engine.Register("greet", [](std::string_view name) { return fmt::format("hello {}", name); }));

  // [release]
  ExpectOk(engine.PublishVersion("greet").status());  // "1"
  ExpectOk(engine.CreateAlias("greet", {.name = "live", .version = "1"}));

  // Callers say "greet:live". What is registered next reaches none of them before it is published and led to.
  ExpectOk(engine.Replace("greet", [](std::string_view) { return absl::InternalError("a mistake"); }));
  ExpectOk(engine.PublishVersion("greet").status());  // "2"
  ExpectOk(engine.UpdateAlias("greet",
                              {.name = "live", .version = "1", .additional_version = "2", .additional_weight = 0.1}));
  // [/release]

  const int failures = CountFailures(engine, 1000);
  fmt::print("{} of 1000 calls met the new version's mistake\n", failures);
  Expect(failures > 50 && failures < 150, "about a tenth of the calls run the new version");

  ExpectOk(engine.UpdateAlias("greet", {.name = "live", .version = "1"}));
  Expect(CountFailures(engine, 1000) == 0, "the way back is one call");

  // Events that wait follow the alias: this one is accepted while version 2 has it all, and runs on version 1.
  ExpectOk(engine.UpdateAlias("greet", {.name = "live", .version = "2"}));
  ExpectOk(engine.Post("greet:live", "ada", {.delay = absl::Seconds(1)}).status());
  ExpectOk(engine.UpdateAlias("greet", {.name = "live", .version = "1"}));
  sim.RunUntilIdle();
  Expect(sim.DeadLetters().empty(), "the event ran on the version that the alias leads to by then");

  // Three places of the engine's are for callers of the alias alone.
  ExpectOk(engine.SetProvisionedConcurrency("greet:live", 3));
  const runlet::FunctionMetrics all = engine.Metrics("greet").value();
  fmt::print("{} executions, {} by the alias\n", all.invocations, engine.Metrics("greet:live").value().invocations);
  return 0;
}
