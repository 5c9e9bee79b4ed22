#include "runlet/testing/simulation.h"

#include <absl/strings/escaping.h>
#include <absl/strings/str_split.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <map>
#include <string>

#include "event/json_text.h"
#include "runlet/invoke/interceptor.h"
#include "testing/auditor.h"
#include "testing/sim_executor.h"
#include "testing/watchdog.h"

namespace runlet::testing {
namespace {

constexpr std::uint64_t kStepsBetweenFullChecks = 1000;

// 0 for no limit.
std::int64_t LimitOf(absl::Duration blocked_after) {
  return blocked_after <= absl::ZeroDuration() || blocked_after > absl::Hours(24) ? 0 : Nanos(blocked_after);
}

}  // namespace

class Simulation::Body final : public Observer, public Interceptor {
 public:
  explicit Body(SimulationOptions options)
      : seed_(options.seed),
        keep_ledger_(options.keep_ledger),
        on_violation_(std::move(options.on_violation)),
        observer_(options.engine.observer),
        interceptor_(options.engine.interceptor),
        clock_(options.start),
        watchdog_(LimitOf(options.blocked_after), BlockedReport(options)),
        executor_(clock_, options.seed, watchdog_),
        auditor_(options.engine, clock_, [this](int promise, std::string_view what) { Violated(promise, what); }),
        engine_(MakeEngine(std::move(options.engine))) {
    auditor_.set_engine(&engine_);
    executor_.set_after_step([this] { AfterStep(); });
  }

  ~Body() override {
    // Hung handlers return now, so that their stacks are unwound before they go.
    released_.store(1);
    const std::function<bool()> all_back = [this] { return executor_.parked() == 0; };
    executor_.RunUntil(all_back, clock_.Now().After(Nanos(absl::Hours(24))));
    auditor_.CheckInFull(engine_);
  }

  // Observer
  void OnActivity(const Activity& activity) override {
    if (keep_ledger_) ledger_.Add(activity);
    auditor_.OnActivity(activity);
    if (observer_ != nullptr) observer_->OnActivity(activity);
  }

  // Interceptor
  absl::Status BeforeHandler(Context& context) override {
    watchdog_.HandlerBegins(context.function_name());
    if (Faults* const faults = FaultsOf(context); faults != nullptr) {
      Faults& planned = *faults;
      if (!planned.failures.empty()) {
        Failures& next = planned.failures.front();
        absl::Status error = next.error;
        if (--next.count == 0) planned.failures.pop_front();
        return error;
      }
      if (planned.hangs > 0) {
        --planned.hangs;
        while (released_.load() == 0) executor_.Block({&released_, 0, Instant::Never()});
        return absl::AbortedError("the simulation has ended");
      }
    }
    return interceptor_ == nullptr ? absl::OkStatus() : interceptor_->BeforeHandler(context);
  }

  void RunUntilIdle() {
    const std::function<bool()> idle = [this] { return engine_.idle(); };
    executor_.RunUntil(idle, Instant::Never());
    auditor_.CheckInFull(engine_);
  }

  void AdvanceBy(absl::Duration duration) {
    const Instant until = clock_.Now().After(Nanos(duration));
    const std::function<bool()> never = [] { return false; };
    executor_.RunUntil(never, until);
    clock_.AdvanceTo(until);
    auditor_.CheckInFull(engine_);
  }

  absl::Duration Elapsed() const { return absl::Nanoseconds(clock_.Now().ns); }
  absl::Duration NextDue() {
    // Timers of what has ended may be left.
    if (engine_.idle() && executor_.parked() == 0 && engine_.Inspect().undelivered == 0) {
      return absl::InfiniteDuration();
    }
    const Instant due = executor_.NextDue();
    return due.never() ? absl::InfiniteDuration() : absl::Nanoseconds(due.ns);
  }

  void FailNext(std::string_view function, absl::Status error, int count) {
    if (count > 0) faults_[std::string(function)].failures.push_back({std::move(error), count});
  }
  void Hang(std::string_view function, int count) { faults_[std::string(function)].hangs += std::max(count, 0); }

  Engine& engine() { return engine_; }
  const testing::Ledger& ledger() const { return ledger_; }
  std::uint64_t steps() const { return executor_.steps(); }

 private:
  struct Failures {
    absl::Status error;
    int count;
  };
  struct Faults {
    std::deque<Failures> failures;
    std::int64_t hangs = 0;
  };

  // Those of the version or alias before those of the function.
  Faults* FaultsOf(const Context& context) {
    const std::string function(context.function_name());
    for (const std::string& name : {function + ':' + std::string(context.function_version()),
                                    function + ':' + std::string(context.qualifier()), function}) {
      const auto found = faults_.find(name);
      if (found != faults_.end() && (!found->second.failures.empty() || found->second.hangs > 0)) return &found->second;
    }
    return nullptr;
  }

