// What is done with the events that the engine has given up: its own dead-letter queue, and the host's.
#include <algorithm>
#include <functional>
#include <initializer_list>
#include <memory>
#include <set>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "runlet/runlet.h"
#include "runlet/testing/simulation.h"
#include "tests/catch.h"
#include "tests/engine/unsaid.h"

namespace runlet {
namespace {

using testing::LedgerEntry;
using testing::Simulation;

absl::Status FailForGood(std::string_view) { return Permanent(absl::DataLossError("torn")); }
absl::Status FailNow(std::string_view) { return absl::UnavailableError("down"); }

FunctionConfig Once() { return {.event_invoke = {.maximum_retry_attempts = 0}}; }

// Functions "a" (NotRetryable) and "b" (RetriesExhausted), and letters of theirs in the order of `letters`.
struct Letters {
  explicit Letters(std::string_view letters, EngineOptions options = {}) : sim({.engine = std::move(options)}) {
    REQUIRE(engine().Register("a", FailForGood).ok());
    REQUIRE(engine().Register("b", FailNow, Once()).ok());
    for (const char c : letters) {
      ids.push_back(engine().Post({&c, 1}, std::string(1, c) + std::to_string(ids.size())).value());
      sim.RunUntilIdle();
      sim.AdvanceBy(absl::Seconds(1));
    }
  }
  Engine& engine() { return sim.engine(); }
  DeadLetterView view() { return sim.engine().dead_letters(); }
  void Mend() {
    for (const std::string_view name : {"a", "b"}) {
      REQUIRE(engine().Replace(name, [](std::string_view) {}).ok());
    }
  }
  static std::vector<RequestId> IdsOf(const std::vector<DeadLetter>& letters) {
    std::vector<RequestId> found;
    for (const DeadLetter& letter : letters) found.push_back(letter.request_id);
    return found;
  }

