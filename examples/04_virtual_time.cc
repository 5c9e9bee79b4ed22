// Testing with virtual time: six hours of retries in about a millisecond, the same in every run.
#include <fmt/format.h>
#include <runlet/runlet.h>
#include <runlet/testing/simulation.h>
#include <runlet/testing/test_context.h>

#include <optional>
#include <string>
#include <vector>

#include "expect.h"

namespace {

using runlet::testing::Simulation;
using Kind = runlet::Activity::Kind;

struct Mail {
  std::string to;
};
inline constexpr runlet::Function<Mail> kSend{"send-mail"};
inline constexpr runlet::Function<Mail> kRemind{"remind"};

// ---- the program under test ----

// Waits for the mail server's turn, then sends.
absl::Status Send(const Mail& mail, runlet::Context& context) {
  if (!context.Sleep(absl::Seconds(1))) return absl::CancelledError("stopped while waiting for a turn");
  context.Log("sent to " + mail.to);
  return absl::OkStatus();
}

void Setup(runlet::Engine& engine) {
  ExpectOk(engine.Register(kSend, Send));
  // Tries for as long as an event may live, six hours.
  ExpectOk(engine.Register(kRemind, Send, {.event_invoke = {.maximum_retry_attempts = 1000}}));
}

// ---- its tests ----

void TwoFailuresAndASuccess() {
  // [simulation]
  runlet::testing::Simulation sim({.seed = 42});  // the same Engine, on one thread, in virtual time
  Setup(sim.engine());                            // the program's own wiring, unchanged
  sim.FailNext(kSend, absl::UnavailableError("the server is down"), 3);

  ExpectOk(sim.engine().Post(kSend, {"ada@example.org"}).status());
  sim.RunUntilIdle();  // Lambda's back-off of 60 s and 120 s passes in microseconds

  Expect(sim.Elapsed() == absl::Minutes(3), "three attempts take three minutes");
  Expect(sim.DeadLetters().at(0).condition == runlet::Condition::kRetriesExhausted, "then the event is dead");
  // [/simulation]

  Expect(sim.DeadLetters().at(0).attempts == 3, "it was tried three times");
  ExpectOk(sim.engine().dead_letters().Redrive(sim.DeadLetters().at(0).request_id).status());
  sim.RunUntilIdle();
  Expect(sim.DeadLetters().empty(), "with the server up again, the redriven event succeeds");
  fmt::print("{}", sim.Ledger().ToString());
}

void SixHours() {
  Simulation sim;
  Setup(sim.engine());
  sim.FailNext(kRemind, absl::UnavailableError("the server is down"), 1000);
  ExpectOk(sim.engine().Post(kRemind, {"ada@example.org"}).status());
  sim.RunUntilIdle();

  // At 0 s, 60 s, then every 120 s; the attempt after 5 h 59 min would come too late, so none is waited for.
  const runlet::DeadLetter letter = sim.DeadLetters().at(0);
  fmt::print("{}: {} after {} attempts in {}\n", letter.function, runlet::ConditionName(letter.condition),
             letter.attempts, absl::FormatDuration(sim.Elapsed()));
  Expect(letter.condition == runlet::Condition::kEventAgeExceeded, "the event has grown too old");
  Expect(letter.attempts == 181 && sim.Ledger().Count(Kind::kFailed) == 181, "it was tried 181 times");
  Expect(sim.Elapsed() == absl::Hours(6) - absl::Minutes(1), "six hours have passed");
}

void AHandlerThatHangs() {
  Simulation sim;
  Setup(sim.engine());
  sim.Hang(kSend);
  const std::optional<runlet::FunctionError> error =
      runlet::FunctionErrorOf(sim.engine().Invoke(kSend, {"ada@example.org"}));
  Expect(error.has_value() && error->type == "Sandbox.Timedout", "the caller is released");
  Expect(sim.Elapsed() == absl::Seconds(3), "at the deadline");
}

void TheSameEveryTime() {
  const auto hash = [] {
    Simulation sim({.seed = 7});
    Setup(sim.engine());
    for (const char* to : {"ada", "bob", "cyd", "dan"}) ExpectOk(sim.engine().Post(kSend, {to}).status());
    sim.RunUntilIdle();
    return sim.Ledger().hash();
  };
  Expect(hash() == hash(), "the same seed gives the same run, bit for bit");
}

// A handler alone, without an engine. Its time is the TestContext's.
void TheHandlerAlone() {
  runlet::testing::TestContext context({.timeout = absl::Seconds(2)});
  ExpectOk(Send({"ada@example.org"}, context));
  Expect(context.log() == std::vector<std::string>{"sent to ada@example.org"}, "it says what it has done");
  Expect(context.context().remaining_time() == absl::Seconds(1), "its turn came after a second");

  runlet::testing::TestContext hurried({.timeout = absl::Milliseconds(500)});
  Expect(Send({"ada@example.org"}, hurried).code() == absl::StatusCode::kCancelled, "it gives up at its deadline");
}

}  // namespace

int main() {
  TwoFailuresAndASuccess();
  SixHours();
  AHandlerThatHangs();
  TheSameEveryTime();
  TheHandlerAlone();
}
