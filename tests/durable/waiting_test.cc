// What waits is seen, wherever it waits: by Cancel, by Explain, by Remove.
#include <string>
#include <thread>
#include <vector>

#include "tests/durable/host.h"

namespace runlet::durable_test {
namespace {

constexpr absl::Duration kWindow = absl::Hours(24);

// The id of the event that was posted with `key`.
RequestId IdOf(Engine& engine, const std::string& function, const std::string& key) {
  return engine.Post(function, "none", {.dedup_key = key, .dedup_window = kWindow}).value();
}

// A file whose owner died while the events "0", "1" and "2" of each of `functions` ran, posted with these keys.
std::string FileOfSuspects(const std::string& name, const std::vector<std::string>& functions) {
  const std::string path = FreshFile(name);
  REQUIRE(Killed([&] {
    Host host(path);
    const auto wait = [](std::string_view, Context& context) { context.Sleep(absl::Hours(1)); };
    for (const std::string& function : functions) {
      if (!host.engine().Register(function, wait, {.timeout = absl::Minutes(15)}).ok()) _exit(1);
      for (const std::string key : {"0", "1", "2"})
        (void)host.engine().Post(function, key, {.dedup_key = key, .dedup_window = kWindow});
    }
    host.sim().AdvanceBy(absl::Seconds(1));
    if (host.stats().running != 3 * functions.size()) _exit(1);
    raise(SIGKILL);
  }));
  return path;
}

TEST_CASE("a suspect that waits for its turn is explained, and cancelled") {
  Host host(FileOfSuspects("cancelled-suspects", {"f"}));
  std::vector<std::string> ran;
  REQUIRE(host.engine().Register("f", [&](std::string_view event) { ran.emplace_back(event); }).ok());
  for (const std::string key : {"0", "2"}) {
    const RequestId id = IdOf(host.engine(), "f", key);
    CHECK(host.engine().Explain(id)->state == Explanation::State::kQueued);
    CHECK(host.engine().Cancel(id).ToString() == "OK");
    CHECK(host.engine().Cancel(id).code() == absl::StatusCode::kNotFound);
  }
  CHECK(host.stats().ended == 2);
  host.sim().RunUntilIdle();
  CHECK(ran == std::vector<std::string>{"1"});
  CHECK(host.stats().accepted == 3);
}

TEST_CASE("removing a function ends its suspects too, and nobody else's") {
  Host host(FileOfSuspects("removed-suspects", {"f", "g"}));
  int ran = 0;
  for (const char* const function : {"f", "g"})
    REQUIRE(host.engine().Register(function, [&](std::string_view) { ++ran; }).ok());
  REQUIRE(host.engine().Remove("f").ok());
  CHECK(host.stats().ended == 3);
  CHECK(host.sim().DeadLetters().size() == 3);
  for (const DeadLetter& letter : host.sim().DeadLetters()) CHECK(letter.condition == Condition::kFunctionRemoved);
  host.sim().RunUntilIdle();
  CHECK(ran == 3);
}

TEST_CASE("a suspect whose payload is damaged keeps no other from its turn") {
  const std::string path = FileOfSuspects("damaged-suspect", {"f"});
  {
    Host host(path);  // nothing is registered: they wait
    REQUIRE(host.queue()
                .Transaction([](sqlite3* db) {
                  return durable::Execute(db, "UPDATE runlet_event SET payload = 'x' WHERE seq = 1");
                })
                .ok());
  }
  Host host(path);
  int ran = 0;
  REQUIRE(host.engine().Register("f", [&](std::string_view) { ++ran; }).ok());
  host.sim().RunUntilIdle();
  CHECK(ran == 2);
  CHECK(host.queue().damages().size() == 1);
}

TEST_CASE("an event of a function that nobody has registered is explained, and cannot be cancelled") {
  const std::string path = FreshFile("shelved");
  RequestId id;
  {
    Host host(path);
    REQUIRE(host.engine().Register("old", [](std::string_view) {}).ok());
    id = host.engine().Post("old", "1").value();
  }
  Host host(path);
  REQUIRE(host.engine().Register("new", [](std::string_view) {}).ok());
  const absl::StatusOr<Explanation> explanation = host.engine().Explain(id);
  REQUIRE(explanation.ok());
  CHECK(explanation->function == "old");
  CHECK(host.engine().Cancel(id).code() == absl::StatusCode::kNotFound);
  CHECK(host.stats().stranded == 1);
}

TEST_CASE("a cancelled event is found although others are just reading the file", "[realtime]") {
  constexpr int kThreads = 4;
  const std::string path = FreshFile("cancelled-while-read");
  std::vector<RequestId> ids;
  {
    Host host(path);
    REQUIRE(host.engine().Register("f", [](std::string_view) {}).ok());
    for (int n = 0; n < 10; ++n)
      REQUIRE(host.engine().PostAll("f", std::vector<std::string>(1000, "x"), {.delay = absl::Hours(1)}).ok());
    for (int n = 0; n < kThreads; ++n) ids.push_back(host.engine().Post("f", "x", {.delay = absl::Hours(1)}).value());
  }
  const ManualClock clock(kStart);
  absl::StatusOr<Engine> engine = Engine::Create({.threads = NoThreads{}, .queue = MustOpen(path), .clock = &clock});
  REQUIRE(engine.ok());
  REQUIRE(engine->Register("f", [](std::string_view) {}).ok());
  std::vector<absl::Status> cancelled(kThreads);
  std::vector<std::thread> threads;
  for (int n = 0; n < kThreads; ++n) threads.emplace_back([&, n] { cancelled[n] = engine->Cancel(ids[n]); });
  for (std::thread& thread : threads) thread.join();
  for (const absl::Status& status : cancelled) CHECK(status.ToString() == "OK");
  CHECK(engine->queue_stats().ended == kThreads);
}

TEST_CASE("a cancellation inside of a transaction finds nothing, and the event runs") {
  Host host(FreshFile("cancel-inside"));
  int ran = 0;
  REQUIRE(host.engine().Register("f", [&](std::string_view) { ++ran; }).ok());
  const RequestId id = host.engine().Post("f", "1").value();
  absl::Status cancelled;
  REQUIRE(host.queue()
              .Transaction([&](sqlite3*) {
                cancelled = host.engine().Cancel(id);
                return absl::OkStatus();
              })
              .ok());
  CHECK(cancelled.code() == absl::StatusCode::kNotFound);
  host.sim().RunUntilIdle();
  CHECK(ran == 1);
}

// Two engines at one file, each in a simulation of its own.
struct Two {
  explicit Two(const std::string& path) : queue(MustOpen(path)), one(Options(1)), two(Options(2)) {}
  testing::SimulationOptions Options(std::uint64_t seed) const {
    testing::SimulationOptions options;
    options.seed = seed;
    options.engine.queue = queue;
    options.on_violation = [](std::string_view) {};  // each sees its own half alone
    return options;
  }
  const std::shared_ptr<durable::Queue> queue;
  testing::Simulation one;
  testing::Simulation two;
};

TEST_CASE("an event that waits for another engine is cancelled, and ended there without an attempt") {
  Two engines(FreshFile("cancelled-elsewhere"));
  int ran = 0;
  REQUIRE(engines.one.engine().Register("f", [](std::string_view) {}).ok());
  REQUIRE(engines.two.engine().Register("g", [&](std::string_view) { ++ran; }).ok());
  const absl::Duration delay = GENERATE(absl::ZeroDuration(), absl::Minutes(1));
  const RequestId id = engines.two.engine().Post("g", "1", {.delay = delay}).value();
  CHECK(engines.one.engine().Cancel(id).ToString() == "OK");
  engines.one.RunUntilIdle();
  CHECK(engines.one.engine().queue_stats().ended == 0);
  engines.two.AdvanceBy(absl::Seconds(1));
  CHECK(engines.two.Ledger().Of(Activity::Kind::kEnded).at(0).condition == Condition::kCancelled);
  CHECK(engines.two.engine().queue_stats().ended == 1);
  CHECK(ran == 0);
}

TEST_CASE("an event that has expired for another engine is left to it") {
  Two engines(FreshFile("expired-elsewhere"));
  REQUIRE(engines.one.engine().Register("f", [](std::string_view) {}).ok());
  const FunctionConfig minute{.event_invoke = {.maximum_event_age = absl::Minutes(1)}};
  REQUIRE(engines.two.engine()
              .Register(
                  "g", [](std::string_view) {}, minute)
              .ok());
  REQUIRE(engines.two.engine().Post("g", "1").ok());
  engines.one.AdvanceBy(absl::Minutes(2));
  CHECK(engines.one.engine().queue_stats().ended == 0);
  engines.two.AdvanceBy(absl::ZeroDuration());
  engines.two.AdvanceBy(absl::Minutes(2));
  CHECK(engines.two.engine().queue_stats().ended == 1);
}

TEST_CASE("an engine that leaves with a suspect that was to run next keeps no other from its turn") {
  const std::string path = FileOfSuspects("suspect-leaves", {"f", "g"});
  const std::shared_ptr<durable::Queue> queue = MustOpen(path);
  testing::SimulationOptions options;
  options.engine.queue = queue;
  std::optional<testing::Simulation> one(std::in_place, options);
  testing::Simulation two(options);
  int ran = 0;
  REQUIRE(one->engine().Register("f", [](std::string_view) {}).ok());
  one->NextDue();
  REQUIRE(two.engine().Register("g", [&](std::string_view) { ++ran; }).ok());
  REQUIRE(two.engine().Cancel(RequestId()).code() == absl::StatusCode::kNotFound);  // all is read
  one.reset();
  two.RunUntilIdle();
  CHECK(ran == 3);
}

}  // namespace
}  // namespace runlet::durable_test