  Simulation sim;
  std::vector<RequestId> ids;
};

// ---- the engine's own queue ----

TEST_CASE("dead letters are listed oldest first, by function, by condition and by both") {
  Letters l("abab");
  using Ids = std::vector<RequestId>;
  CHECK(l.view().size() == 4);
  CHECK(Letters::IdsOf(l.view().List()) == l.ids);
  CHECK(Letters::IdsOf(l.view().List({.function = "a"})) == Ids{l.ids[0], l.ids[2]});
  CHECK(Letters::IdsOf(l.view().List({.condition = Condition::kRetriesExhausted})) == Ids{l.ids[1], l.ids[3]});
  CHECK(l.view().List({.function = "a", .condition = Condition::kRetriesExhausted}).empty());
  CHECK(l.view().List({.function = "nobody"}).empty());
}

TEST_CASE("dead letters are listed page by page, also when the last one of a page is gone") {
  Letters l("aaaaa");
  using Ids = std::vector<RequestId>;
  CHECK(l.view().List({}, 0).empty());
  CHECK(Letters::IdsOf(l.view().List({}, 2)) == Ids{l.ids[0], l.ids[1]});
  CHECK(Letters::IdsOf(l.view().List({}, 2, l.ids[1])) == Ids{l.ids[2], l.ids[3]});
  CHECK(Letters::IdsOf(l.view().List({}, 2, l.ids[3])) == Ids{l.ids[4]});
  CHECK(l.view().List({}, 2, l.ids[4]).empty());
  l.Mend();
  REQUIRE(l.view().Redrive(l.ids[1]).ok());
  CHECK(Letters::IdsOf(l.view().List({}, 2, l.ids[1])) == Ids{l.ids[2], l.ids[3]});
}

TEST_CASE("a dead letter is got by its id") {
  Letters l("ab");
  const DeadLetter letter = l.view().Get(l.ids[1]).value();
  CHECK(letter.function == "b");
  CHECK(letter.Bytes().value() == "b1");
  CHECK(*letter.As<std::string>() == "b1");
  CHECK(letter.As<int>() == nullptr);
  CHECK(letter.ErrorText() == "Unavailable: down");
  CHECK(!l.view().Get(RequestId::FromBits(1, 2)).has_value());
  CHECK(!l.view().Get(RequestId()).has_value());
}

TEST_CASE("a dead letter of a type without a codec is there as what was posted, not as bytes") {
  struct Opaque {
    int value = 0;
  };
  Simulation sim;
  constexpr Function<Opaque> kOpaque{"opaque"};
  REQUIRE(sim.engine().Register(kOpaque, [](const Opaque&) { return Permanent(absl::DataLossError("torn")); }).ok());
  REQUIRE(sim.engine().Post(kOpaque, {7}).ok());
  sim.RunUntilIdle();
  const DeadLetter letter = sim.DeadLetters().at(0);
  CHECK(Unsaid(letter.Bytes().status(), absl::StatusCode::kFailedPrecondition, {"Opaque", "codec", "\"opaque\""}) ==
        "");
  CHECK(letter.As<Opaque>()->value == 7);
}

TEST_CASE("a redriven letter is a new event with a new id, and the old one is gone") {
  Letters l("a");
  l.Mend();
  const RequestId id = l.view().Redrive(l.ids[0]).value();
  CHECK(id != l.ids[0]);
  CHECK(l.view().size() == 0);
  CHECK(!l.view().Get(l.ids[0]).has_value());
  CHECK(l.engine().queue_stats().accepted == 2);
  l.sim.RunUntilIdle();
  const std::vector<LedgerEntry> ends = l.sim.Ledger().Of(Activity::Kind::kEnded);
  REQUIRE(ends.size() == 2);
  CHECK(ends[1].request_id == id);
  CHECK(ends[1].condition == Condition::kSuccess);
  CHECK(ends[1].attempt == 1);
  CHECK(l.sim.Ledger().Count(Activity::Kind::kRedriven) == 1);
  CHECK(l.engine().Metrics("a").value().async_events_received == 2);
}

TEST_CASE("a redriven letter that dies again starts anew: attempts, errors and age") {
  Letters l("b");
  l.sim.AdvanceBy(absl::Hours(5));
  const RequestId id = l.view().Redrive(l.ids[0]).value();
  l.sim.RunUntilIdle();
  const DeadLetter letter = l.view().Get(id).value();
  CHECK(letter.attempts == 1);
  CHECK(letter.errors.size() == 1);
  CHECK(letter.accepted_at == absl::FromUnixSeconds(1'700'000'000) + absl::Seconds(1) + absl::Hours(5));
  CHECK(letter.Bytes().value() == "b0");
}

TEST_CASE("what cannot be redriven stays where it is") {
  Letters l("a");
  CHECK(Unsaid(l.view().Redrive(RequestId::FromBits(1, 2)).status(), absl::StatusCode::kNotFound,
               {RequestId::FromBits(1, 2).ToString()}) == "");
  REQUIRE(l.engine().Remove("a").ok());
  CHECK(Unsaid(l.view().Redrive(l.ids[0]).status(), absl::StatusCode::kNotFound, {"\"a\""}) == "");
  CHECK(l.view().size() == 1);
  REQUIRE(l.engine().Register("a", [](std::string_view) {}).ok());
  CHECK(l.view().Redrive(l.ids[0]).ok());
  l.sim.RunUntilIdle();
  CHECK(l.view().size() == 0);
}

TEST_CASE("a letter that cannot be copied cannot be redriven, but read") {
  Simulation sim;
  constexpr Function<std::unique_ptr<int>> kLook{"look"};
  REQUIRE(sim.engine()
              .Register(
                  kLook, [](const std::unique_ptr<int>&) { return absl::AbortedError("no"); }, Once())
              .ok());
  const RequestId id = sim.engine().Post(kLook, std::make_unique<int>(7)).value();
  sim.RunUntilIdle();
  CHECK(Unsaid(sim.engine().dead_letters().Redrive(id).status(), absl::StatusCode::kFailedPrecondition,
               {id.ToString(), "copied", "unique_ptr"}) == "");
  CHECK(**sim.DeadLetters().at(0).As<std::unique_ptr<int>>() == 7);
}

std::size_t Accepted(const std::vector<RedriveResult>& results) {
  return static_cast<std::size_t>(
      std::count_if(results.begin(), results.end(), [](const RedriveResult& result) { return result.status.ok(); }));
}

TEST_CASE("RedriveAll takes what matches now, and no letter twice") {
  Letters l("abab");
  CHECK(Accepted(l.view().RedriveAll({.function = "b"})) == 2);
  CHECK(l.view().size() == 2);
  l.sim.RunUntilIdle();  // the two die again
  CHECK(l.view().size() == 4);
  l.Mend();
  CHECK(Accepted(l.view().RedriveAll()) == 4);
  l.sim.RunUntilIdle();
  CHECK(l.view().size() == 0);
  CHECK(l.view().RedriveAll().empty());
}

TEST_CASE("RedriveAll tells what became of each letter, and keeps those that are refused") {
  Letters l("aaa", {.memory_queue = {.events = 2}});
  const std::vector<RedriveResult> results = l.view().RedriveAll();
  REQUIRE(results.size() == 3);
  for (std::size_t i = 0; i < 3; ++i) {
    CHECK(results[i].letter == l.ids[i]);
    CHECK(results[i].status.ok() == (i < 2));
    CHECK((results[i].event == RequestId()) == (i == 2));
  }
  CHECK(Reason(results[2].status) == reason::kEventQueueFull);
  CHECK(Letters::IdsOf(l.view().List()) == std::vector<RequestId>{l.ids[2]});
}

#if defined(__cpp_exceptions)
// Cannot be copied once it says so.
struct Brittle {
  explicit Brittle(bool breaks) : breaks(breaks) {}
  Brittle(Brittle&&) = default;
  Brittle(const Brittle& other) : breaks(other.breaks) {
    if (breaks) throw std::runtime_error("too brittle");
  }
  bool breaks;
};

TEST_CASE("a letter whose event throws when it is copied is refused alone, by Redrive and among others") {
  Simulation sim;
  constexpr Function<Brittle> kBrittle{"brittle"};
  const auto fail = [](const Brittle&) { return Permanent(absl::DataLossError("torn")); };
  REQUIRE(sim.engine().Register(kBrittle, fail).ok());
  std::vector<RequestId> ids;
  for (const bool breaks : {false, true, false}) {
    ids.push_back(sim.engine().Post(kBrittle, Brittle(breaks)).value());
    sim.RunUntilIdle();
    sim.AdvanceBy(absl::Seconds(1));
  }
  DeadLetterView letters = sim.engine().dead_letters();
  const std::vector<RedriveResult> results = letters.RedriveAll();
  REQUIRE(results.size() == 3);
  for (std::size_t i = 0; i < 3; ++i) {
    CHECK(results[i].letter == ids[i]);
    CHECK(results[i].status.ok() == (i != 1));
  }
  CHECK(Unsaid(results[1].status, absl::StatusCode::kFailedPrecondition, {ids[1].ToString(), "too brittle"}) == "");
  CHECK(results[1].event == RequestId());
  CHECK(letters.Get(ids[1]).has_value());
  CHECK(absl::IsFailedPrecondition(letters.Redrive(ids[1]).status()));
  CHECK(sim.engine().WaitIdle().ok());
}
#endif

TEST_CASE("a dry run changes nothing, and says what would be refused") {
  Letters l("ab");
  REQUIRE(l.sim.engine().Remove("b").ok());
  const std::vector<RedriveResult> results = l.view().RedriveAll({}, {.dry_run = true});
  REQUIRE(results.size() == 2);
  CHECK(results[0].status.ok());
  CHECK(results[0].event == RequestId());
  CHECK(absl::IsNotFound(results[1].status));
  CHECK(l.view().size() == 2);
  CHECK(l.sim.engine().queue_stats().accepted == 2);
}

TEST_CASE("letters are redriven at the rate that is asked for, and no more than so many") {
  Letters l("aaaa");
  l.Mend();
  const absl::Duration begin = l.sim.Elapsed();
  CHECK(Accepted(l.view().RedriveAll({}, {.interval = absl::Seconds(10), .max = 3})) == 3);
  CHECK(l.view().size() == 1);
  l.sim.RunUntilIdle();
  std::vector<double> started;
  for (const auto& entry : l.sim.Ledger().Of(Activity::Kind::kStarted, "a")) {
    if (entry.at >= begin) started.push_back(absl::ToDoubleSeconds(entry.at - begin));
  }
  if (started.size() > 3) started.erase(started.begin(), started.end() - 3);
  CHECK(started == std::vector<double>{0, 10, 20});
}

TEST_CASE("a redriven event's age counts from when it may begin") {
  Simulation sim;
  Engine& engine = sim.engine();
  const EventInvokeConfig short_lived = {.maximum_event_age = absl::Seconds(60)};
  REQUIRE(engine.Register("a", FailForGood, {.event_invoke = short_lived}).ok());
  REQUIRE(engine.PostAll("a", std::vector<std::string>(20, "{}")).ok());
  sim.RunUntilIdle();
  int runs = 0;
  REQUIRE(sim.Stub("a", [&](std::string_view) { ++runs; }).ok());
  CHECK(Accepted(engine.dead_letters().RedriveAll({}, {.interval = absl::Seconds(5)})) == 20);
  sim.RunUntilIdle();
  CHECK(runs == 20);
  CHECK(sim.Elapsed() == absl::Seconds(95));
}

TEST_CASE("letters are listed by when they died") {
  Simulation sim;
  Engine& engine = sim.engine();
  REQUIRE(engine.Register("a", FailForGood).ok());
  std::vector<RequestId> ids;
  for (int i = 0; i < 3; ++i) {
    ids.push_back(engine.Post("a", "{}").value());
    sim.RunUntilIdle();
    sim.AdvanceBy(absl::Minutes(1));
  }
  const absl::Time start = absl::FromUnixSeconds(1'700'000'000);
  const auto listed = [&](const DeadLetterFilter& filter) {
    return Letters::IdsOf(engine.dead_letters().List(filter));
  };
  CHECK(listed({.died_after = start + absl::Minutes(1)}) == std::vector<RequestId>{ids[1], ids[2]});
  CHECK(listed({.died_before = start + absl::Minutes(1)}) == std::vector<RequestId>{ids[0]});
  CHECK(engine.dead_letters().Purge({.died_before = start + absl::Minutes(2)}) == 2);
  CHECK(listed({}) == std::vector<RequestId>{ids[2]});
}

TEST_CASE("an exported letter is a line of JSON, and a file of them becomes a test") {
  std::string exported;
  const std::string binary("\0\xff\n", 3);
  const std::string text = "{\"a\": \"\\u00e9 \\\"\xC3\xA9\\\"\"}\n\t";
  {
    Simulation sim;
    Engine& engine = sim.engine();
    REQUIRE(engine.Register("a", FailForGood).ok());
    REQUIRE(engine.Post("a", text).ok());
    REQUIRE(engine.Post("a", binary).ok());
    REQUIRE(engine.Post("a", "").ok());
    sim.RunUntilIdle();
    exported = engine.dead_letters().Export();
    CHECK(exported.find("\"condition\":\"NotRetryable\",\"attempts\":1,\"acceptedAt\":\"2023-11-14T22:13:20Z\"") !=
          std::string::npos);
    CHECK(std::count(exported.begin(), exported.end(), '\n') == 3);
  }
  Simulation sim;
  std::set<std::string> seen;
  REQUIRE(sim.engine().Register("a", [&](std::string_view event) { seen.emplace(event); }).ok());
  REQUIRE(sim.Replay(exported).ok());
  sim.RunUntilIdle();
  CHECK(seen == std::set<std::string>{"", binary, text});
}

TEST_CASE("what is no exported letter is refused with the number of its line") {
  Simulation sim;
  REQUIRE(sim.engine().Register("a", [](std::string_view) {}).ok());
  const std::string good = "{\"function\":\"a\",\"payload\":\"x\"}\n";
  CHECK(sim.Replay("").ok());
  CHECK(sim.Replay(good + "\n" + good).ok());
  const auto unsaid = [&](std::string_view lines, std::initializer_list<std::string_view> words) {
    return Unsaid(sim.Replay(lines), absl::StatusCode::kInvalidArgument, words);
  };
  CHECK(unsaid(good + "nonsense", {"line 2"}) == "");
  CHECK(unsaid("[1]", {"line 1"}) == "");
  CHECK(unsaid("{\"function\":\"a\"}", {"line 1", "payload"}) == "");
  CHECK(unsaid("{\"function\":\"a\",\"payloadBase64\":\"*\"}", {"line 1", "payload"}) == "");
  CHECK(Unsaid(sim.Replay("{\"function\":\"b\",\"payload\":\"x\"}"), absl::StatusCode::kNotFound,
               {"line 1", "\"b\""}) == "");
}

TEST_CASE("purged letters are gone for good") {
  Letters l("abab");
  CHECK(l.view().Purge({.function = "a", .condition = Condition::kRetriesExhausted}) == 0);
  CHECK(l.view().Purge({.function = "a"}) == 2);
  CHECK(Letters::IdsOf(l.view().List()) == std::vector<RequestId>{l.ids[1], l.ids[3]});
  CHECK(absl::IsNotFound(l.view().Redrive(l.ids[0]).status()));
  CHECK(l.view().Purge() == 2);
  CHECK(l.view().size() == 0);
  std::vector<RequestId> told;
  for (const auto& entry : l.sim.Ledger().Of(Activity::Kind::kDeadLetterPurged)) told.push_back(entry.request_id);
  CHECK(told == std::vector<RequestId>{l.ids[0], l.ids[2], l.ids[1], l.ids[3]});
}

TEST_CASE("a full dead-letter queue refuses new events, and loses none that it had accepted") {
  Simulation sim({.engine = {.memory_queue = {.dead_letters = 2}}});
  Engine& engine = sim.engine();
  REQUIRE(engine.Register("a", FailForGood).ok());
  REQUIRE(engine.PostAll("a", std::vector<std::string>(5, "{}")).ok());
  sim.RunUntilIdle();
  CHECK(engine.dead_letters().size() == 5);  // beyond the limit rather than lost
  const absl::Status refused = engine.Post("a", "{}").status();
  CHECK(Reason(refused) == reason::kDeadLetterQueueFull);
  CHECK(Unsaid(refused, absl::StatusCode::kResourceExhausted, {"5 of 2 letters"}) == "");
  CHECK(engine.Invoke("a", "{}").status().code() == absl::StatusCode::kDataLoss);  // calls are not concerned

  REQUIRE(engine.Replace("a", [](std::string_view) {}).ok());
  for (int left = 5; left > 2; --left) {
    CHECK(engine.dead_letters().Redrive(engine.dead_letters().List()[0].request_id).ok());
    sim.RunUntilIdle();
  }
  CHECK(!engine.Post("a", "{}").ok());  // 2 of 2
  REQUIRE(engine.dead_letters().Redrive(engine.dead_letters().List()[0].request_id).ok());
  CHECK(engine.Post("a", "{}").ok());  // 1 of 2
}

TEST_CASE("of a long error message the first 8 KiB are kept") {
  Simulation sim;
  const auto fail = [](std::string_view) { return absl::UnavailableError(std::string(3'000'000, 'x')); };
  REQUIRE(sim.engine().Register("fail", fail).ok());
  REQUIRE(sim.engine().Post("fail", "{}").ok());
  sim.RunUntilIdle();
  const DeadLetter letter = sim.DeadLetters().at(0);
  CHECK(letter.errors.size() == 3);
  for (const AttemptError& error : letter.errors) {
    CHECK(error.error.message == std::string(AttemptErrors::kMessageMax, 'x'));
  }
}

TEST_CASE("of many errors the first 9 and the last 9 are kept") {
  const auto errors_after = [](int attempts) {
    Simulation sim;
    const auto fail = [](std::string_view, Context& ctx) {
      return absl::UnavailableError("attempt " + std::to_string(ctx.attempt()));
    };
    REQUIRE(sim.engine()
                .Register("fail", fail,
                          {.event_invoke = {.maximum_retry_attempts = attempts - 1,
                                            .retry_policy = RetryPolicy::Fixed(absl::Seconds(1))}})
                .ok());
    REQUIRE(sim.engine().Post("fail", "{}").ok());
    sim.RunUntilIdle();
    const DeadLetter letter = sim.DeadLetters().at(0);
    CHECK(letter.attempts == attempts);
    std::vector<int> numbers;
    for (const AttemptError& error : letter.errors) {
      CHECK(error.error.message == "attempt " + std::to_string(error.attempt));
      CHECK(error.at == letter.accepted_at + absl::Seconds(error.attempt - 1));
      numbers.push_back(error.attempt);
    }
    return numbers;
  };
  const std::vector<int> eighteen = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18};
  CHECK(errors_after(18) == eighteen);
  CHECK(errors_after(19) == std::vector<int>{1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 14, 15, 16, 17, 18, 19});
  CHECK(errors_after(25) == std::vector<int>{1, 2, 3, 4, 5, 6, 7, 8, 9, 17, 18, 19, 20, 21, 22, 23, 24, 25});
}

// ---- the host's queue ----

// Takes letters, after as many failures as it is told to make.
class Sink final : public DeadLetterQueue {
 public:
  Sink(Simulation& sim, int failures) : failures_(failures), sim_(sim) {}

  absl::Status Put(std::span<const DeadLetter> letters) override {
    offered_at.push_back(absl::ToDoubleSeconds(sim_.Elapsed()));
    if (failures_-- > 0) {
      if (fail) fail();
      return absl::UnavailableError("sink is down");
    }
    for (const DeadLetter& letter : letters) taken.push_back(letter);
    return absl::OkStatus();
  }

  std::function<void()> fail;  // before the error is returned
  std::vector<double> offered_at;
  std::vector<DeadLetter> taken;

 private:
  int failures_;
  Simulation& sim_;
};

FunctionConfig Into(std::shared_ptr<DeadLetterQueue> sink) {
  return {.event_invoke = {.maximum_retry_attempts = 0, .dead_letter_queue = std::move(sink)}};
}

TEST_CASE("a dead letter goes to the host's queue, and leaves the engine's") {
  Simulation sim;
  Engine& engine = sim.engine();
  const auto sink = std::make_shared<Sink>(sim, 0);
  REQUIRE(engine.Register("fail", FailNow, Into(sink)).ok());
  REQUIRE(engine.Register("other", FailNow, Once()).ok());
  const RequestId id = engine.Post("fail", "payload").value();
  REQUIRE(engine.Post("other", "{}").ok());
  sim.RunUntilIdle();
  REQUIRE(sink->taken.size() == 1);
  CHECK(sink->taken[0].request_id == id);
  CHECK(sink->taken[0].function == "fail");
  CHECK(sink->taken[0].condition == Condition::kRetriesExhausted);
  CHECK(sink->taken[0].Bytes().value() == "payload");
  CHECK(sink->taken[0].ErrorText() == "Unavailable: down");
  REQUIRE(sim.DeadLetters().size() == 1);  // the other function's
  CHECK(sim.DeadLetters()[0].function == "other");
  CHECK(engine.Metrics("fail").value().dead_letter_errors == 0);
  CHECK(engine.Metrics("fail").value().async_events_dropped == 1);
}

TEST_CASE("a host's queue that fails is tried again after 1 s, doubling, and nothing is lost meanwhile") {
  Simulation sim;
  Engine& engine = sim.engine();
  const auto sink = std::make_shared<Sink>(sim, 4);
  REQUIRE(engine.Register("fail", FailNow, Into(sink)).ok());
  const RequestId id = engine.Post("fail", "payload").value();
  sim.AdvanceBy(absl::Seconds(5));
  CHECK(!engine.idle());
  CHECK(engine.dead_letters().Get(id).has_value());
  CHECK(engine.Metrics("fail").value().dead_letter_errors == 3);

  sim.RunUntilIdle();
  CHECK(sink->offered_at == std::vector<double>{0, 1, 3, 7, 15});
  REQUIRE(sink->taken.size() == 1);
  CHECK(sink->taken[0].request_id == id);
  CHECK(!engine.dead_letters().Get(id).has_value());
  CHECK(engine.idle());
  CHECK(engine.Metrics("fail").value().dead_letter_errors == 4);
  const std::vector<LedgerEntry> errors = sim.Ledger().Of(Activity::Kind::kDeadLetterError, "fail");
  REQUIRE(errors.size() == 4);
  CHECK(errors[0].error_message == "sink is down");
  CHECK(errors[3].due == absl::Seconds(15));
  CHECK(sim.Ledger().Count(Activity::Kind::kEnded) == 1);
}

TEST_CASE("the wait between offers to a host's queue ends at 300 s") {
  Simulation sim;
  const auto sink = std::make_shared<Sink>(sim, 11);
  REQUIRE(sim.engine().Register("fail", FailNow, Into(sink)).ok());
  REQUIRE(sim.engine().Post("fail", "{}").ok());
  // A sink that has failed so long is taken for broken: nobody waits for it any more.
  sim.RunUntilIdle();
  CHECK(sink->offered_at == std::vector<double>{0, 1, 3, 7, 15, 31, 63, 127, 255, 511});
  CHECK(sim.DeadLetters().size() == 1);
  sim.AdvanceBy(absl::Minutes(20));
  CHECK(sink->offered_at == std::vector<double>{0, 1, 3, 7, 15, 31, 63, 127, 255, 511, 811, 1111});
  CHECK(sim.DeadLetters().empty());
}

TEST_CASE("a host's queue that fails for ever keeps nobody waiting for ever, and loses nothing") {
  Simulation sim;
  const auto sink = std::make_shared<Sink>(sim, 1'000'000);
  REQUIRE(sim.engine().Register("fail", FailNow, Into(sink)).ok());
  REQUIRE(sim.engine().Post("fail", "{}").ok());
  CHECK(sim.engine().WaitIdle().ok());
  CHECK(sim.engine().idle());
  CHECK(sim.engine().Metrics("fail").value().dead_letter_errors == 10);
  CHECK(sim.DeadLetters().size() == 1);
  sim.AdvanceBy(absl::Hours(1));
  CHECK(sim.engine().idle());
  CHECK(sim.DeadLetters().size() == 1);
}

#if defined(__cpp_exceptions)
TEST_CASE("a host's queue that throws has failed") {
  Simulation sim;
  const auto sink = std::make_shared<Sink>(sim, 2);
  sink->fail = [] { throw std::runtime_error("sink is on fire"); };
  REQUIRE(sim.engine().Register("fail", FailNow, Into(sink)).ok());
  REQUIRE(sim.engine().Post("fail", "{}").ok());
  sim.RunUntilIdle();
  CHECK(sink->offered_at == std::vector<double>{0, 1, 3});
  CHECK(sink->taken.size() == 1);
  CHECK(sim.engine().Metrics("fail").value().dead_letter_errors == 2);
}
#endif

TEST_CASE("letters wait for a host's queue each for itself") {
  Simulation sim;
  const auto sink = std::make_shared<Sink>(sim, 1);
  REQUIRE(sim.engine().Register("fail", FailNow, Into(sink)).ok());
  const RequestId first = sim.engine().Post("fail", "1").value();
  sim.AdvanceBy(absl::Milliseconds(500));
  const RequestId second = sim.engine().Post("fail", "2").value();
  sim.RunUntilIdle();
  CHECK(sink->offered_at == std::vector<double>{0, 0.5, 1});
  CHECK(Letters::IdsOf(sink->taken) == std::vector<RequestId>{second, first});
}

TEST_CASE("every end but success reaches the host's queue") {
  Simulation sim;
  Engine& engine = sim.engine();
  const auto sink = std::make_shared<Sink>(sim, 0);
  FunctionConfig zero = Into(sink);
  zero.reserved_concurrency = 0;
  FunctionConfig aged = Into(sink);
  aged.event_invoke.maximum_retry_attempts = 2;
  aged.event_invoke.maximum_event_age = absl::Seconds(30);
  REQUIRE(engine
              .Register(
                  "good", [](std::string_view) {}, Into(sink))
              .ok());
  REQUIRE(engine.Register("fail", FailNow, Into(sink)).ok());
  REQUIRE(engine.Register("permanent", FailForGood, Into(sink)).ok());
  REQUIRE(engine.Register("zero", FailNow, zero).ok());
  REQUIRE(engine.Register("aged", FailNow, aged).ok());
  REQUIRE(engine.Register("removed", FailNow, Into(sink)).ok());
  for (const std::string_view name : {"good", "fail", "permanent", "zero", "aged", "removed"}) {
    REQUIRE(engine.Post(name, "{}").ok());
  }
  REQUIRE(engine.Remove("removed").ok());
  sim.RunUntilIdle();
  std::vector<std::string> ends;
  for (const DeadLetter& letter : sink->taken) {
    ends.push_back(letter.function + " " + std::string(ConditionName(letter.condition)));
  }
  std::sort(ends.begin(), ends.end());
  CHECK(ends == std::vector<std::string>{"aged EventAgeExceeded", "fail RetriesExhausted", "permanent NotRetryable",
                                         "removed FunctionRemoved", "zero ZeroReservedConcurrency"});
  CHECK(sim.DeadLetters().empty());
}

TEST_CASE("a letter that waits for a host's queue may be redriven or purged instead") {
  Simulation sim;
  Engine& engine = sim.engine();
  const auto sink = std::make_shared<Sink>(sim, 2);
  REQUIRE(engine.Register("fail", FailNow, Into(sink)).ok());
  const RequestId redriven = engine.Post("fail", "1").value();
  REQUIRE(engine.Post("fail", "2").ok());
  sim.AdvanceBy(absl::Milliseconds(500));
  REQUIRE(engine
              .Replace(
                  "fail", [](std::string_view) {}, Into(sink))
              .ok());
  REQUIRE(engine.dead_letters().Redrive(redriven).ok());
  CHECK(engine.dead_letters().Purge() == 1);
  CHECK(engine.Inspect().undelivered == 0);  // nobody waits for a sink that has nothing to take
  sim.RunUntilIdle();
  CHECK(sim.Elapsed() == absl::Milliseconds(500));
  CHECK(sink->taken.empty());
  CHECK(sim.DeadLetters().empty());
  CHECK(engine.idle());
}

TEST_CASE("a host's queue lives as long as a letter is owed to it, and its function's waiting events") {
  Simulation sim;
  Engine& engine = sim.engine();
  auto sink = std::make_shared<Sink>(sim, 1);
  Sink& seen = *sink;
  const std::weak_ptr<Sink> watch = sink;
  REQUIRE(engine.Register("fail", FailNow, Into(std::move(sink))).ok());
  REQUIRE(engine.Post("fail", "{}").ok());
  sim.AdvanceBy(absl::Milliseconds(500));
  REQUIRE(engine.Remove("fail").ok());
  REQUIRE(!watch.expired());
  CHECK(seen.taken.empty());
  sim.RunUntilIdle();
  CHECK(watch.expired());
  CHECK(sim.DeadLetters().empty());
}

TEST_CASE("a host's queue may call the engine") {
  Simulation sim;
  Engine& engine = sim.engine();
  const auto sink = std::make_shared<Sink>(sim, 1);
  sink->fail = [&] {
    CHECK(engine.Post("other", "{}").ok());
    CHECK(engine.dead_letters().size() == 1);
  };
  int runs = 0;
  REQUIRE(engine.Register("other", [&](std::string_view) { ++runs; }).ok());
  REQUIRE(engine.Register("fail", FailNow, Into(sink)).ok());
  REQUIRE(engine.Post("fail", "{}").ok());
  sim.RunUntilIdle();
  CHECK(runs == 1);
  CHECK(sink->taken.size() == 1);
}

}  // namespace
}  // namespace runlet
