// What a run would have cost: the engine's counts, priced.
#include <string>
#include <string_view>

#include "runlet/runlet.h"
#include "runlet/testing/simulation.h"
#include "tests/catch.h"

namespace runlet {
namespace {

using testing::Simulation;

TEST_CASE("a scripted mix costs what one computes by hand") {
  Simulation sim({.engine = {.concurrency = 1}});
  Engine& engine = sim.engine();
  const auto sleep = [](std::string_view event, Context& ctx) -> absl::Status {
    ctx.Sleep(absl::Milliseconds(std::stoi(std::string(event))));
    return event == "700" ? absl::UnavailableError("down") : absl::OkStatus();
  };
  REQUIRE(engine.Register("small", sleep, {.memory_size = 128}).ok());
  REQUIRE(engine.Register("large", sleep, {.timeout = absl::Seconds(1), .memory_size = 2048}).ok());
  REQUIRE(engine.Register("idle", sleep).ok());
  for (int i = 0; i < 4; ++i) REQUIRE(engine.Invoke("small", "250").ok());
  REQUIRE(engine.Post("small", "700").ok());    // fails three times, and each is billed
  CHECK(!engine.Invoke("large", "5000").ok());  // timed out after 1 s
  sim.RunUntilIdle();
  Future<std::string> holder = engine.Start("small", "1000");
  CHECK(!engine.Start("small", "1").Get().ok());  // throttled: costs nothing
  REQUIRE(std::move(holder).Get().ok());

  // small: 4 x 250 ms + 3 x 700 ms + 1,000 ms at 128 MB; large: 1,000 ms at 2,048 MB.
  const Bill bill = engine.Bill(Price::X86());
  REQUIRE(bill.lines.size() == 2);
  CHECK(bill.lines[0].name == "small");
  CHECK(bill.lines[0].requests == 8);
  CHECK(bill.lines[0].mb_milliseconds == 128 * 4100);
  CHECK(bill.lines[1].requests == 1);
  CHECK(bill.lines[1].mb_milliseconds == 2048 * 1000);
  CHECK(bill.gb_seconds() == Approx(0.5125 + 2));
  CHECK(bill.total() == Approx(9 * 0.20 / 1e6 + 2.5125 * 0.0000166667));
  CHECK(engine.Bill(Price::X86().WithFreeTier()).total() == 0);
}

TEST_CASE("a function that was given more memory pays for what each execution had") {
  Simulation sim;
  Engine& engine = sim.engine();
  const auto sleep = [](std::string_view, Context& ctx) { ctx.Sleep(absl::Seconds(1)); };
  REQUIRE(engine.Register("f", sleep, {.memory_size = 128}).ok());
  REQUIRE(engine.Invoke("f", "").ok());
  REQUIRE(engine.Replace("f", sleep, {.memory_size = 1024}).ok());
  REQUIRE(engine.Invoke("f", "").ok());
  CHECK(engine.Metrics("f").value().gb_seconds() == Approx(1.125));
  CHECK(engine.Bill(Price::Arm()).lines.at(0).mb_milliseconds == 1'152'000);
}

TEST_CASE("who ran nothing pays nothing") {
  Engine engine;
  const Bill bill = engine.Bill(Price::X86());
  CHECK(bill.lines.empty());
  CHECK(bill.total() == 0);
}

}  // namespace
}  // namespace runlet
