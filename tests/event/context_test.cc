#include "runlet/event/context.h"

#include <absl/time/time.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tests/catch.h"

namespace runlet {
namespace {

// What stands behind a Context here: time passes when the handler sleeps, and something may happen meanwhile.
class Port final : public ContextPort {
 public:
  explicit Port(ManualClock& clock) : clock_(clock) {}

  void Log(const Invocation& invocation, std::string_view line) override {
    lines.push_back(std::string(invocation.function_name) + ": " + std::string(line));
  }
  void SleepUntil(Instant until, const std::atomic<std::uint32_t>&) override {
    asked = until;
    if (during_sleep) return during_sleep();
    clock_.AdvanceTo(until);
  }
  std::unique_ptr<ResponseStream> OpenStream(const Invocation&, std::string_view) override { return nullptr; }
  void OnForcedUnwind() override {}

  std::vector<std::string> lines;
  Instant asked;
  std::function<void()> during_sleep;

 private:
  ManualClock& clock_;
};

struct Fixture {
  explicit Fixture(absl::Duration timeout = absl::Seconds(3)) {
    invocation.request_id = RequestId::FromBits(1, 2);
    invocation.function_name = "resize";
    invocation.client_context = "{\"a\":1}";
    invocation.attempt = 2;
    invocation.type = InvocationType::kEvent;
    if (timeout != absl::InfiniteDuration()) invocation.deadline = clock.Now().After(Nanos(timeout));
  }
  void Stop(StopReason reason) { stop.store(static_cast<std::uint32_t>(reason)); }

  ManualClock clock;
  Port port{clock};
  std::atomic<std::uint32_t> stop{0};
  Invocation invocation;
  Context context{invocation, clock, stop, port};
};

TEST_CASE("a handler is told what it serves") {
  const Fixture f;
  CHECK(f.context.request_id() == RequestId::FromBits(1, 2));
  CHECK(f.context.function_name() == "resize");
  CHECK(f.context.function_version() == "$LATEST");
  CHECK(f.context.client_context() == "{\"a\":1}");
  CHECK(f.context.attempt() == 2);
  CHECK(f.context.type() == InvocationType::kEvent);
}

TEST_CASE("the remaining time goes down with the clock, to zero at the deadline and below it after") {
  Fixture f(absl::Seconds(3));
  CHECK(f.context.remaining_time() == absl::Seconds(3));
  f.clock.AdvanceBy(absl::Seconds(1));
  CHECK(f.context.remaining_time() == absl::Seconds(2));
  f.clock.AdvanceBy(absl::Seconds(2));
  CHECK(f.context.remaining_time() == absl::ZeroDuration());
  f.clock.AdvanceBy(absl::Seconds(1));
  CHECK(f.context.remaining_time() == absl::Seconds(-1));
}

TEST_CASE("the deadline stands on the calendar, and does not move as time passes") {
  Fixture f(absl::Seconds(3));
  const absl::Time deadline = f.context.deadline();
  CHECK(deadline == f.clock.Calendar() + absl::Seconds(3));
  f.clock.AdvanceBy(absl::Seconds(2));
  CHECK(f.context.deadline() == deadline);
}

TEST_CASE("without a deadline the remaining time is infinite, and nothing asks to stop") {
  Fixture f(absl::InfiniteDuration());
  CHECK(f.context.remaining_time() == absl::InfiniteDuration());
  CHECK(f.context.deadline() == absl::InfiniteFuture());
  f.clock.AdvanceBy(absl::Hours(24 * 365));
  CHECK(!f.context.stop_requested());
}

TEST_CASE("a handler is asked to stop at its deadline, and not one nanosecond before") {
  Fixture f(absl::Seconds(3));
  f.clock.AdvanceBy(absl::Seconds(3) - absl::Nanoseconds(1));
  CHECK(!f.context.stop_requested());
  CHECK(f.context.stop_reason() == StopReason::kNone);
  f.clock.AdvanceBy(absl::Nanoseconds(1));
  CHECK(f.context.stop_requested());
  CHECK(f.context.stop_reason() == StopReason::kDeadline);
}

TEST_CASE("who asked first is the reason, even after the deadline") {
  Fixture f(absl::Seconds(3));
  f.Stop(StopReason::kCaller);
  CHECK(f.context.stop_reason() == StopReason::kCaller);
  f.clock.AdvanceBy(absl::Seconds(4));
  CHECK(f.context.stop_reason() == StopReason::kCaller);
  f.Stop(StopReason::kDrain);
  CHECK(f.context.stop_reason() == StopReason::kDrain);
}

TEST_CASE("a sleep that ends before the deadline is slept out") {
  Fixture f(absl::Seconds(3));
  CHECK(f.context.Sleep(absl::Seconds(1)));
  CHECK(f.clock.Now() == Instant{1'000'000'000});
  CHECK(f.context.Sleep(absl::Seconds(2) - absl::Nanoseconds(1)));
}

TEST_CASE("a sleep is cut at the deadline, and says so") {
  Fixture f(absl::Seconds(3));
  CHECK(!f.context.Sleep(absl::Seconds(5)));
  CHECK(f.port.asked == Instant{3'000'000'000});
  CHECK(f.context.stop_reason() == StopReason::kDeadline);

  Fixture g(absl::Seconds(3));
  CHECK(!g.context.Sleep(absl::Seconds(3)));  // to the deadline itself: nobody wants the result any more
  CHECK(!g.context.Sleep(absl::InfiniteDuration()));
}

TEST_CASE("a sleep ends early when the handler is asked to stop") {
  Fixture f(absl::Seconds(3));
  f.port.during_sleep = [&] {
    f.clock.AdvanceBy(absl::Milliseconds(10));
    f.Stop(StopReason::kDrain);
  };
  CHECK(!f.context.Sleep(absl::Seconds(1)));
  CHECK(f.clock.Now() == Instant{10'000'000});
}

TEST_CASE("a sleep that comes back too early has not been slept out") {
  Fixture f(absl::Seconds(3));
  f.port.during_sleep = [&] { f.clock.AdvanceBy(absl::Milliseconds(10)); };
  CHECK(!f.context.Sleep(absl::Seconds(1)));
}

TEST_CASE("sleeping for no time, or less, takes none") {
  Fixture f(absl::Seconds(3));
  CHECK(f.context.Sleep(absl::ZeroDuration()));
  CHECK(f.context.Sleep(absl::Seconds(-1)));
  CHECK(f.context.Sleep(-absl::InfiniteDuration()));
  CHECK(f.clock.Now() == Instant{0});
}

TEST_CASE("without a deadline a sleep may be as long as it likes") {
  Fixture f(absl::InfiniteDuration());
  CHECK(f.context.Sleep(absl::Hours(1000)));
  CHECK(f.clock.Now() == Instant{Nanos(absl::Hours(1000))});
}

TEST_CASE("a line of the log goes out with the invocation it belongs to") {
  Fixture f;
  f.context.Log("one");
  f.context.Log("");
  CHECK(f.port.lines == std::vector<std::string>{"resize: one", "resize: "});
}

}  // namespace
}  // namespace runlet
