// Context::Stream: results in pieces, for those who read them as they come and for those who do not.
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runlet/runlet.h"
#include "runlet/testing/simulation.h"
#include "runlet/testing/test_context.h"
#include "tests/catch.h"

namespace runlet {
namespace {

using testing::Simulation;
using testing::SimulationOptions;

// "one", a second later "two", and so on.
absl::Status Count(std::string_view, Context& ctx) {
  ResponseStream& stream = ctx.Stream("text/plain");
  for (const std::string_view word : {"one", "two", "three"}) {
    if (absl::Status status = stream.Write(word); !status.ok()) return status;
    ctx.Sleep(absl::Seconds(1));
  }
  return absl::OkStatus();
}

std::vector<std::string> ReadAll(Future<std::string>& call) {
  std::vector<std::string> pieces;
  while (std::optional<std::string> piece = call.Read()) pieces.push_back(*std::move(piece));
  return pieces;
}

constexpr InvokeOptions kReading = {.read_stream = true};
const FunctionConfig kMinute = {.timeout = absl::Minutes(1)};

TEST_CASE("a caller reads what is streamed as it comes") {
  Simulation sim;
  REQUIRE(sim.engine().Register("count", Count, kMinute).ok());
  Future<std::string> call = sim.engine().Start("count", "", kReading);
  CHECK(call.Read() == "one");
  CHECK(call.stream_content_type() == "text/plain");
  CHECK(sim.Elapsed() == absl::ZeroDuration());
  CHECK(call.Read() == "two");
  CHECK(sim.Elapsed() == absl::Seconds(1));
  CHECK(call.Read() == "three");
  CHECK(call.Read() == std::nullopt);
  CHECK(sim.Elapsed() == absl::Seconds(3));
  CHECK(std::move(call).Get().value().empty());
}

TEST_CASE("callers who do not read get all that was streamed as the result") {
  Simulation sim;
  REQUIRE(sim.engine().Register("count", Count, kMinute).ok());
  CHECK(sim.engine().Invoke("count", "").value() == "onetwothree");
  CHECK(sim.engine().Start("count", "").Get().value() == "onetwothree");
  Future<std::string> unread = sim.engine().Start("count", "", kReading);
  CHECK(unread.Read() == "one");
  CHECK(std::move(unread).Get().value() == "twothree");
}

TEST_CASE("the result of a handler that does not stream is read in one piece") {
  Simulation sim;
  REQUIRE(sim.engine().Register("echo", [](std::string_view event) { return event; }).ok());
  Future<std::string> call = sim.engine().Start("echo", "hello", kReading);
  CHECK(ReadAll(call) == std::vector<std::string>{"hello"});
  CHECK(call.stream_content_type().empty());
  CHECK(std::move(call).Get().value().empty());
}

TEST_CASE("an error after the first bytes is told at the end") {
  Simulation sim;
  REQUIRE(sim.engine()
              .Register("half",
                        [](std::string_view, Context& ctx) -> absl::Status {
                          (void)ctx.Stream().Write("half");
                          return absl::UnavailableError("down");
                        })
              .ok());
  Future<std::string> call = sim.engine().Start("half", "", kReading);
  CHECK(ReadAll(call) == std::vector<std::string>{"half"});
  CHECK(FunctionErrorOf(std::move(call).Get().status()) == FunctionError{"Unavailable", "down"});
  CHECK(FunctionErrorOf(sim.engine().Invoke("half", "").status()) == FunctionError{"Unavailable", "down"});
}

TEST_CASE("a handler waits for a reader who is behind") {
  Simulation sim;
  std::vector<absl::Duration> written;
  REQUIRE(sim.engine()
              .Register(
                  "flood",
                  [&](std::string_view, Context& ctx) -> absl::Status {
                    const std::string piece(kStreamBuffer, 'x');
                    for (int i = 0; i < 3; ++i) {
                      if (absl::Status status = ctx.Stream().Write(piece); !status.ok()) return status;
                      written.push_back(sim.Elapsed());
                    }
                    return absl::OkStatus();
                  },
                  kMinute)
              .ok());
  Future<std::string> call = sim.engine().Start("flood", "", kReading);
  sim.AdvanceBy(absl::Seconds(1));
  CHECK(written.size() == 1);
  CHECK(call.Read()->size() == kStreamBuffer);
  sim.AdvanceBy(absl::Seconds(1));
  CHECK(written.size() == 2);
  CHECK(std::move(call).Get()->size() == 2 * kStreamBuffer);
  CHECK(written == std::vector<absl::Duration>{absl::ZeroDuration(), absl::Seconds(1), absl::Seconds(2)});
}

// What a handler is told that goes on writing, however `leave` treats its caller's future.
template <typename Leave>
absl::Status WriteUntilToldNotTo(Leave leave) {
  Simulation sim;
  absl::Status told;
  const auto handler = [&](std::string_view, Context& ctx) -> absl::Status {
    while (told.ok()) told = ctx.Stream().Write(std::string(100'000, 'x'));
    return told;
  };
  REQUIRE(sim.engine().Register("flood", handler).ok());
  Future<std::string> call = sim.engine().Start("flood", "", kReading);
  sim.AdvanceBy(absl::Seconds(1));
  CHECK(told.ok());
  leave(sim, std::move(call));
  sim.RunUntilIdle();
  return told;
}

TEST_CASE("a handler that writes is told when nobody reads, when it is asked to stop and when its time is up") {
  CHECK(absl::IsCancelled(
      WriteUntilToldNotTo([](Simulation&, Future<std::string> call) { const auto gone = std::move(call); })));
  CHECK(absl::IsAborted(WriteUntilToldNotTo([](Simulation& sim, Future<std::string> call) {
    call.Cancel();
    sim.AdvanceBy(absl::Milliseconds(1));
  })));
  CHECK(absl::IsAborted(WriteUntilToldNotTo([](Simulation& sim, Future<std::string> call) {
    CHECK(sim.engine().Cancel(call.request_id()).ok());
    sim.AdvanceBy(absl::Milliseconds(1));
  })));
  CHECK(absl::IsAborted(WriteUntilToldNotTo([](Simulation& sim, Future<std::string> /*alive*/) {
    sim.engine().Drain(absl::ZeroDuration(), absl::Milliseconds(10));
  })));
  CHECK(absl::IsDeadlineExceeded(WriteUntilToldNotTo([](Simulation& sim, Future<std::string> call) {
    sim.AdvanceBy(absl::Seconds(5));
    CHECK(FunctionErrorOf(std::move(call).Get().status())->type == "Sandbox.Timedout");
  })));
}

TEST_CASE("a stream beyond its limit ends as too large, one byte less does not") {
  SimulationOptions options;
  options.engine.payload_limits.response = 1000;
  options.engine.payload_limits.stream = 2000;
  Simulation sim(std::move(options));
  REQUIRE(sim.engine()
              .Register("write",
                        [](std::string_view event, Context& ctx) -> absl::Status {
                          const absl::Status status = ctx.Stream().Write(event);
                          CHECK((status.ok() || absl::IsResourceExhausted(status)));
                          return absl::OkStatus();
                        })
              .ok());
  const std::string most(1000, 'x');
  CHECK(sim.engine().Invoke("write", most).value() == most);
  CHECK(FunctionErrorOf(sim.engine().Invoke("write", most + "x").status()) ==
        FunctionError{"Function.ResponseSizeTooLarge",
                      "Response payload size exceeded maximum allowed payload size (1000 bytes)."});
  CHECK(sim.engine().Start("write", most + most, kReading).Get().value() == most + most);
  CHECK(FunctionErrorOf(sim.engine().Start("write", most + most + "x", kReading).Get().status())->type ==
        "Function.ResponseSizeTooLarge");
}

TEST_CASE("only functions of bytes can stream") {
  Simulation sim;
  constexpr Function<std::string, int> kTyped{"typed"};
  REQUIRE(sim.engine()
              .Register(kTyped,
                        [](std::string_view, Context& ctx) {
                          (void)ctx.Stream().Write("x");
                          return 1;
                        })
              .ok());
  CHECK(FunctionErrorOf(sim.engine().Invoke(kTyped, "").status()) ==
        FunctionError{"Runtime.MarshalError",
                      "function \"typed\" streams, but returns int: only bytes (std::string) can be streamed"});
}

TEST_CASE("ReadNow and WhenReadable read without a thread that waits") {
  Simulation sim;
  REQUIRE(sim.engine().Register("count", Count, kMinute).ok());
  struct Reader {
    Future<std::string> call;
    std::vector<std::string> pieces;
    bool ended = false;
    void Pump() {
      std::string bytes;
      for (;;) {
        switch (call.ReadNow(&bytes)) {
          case StreamState::kBytes: pieces.push_back(bytes); break;
          case StreamState::kNothingYet: return call.WhenReadable([this] { Pump(); });
          case StreamState::kEnd: ended = std::move(call).Get().ok(); return;
        }
      }
    }
  } reader{sim.engine().Start("count", "", kReading), {}};
  reader.Pump();
  CHECK(reader.pieces.empty());
  sim.RunUntilIdle();
  CHECK(reader.ended);
  CHECK(reader.pieces == std::vector<std::string>{"one", "two", "three"});
}

TEST_CASE("a handler may read what another streams, on the only thread there is") {
  absl::StatusOr<Engine> engine = Engine::Create({.threads = NoThreads{}});
  REQUIRE(engine.ok());
  REQUIRE(engine
              ->Register("inner",
                         [](std::string_view, Context& ctx) -> absl::Status {
                           return ctx.Stream().Write(std::string(2 * kStreamBuffer, 'x'));
                         })
              .ok());
  REQUIRE(engine
              ->Register("outer",
                         [&](std::string_view) {
                           Future<std::string> call = engine->Start("inner", "", kReading);
                           std::size_t size = 0;
                           while (const std::optional<std::string> piece = call.Read()) size += piece->size();
                           return std::to_string(size);
                         })
              .ok());
  CHECK(engine->Invoke("outer", "").value() == std::to_string(2 * kStreamBuffer));
  Future<std::string> call = engine->Start("inner", "", kReading);
  CHECK(ReadAll(call).size() == 1);
}

TEST_CASE("a posted event may stream too, and its destination gets it all") {
  Simulation sim;
  std::string told;
  FunctionConfig config = kMinute;
  config.event_invoke.on_success = Destination::Callback([&](const InvocationRecord& record) {
    told = record.response.value_or("");
    return absl::OkStatus();
  });
  REQUIRE(sim.engine().Register("count", Count, config).ok());
  REQUIRE(sim.engine().Post("count", "").ok());
  sim.RunUntilIdle();
  CHECK(told == "onetwothree");
}

TEST_CASE("a TestContext keeps what a handler streams") {
  testing::TestContext context;
  CHECK(Count("", context).ok());
  CHECK(context.streamed() == "onetwothree");
  CHECK(context.stream_content_type() == "text/plain");
}

TEST_CASE("100 MB pass from one real thread to another", "[realtime]") {
  constexpr int kPieces = 1000;
  Engine engine;
  REQUIRE(engine
              .Register("flood",
                        [](std::string_view, Context& ctx) -> absl::Status {
                          const std::string piece(100'000, 'x');
                          for (int i = 0; i < kPieces; ++i) {
                            if (absl::Status status = ctx.Stream().Write(piece); !status.ok()) return status;
                          }
                          return absl::OkStatus();
                        },
                        {.timeout = absl::Minutes(5)})
              .ok());
  Future<std::string> call = engine.Start("flood", "", kReading);
  std::size_t size = 0;
  while (const std::optional<std::string> piece = call.Read()) size += piece->size();
  CHECK(size == 100'000 * kPieces);
  CHECK(std::move(call).Get().ok());
}

}  // namespace
}  // namespace runlet