  Engine MakeEngine(EngineOptions options) {
    options.clock = &clock_;
    options.executor = &executor_;
    options.seed = seed_;
    options.observer = this;
    options.interceptor = this;
    absl::StatusOr<Engine> engine = Engine::Create(std::move(options));
    if (!engine.ok()) {
      fmt::print(stderr, "runlet: simulation: {}\n", std::string(engine.status().message()));
      std::abort();
    }
    return *std::move(engine);
  }

  // Called on the watchdog's thread, whatever the simulation is doing.
  static Watchdog::Report BlockedReport(const SimulationOptions& options) {
    return [seed = options.seed, after = options.blocked_after, on_blocked = options.on_blocked](
               std::string_view function, std::uint64_t step) {
      const std::string text = fmt::format(
          "runlet: simulation: {} has not come back to the engine for {} of real time (seed {}, step {}). In a "
          "simulation all else stands still meanwhile: what it waits for must be the engine's (Context::Sleep, Invoke, "
          "Future::Get)",
          function.empty() ? std::string("a piece of work") : fmt::format("the handler of function \"{}\"", function),
          absl::FormatDuration(after), seed, step);
      if (on_blocked) return on_blocked(text);
      fmt::print(stderr, "{}\n", text);
    };
  }

  void AfterStep() {
    auditor_.CheckStep(engine_);
    if (executor_.steps() % kStepsBetweenFullChecks == 0) auditor_.CheckInFull(engine_);
  }

  void Violated(int promise, std::string_view what) {
    const std::string text = fmt::format("runlet: promise {} is broken: {} (seed {}, step {}, at {})", promise, what,
                                         seed_, executor_.steps(), absl::FormatDuration(Elapsed()));
    if (on_violation_) return on_violation_(text);
    fmt::print(stderr, "{}\n", text);
    std::abort();
  }

  const std::uint64_t seed_;
  const bool keep_ledger_;
  const std::function<void(std::string_view)> on_violation_;
  Observer* const observer_;
  Interceptor* const interceptor_;
  std::map<std::string, Faults, std::less<>> faults_;
  std::atomic<std::uint32_t> released_{0};
  testing::Ledger ledger_;
  ManualClock clock_;
  Watchdog watchdog_;
  SimExecutor executor_;
  Auditor auditor_;
  Engine engine_;
};

Simulation::Simulation(SimulationOptions options) : body_(std::make_unique<Body>(std::move(options))) {}
Simulation::~Simulation() = default;

Engine& Simulation::engine() { return body_->engine(); }
void Simulation::RunUntilIdle() { body_->RunUntilIdle(); }
void Simulation::AdvanceBy(absl::Duration duration) { body_->AdvanceBy(duration); }
absl::Duration Simulation::Elapsed() const { return body_->Elapsed(); }
absl::Duration Simulation::NextDue() { return body_->NextDue(); }
std::vector<DeadLetter> Simulation::DeadLetters() {
  return engine().dead_letters().List({}, engine().dead_letters().size());
}
const testing::Ledger& Simulation::Ledger() const { return body_->ledger(); }
absl::Status Simulation::Replay(std::string_view exported) {
  int number = 0;
  for (const absl::string_view line : absl::StrSplit(absl::string_view(exported.data(), exported.size()), '\n')) {
    ++number;
    if (line.empty()) continue;
    const auto letter = ReadFlatJson({line.data(), line.size()});
    if (!letter.has_value() || !letter->contains("function")) {
      return absl::InvalidArgumentError(fmt::format("line {} is no exported dead letter", number));
    }
    std::string payload;
    if (const auto text = letter->find("payload"); text != letter->end()) {
      payload = text->second;
    } else if (const auto base64 = letter->find("payloadBase64");
               base64 == letter->end() || !absl::Base64Unescape(base64->second, &payload)) {
      return absl::InvalidArgumentError(fmt::format("line {}: the letter has no payload that can be read", number));
    }
    if (const absl::Status posted = engine().Post(letter->at("function"), payload).status(); !posted.ok()) {
      return absl::Status(posted.code(), fmt::format("line {}: {}", number, std::string(posted.message())));
    }
  }
  return absl::OkStatus();
}

std::uint64_t Simulation::steps() const { return body_->steps(); }
void Simulation::FailNext(std::string_view function, absl::Status error, int count) {
  body_->FailNext(function, std::move(error), count);
}
void Simulation::Hang(std::string_view function, int count) { body_->Hang(function, count); }

}  // namespace runlet::testing
