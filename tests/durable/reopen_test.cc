// What an event has is there again when the file is opened again.
#include <algorithm>
#include <string>
#include <vector>

#include "runlet/codec/json.h"
#include "tests/durable/host.h"
#if defined(RUNLET_WITH_METRICS)
#include "runlet/metrics/prometheus.h"
#endif

namespace runlet::durable_test {
namespace {

struct Order {
  int number = 0;
  std::string what;
  NLOHMANN_DEFINE_TYPE_INTRUSIVE(Order, number, what)
};
constexpr Function<Order> kShip{"ship"};

TEST_CASE("events that waited are run after the file was closed and opened again, oldest first") {
  const std::string path = FreshFile("reopen");
  {
    Host host(path);
    REQUIRE(host.engine().Register("f", [](std::string_view) {}).ok());
    for (int n = 1; n <= 5; ++n) REQUIRE(host.engine().Post("f", std::to_string(n)).ok());
  }
  Host host(path);
  std::vector<std::string> ran;
  REQUIRE(host.engine().Register("f", [&](std::string_view event) { ran.emplace_back(event); }).ok());
  CHECK(host.stats().accepted == 5);
  host.sim().RunUntilIdle();
  std::sort(ran.begin(), ran.end());  // the simulation takes them in an order of its own
  CHECK(ran == std::vector<std::string>{"1", "2", "3", "4", "5"});
  CHECK(host.stats().ended == 5);
}

TEST_CASE("an event has its type again, also as a dead letter") {
  const std::string path = FreshFile("typed");
  const auto fail = [](const Order&) { return Permanent(absl::InternalError("sold out")); };
  {
    Host host(path);
    REQUIRE(host.engine().Register(kShip, fail).ok());
    REQUIRE(host.engine().Post(kShip, {1, "book"}).ok());
    REQUIRE(host.engine().Post(kShip, {2, "pen"}).ok());
    host.sim().RunUntilIdle();
    REQUIRE(host.engine().dead_letters().size() == 2);
    REQUIRE(host.engine().Post(kShip, {3, "lamp"}).ok());
  }
  Host host(path);
  int seen = 0;
  REQUIRE(host.engine().Register(kShip, [&](const Order& order) { seen = order.number; }).ok());
  host.sim().RunUntilIdle();
  CHECK(seen == 3);
  const std::vector<DeadLetter> letters = host.engine().dead_letters().List();
  REQUIRE(letters.size() == 2);
  REQUIRE(letters[0].As<Order>() != nullptr);
  CHECK(letters[0].As<Order>()->what == "book");
  CHECK(letters[0].errors.at(0).error.message == "sold out");
  CHECK(letters[0].Bytes().value() == R"({"number":1,"what":"book"})");
  REQUIRE(host.engine().dead_letters().Redrive(letters[1].request_id).ok());
  host.sim().RunUntilIdle();
  CHECK(seen == 2);
  CHECK(host.engine().dead_letters().size() == 1);
}

TEST_CASE("an event that its function cannot read any more ends as Undecodable") {
  const std::string path = FreshFile("undecodable");
  {
    Host host(path);
    REQUIRE(host.engine().Register("ship", [](std::string_view) {}).ok());
    REQUIRE(host.engine().Post("ship", "no order").ok());
  }
  Host host(path);
  REQUIRE(host.engine().Register(kShip, [](const Order&) {}).ok());
  host.sim().RunUntilIdle();
  REQUIRE(host.sim().DeadLetters().size() == 1);
  CHECK(host.sim().DeadLetters()[0].condition == Condition::kUndecodable);
  CHECK(host.sim().DeadLetters()[0].Bytes().value() == "no order");
}

TEST_CASE("events of a function that nobody has registered wait, and keep nobody from being idle") {
  const std::string path = FreshFile("unregistered");
  {
    Host host(path);
    REQUIRE(host.engine().Register("old", [](std::string_view) {}).ok());
    REQUIRE(host.engine().Post("old", "1").ok());
  }
  for (int opened = 0; opened < 2; ++opened) {
    Host host(path);
    REQUIRE(host.engine().Register("new", [](std::string_view) {}).ok());
    host.sim().RunUntilIdle();
    CHECK(host.engine().idle());
    CHECK(host.stats().stranded == 1);
    CHECK(host.stats().ready == 0);
  }
  Host host(path);
  int ran = 0;
  REQUIRE(host.engine().Register("old", [&](std::string_view) { ++ran; }).ok());
  host.sim().RunUntilIdle();
  CHECK(ran == 1);
  CHECK(host.stats().stranded == 0);
}

TEST_CASE("an event between two attempts keeps its attempts, its errors, its due time and where its time went") {
  const std::string path = FreshFile("retry");
  RequestId id;
  {
    Host host(path);
    REQUIRE(host.engine().Register("f", [](std::string_view) { return absl::InternalError("one"); }).ok());
    id = host.engine().Post("f", "1").value();
    host.sim().AdvanceBy(absl::Seconds(10));
  }
  Host host(path, kStart + absl::Seconds(30));
  REQUIRE(host.engine().Register("f", [](std::string_view) { return absl::InternalError("more"); }).ok());
  host.sim().AdvanceBy(absl::Seconds(29));
  CHECK(host.stats().delayed == 1);
  host.sim().AdvanceBy(absl::Seconds(1));  // 60 s after the first attempt
  CHECK(host.engine().Metrics("f")->invocations == 1);
  host.sim().RunUntilIdle();
  const std::optional<DeadLetter> letter = host.engine().dead_letters().Get(id);
  REQUIRE(letter.has_value());
  CHECK(letter->attempts == 3);
  REQUIRE(letter->errors.size() == 3);
  CHECK(letter->errors[0].error.message == "one");
  CHECK(letter->errors[2].error.message == "more");
  CHECK(letter->accepted_at == kStart);
  CHECK(letter->died_at == kStart + absl::Seconds(180));
  CHECK(letter->spent.backing_off == absl::Seconds(180));
  CHECK(letter->spent.total() == absl::Seconds(180));
}

TEST_CASE("a delayed event, an old one and a keyed one are what they were") {
  const std::string path = FreshFile("options");
  RequestId keyed;
  const FunctionConfig minute{.event_invoke = {.maximum_event_age = absl::Minutes(1)}};
  {
    Host host(path);
    REQUIRE(host.engine().Register("f", [](std::string_view) {}).ok());
    REQUIRE(host.engine()
                .Register(
                    "short", [](std::string_view) {}, minute)
                .ok());
    REQUIRE(host.engine().Post("f", "later", {.delay = absl::Minutes(5)}).ok());
    keyed = host.engine().Post("f", "keyed", {.dedup_key = "k", .dedup_window = absl::Minutes(10)}).value();
    REQUIRE(host.engine().Post("short", "old").ok());
  }
  Host host(path, kStart + absl::Minutes(2));
  std::vector<std::string> ran;
  REQUIRE(host.engine().Register("f", [&](std::string_view event) { ran.emplace_back(event); }).ok());
  REQUIRE(host.engine()
              .Register(
                  "short", [&](std::string_view event) { ran.emplace_back(event); }, minute)
              .ok());
  host.sim().AdvanceBy(absl::Seconds(1));
  CHECK(ran == std::vector<std::string>{"keyed"});
  REQUIRE(host.sim().DeadLetters().size() == 1);
  CHECK(host.sim().DeadLetters()[0].condition == Condition::kEventAgeExceeded);
  CHECK(host.engine().Post("f", "again", {.dedup_key = "k"}).value() == keyed);
  host.sim().AdvanceBy(absl::Seconds(178));
  CHECK(ran.size() == 1);
  host.sim().AdvanceBy(absl::Seconds(1));
  CHECK(ran.back() == "later");
  host.sim().AdvanceBy(absl::Minutes(6));
  CHECK(host.engine().Post("f", "again", {.dedup_key = "k"}).value() != keyed);
}

TEST_CASE("long payloads go with their events, wherever these go") {
  const std::string path = FreshFile("long");
  const std::string text(100'000, 'x');
  RequestId dead;
  {
    Host host(path, kStart, {.payload_memory = 0});
    REQUIRE(host.engine()
                .Register("f", [](std::string_view) { return absl::InternalError("no"); },
                          {.event_invoke = {.maximum_retry_attempts = 0}})
                .ok());
    dead = host.engine().Post("f", text + "dead").value();
    host.sim().RunUntilIdle();
    REQUIRE(host.engine().Post("f", text + "waits").ok());
  }
  Host host(path);
  std::string ran;
  REQUIRE(host.engine().Register("f", [&](std::string_view event) { ran = event; }).ok());
  host.sim().RunUntilIdle();
  CHECK(ran == text + "waits");
  CHECK(host.engine().dead_letters().Get(dead)->Bytes().value() == text + "dead");
  REQUIRE(host.engine().dead_letters().Redrive(dead).ok());
  host.sim().RunUntilIdle();
  CHECK(ran == text + "dead");
  // Nothing is left of what has gone.
  REQUIRE(host.queue()
              .Transaction([&](sqlite3* db) {
                return durable::Execute(db,
                                        "CREATE TEMP TABLE t AS SELECT count(*) AS n FROM runlet_payload; "
                                        "CREATE TEMP TABLE must(n CHECK(n = 0)); INSERT INTO must SELECT n FROM t");
              })
              .ok());
}

TEST_CASE("events that a handler posts keep their lineage: a loop ends though the host starts anew in the middle") {
  const std::string path = FreshFile("lineage");
  int runs = 0;
  for (int opened = 0; opened < 3; ++opened) {
    Host host(path);
    Engine& engine = host.engine();
    REQUIRE(engine
                .Register("loop",
                          [&](std::string_view) {
                            ++runs;
                            return engine.Post("loop", "again", {.delay = absl::Seconds(1)}).status();
                          })
                .ok());
    if (opened == 0) REQUIRE(engine.Post("loop", "go").ok());
    opened < 2 ? host.sim().AdvanceBy(absl::Seconds(5)) : host.sim().RunUntilIdle();
  }
  CHECK(runs == 16);
}

TEST_CASE("a type without a codec is refused at Register, in one sentence") {
  struct Bare {
    int n;
  };
  constexpr Function<Bare> kBare{"bare"};
  Host host(FreshFile("codec"));
  const absl::Status refused = host.engine().Register(kBare, [](const Bare&) {});
  CHECK(refused.code() == absl::StatusCode::kInvalidArgument);
  CHECK(std::string(refused.message()).find("has no codec here, and the engine's queue stores events as bytes") !=
        std::string::npos);
}

TEST_CASE("a file with more events than are read at once is run to the end, and new events wait behind them") {
  const std::string path = FreshFile("many");
  constexpr int kEvents = 10'000;
  {
    Host host(path);
    REQUIRE(host.engine().Register("f", [](std::string_view) {}).ok());
    const std::vector<std::string> events(1000, "e");
    for (int n = 0; n < kEvents / 1000; ++n) REQUIRE(host.engine().PostAll("f", events).ok());
  }
  Host host(path);
  CHECK(host.stats().accepted == kEvents);
  int ran = 0;
  int last_at = 0;
  REQUIRE(host.engine()
              .Register("f",
                        [&](std::string_view event) {
                          ++ran;
                          if (event == "last") last_at = ran;
                        })
              .ok());
  REQUIRE(host.engine().Post("f", "last").ok());
  CHECK(host.stats().ready == kEvents + 1);
  host.sim().RunUntilIdle();
  CHECK(ran == kEvents + 1);
  CHECK(last_at > kEvents / 2);
}

TEST_CASE("a dead letter that its DeadLetterQueue had not taken is offered to it by the next process") {
  struct Sink final : DeadLetterQueue {
    absl::Status Put(std::span<const DeadLetter> letters) override {
      if (broken) return absl::UnavailableError("broken");
      taken.push_back(letters[0].Bytes().value());
      return absl::OkStatus();
    }
    bool broken = false;
    std::vector<std::string> taken;
  };
  const std::string path = FreshFile("sink");
  for (const bool broken : {true, false}) {
    const auto sink = std::make_shared<Sink>();
    sink->broken = broken;
    Host host(path);
    REQUIRE(host.engine()
                .Register("f", [](std::string_view) { return Permanent(absl::InternalError("no")); },
                          {.event_invoke = {.dead_letter_queue = sink}})
                .ok());
    if (broken) REQUIRE(host.engine().Post("f", "1").ok());
    host.sim().AdvanceBy(absl::Seconds(10));
    CHECK(sink->taken.size() == (broken ? 0 : 1));
    CHECK(host.stats().dead == (broken ? 1 : 0));
  }
}

TEST_CASE("an event of 256 bytes takes at most 350 bytes of the disk") {
  const std::string path = FreshFile("size");
  constexpr std::size_t kEvents = 20'000;
  {
    Host host(path);
    REQUIRE(host.engine().Register("f", [](std::string_view) {}).ok());
    for (std::size_t n = 0; n < kEvents; n += 1000)
      REQUIRE(host.engine().PostAll("f", std::vector<std::string>(1000, std::string(256, 'x'))).ok());
  }
  CHECK(!std::filesystem::exists(path + "-wal"));
  CHECK(std::filesystem::file_size(path) / kEvents <= 350);
}

TEST_CASE("what the file is like stands in Inspect") {
  Host host(FreshFile("inspect"));
  REQUIRE(host.engine().Register("f", [](std::string_view) {}).ok());
  REQUIRE(host.engine().PostAll("f", std::vector<std::string>(7, "x"), {.delay = absl::Hours(1)}).ok());
  host.sim().AdvanceBy(absl::Minutes(2));
  const Inspection inspection = host.engine().Inspect();
  REQUIRE(inspection.storage.has_value());
  CHECK(inspection.storage->commits > 0);
  CHECK(inspection.storage->changes >= inspection.storage->commits);
  CHECK(inspection.storage->syncs > 0);
  CHECK(inspection.storage->wal_bytes > 4096);
  CHECK(inspection.storage->oldest_age == absl::Minutes(2));
  CHECK(inspection.ToString().find("oldest event 2m") != std::string::npos);
}

#if defined(RUNLET_WITH_METRICS)
TEST_CASE("what the file is like stands in the metrics, each name once") {
  Host host(FreshFile("metrics"));
  REQUIRE(host.engine().Register("f", [](std::string_view) {}).ok());
  REQUIRE(host.engine().Post("f", "x", {.delay = absl::Hours(1)}).ok());
  const std::string text = PrometheusText(host.engine());
  for (const char* const name :
       {"log_bytes", "oldest_event_seconds", "commits_total", "changes_total", "syncs_total", "sync_seconds_total",
        "sync_seconds_max", "stranded_events", "damaged_rows", "full", "failed"}) {
    INFO(name);
    const std::size_t at = text.find(std::string("\nrunlet_storage_") + name + ' ');
    REQUIRE(at != std::string::npos);
    CHECK(text.find(std::string("\nrunlet_storage_") + name + ' ', at + 1) == std::string::npos);
  }
}
#endif

TEST_CASE("two engines share an open queue: each runs what it has registered") {
  const std::string path = FreshFile("shared");
  const std::shared_ptr<durable::Queue> queue = MustOpen(path);
  {
    testing::SimulationOptions options;
    options.engine.queue = queue;
    testing::Simulation sim(options);
    REQUIRE(sim.engine().Register("a", [](std::string_view) {}).ok());
    REQUIRE(sim.engine().Register("b", [](std::string_view) {}).ok());
    REQUIRE(sim.engine().Post("a", "1").ok());
    REQUIRE(sim.engine().Post("b", "2").ok());
  }
  // The file is open still, and what waits is the next engine's.
  testing::SimulationOptions options;
  options.engine.queue = queue;
  testing::Simulation sim(options);
  int ran = 0;
  REQUIRE(sim.engine().Register("b", [&](std::string_view) { ++ran; }).ok());
  sim.RunUntilIdle();
  CHECK(ran == 1);
  CHECK(sim.engine().queue_stats().stranded == 1);
}

}  // namespace
}  // namespace runlet::durable_test
