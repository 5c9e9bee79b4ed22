// Whatever a seed brings, the promises hold: many small programs, each with its own mix of functions, faults, caps and
// calls. The simulation's audit is the judge of every step; what is left at the end is judged here.
#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runlet/base/random.h"
#include "runlet/runlet.h"
#include "runlet/testing/simulation.h"
#include "tests/catch.h"

namespace runlet {
namespace {

using testing::LedgerEntry;
using testing::Simulation;
using Answer = absl::StatusOr<std::string>;

constexpr int kFunctions = 5;

// Fails now and then.
class FlakySink final : public DeadLetterQueue {
 public:
  explicit FlakySink(Random& draws) : draws_(draws) {}
  absl::Status Put(std::span<const DeadLetter> letters) override {
    if (draws_.OneIn(3)) return absl::UnavailableError("sink is down");
    taken += letters.size();
    return absl::OkStatus();
  }
  std::size_t taken = 0;

 private:
  Random& draws_;
};

// One program. Each draws which features it has at all: a program with few of them goes deeper into those.
class World {
 public:
  explicit World(std::uint64_t seed)
      : draws_(seed),
        random_(seed + 1),
        nests_(Flip()),
        hangs_(Flip()),
        changes_(Flip()),
        throws_(Flip()),
        versions_(Flip()),
        cooperative_(!hangs_ && Flip()),
        sink_(std::make_shared<FlakySink>(draws_)),
        sim_(Options(seed)) {
    for (int i = 0; i < kFunctions; ++i) {
      (void)engine().Register(Name(i), Handler(), Config(i)).ok();  // reservations may be too many
    }
  }

  void Run(int actions) {
    for (int i = 0; i < actions; ++i) Act();
    sim_.RunUntilIdle();
  }
  void CheckNothingIsLost();
  std::uint64_t hash() const { return sim_.Ledger().hash(); }
  const std::vector<std::string>& violations() const { return violations_; }

 private:
  Engine& engine() { return sim_.engine(); }
  bool Flip() { return random_.OneIn(2); }
  static std::string Name(int i) { return "f" + std::to_string(i); }
  std::string AnyName() { return Name(static_cast<int>(random_.Below(kFunctions))); }
  // Of versions and aliases that there may be or not.
  static std::string AnyQualifier(Random& random) {
    constexpr std::string_view kAll[] = {":1", ":2", ":3", ":live", ":next", ":$LATEST", ""};
    return std::string(kAll[random.Below(std::size(kAll))]);
  }
  static absl::Duration Below(Random& random, absl::Duration limit) {
    return absl::Nanoseconds(
        static_cast<std::int64_t>(random.Below(static_cast<std::uint64_t>(absl::ToInt64Nanoseconds(limit)))));
  }

  testing::SimulationOptions Options(std::uint64_t seed) {
    testing::SimulationOptions options;
    options.seed = seed;
    options.on_violation = [this](std::string_view text) { violations_.emplace_back(text); };
    options.engine.concurrency = 1 + static_cast<int>(random_.Below(8));
    options.engine.max_abandoned = static_cast<int>(random_.Below(4));
    options.engine.memory_queue.events = 1 + random_.Below(60);
    options.engine.memory_queue.dead_letters = 1 + random_.Below(60);
    options.engine.on_parked = [this](const DeadLetter&) { ++parked_; };
    return options;
  }

  FunctionConfig Config(int i) {
    FunctionConfig config;
    config.timeout = absl::Milliseconds(1) + Below(random_, absl::Seconds(5));
    if (i < 2 && Flip()) config.reserved_concurrency = static_cast<int>(random_.Below(4));
    if (cooperative_) {
      if (random_.OneIn(3)) config.run_on = RunOn::kCaller;
      if (random_.OneIn(3)) config.on_overrun = OnOverrun::kWait;
    }
    if (config.run_on == RunOn::kCaller) config.on_overrun = std::nullopt;
    config.event_invoke.maximum_retry_attempts = static_cast<int>(random_.Below(5));
    config.event_invoke.maximum_event_age = absl::Seconds(1) + Below(random_, absl::Minutes(20));
    switch (random_.Below(3)) {
      case 0: break;
      case 1: config.event_invoke.retry_policy = RetryPolicy::Fixed(Below(random_, absl::Seconds(30))); break;
      default: config.event_invoke.retry_policy = RetryPolicy::Exponential(absl::Milliseconds(100), absl::Seconds(60));
    }
    if (i == 4) config.event_invoke.dead_letter_queue = sink_;
    return config;
  }

  std::function<Answer(std::string_view, Context&)> Handler() {
    return [this](std::string_view, Context& ctx) { return Serve(ctx); };
  }
  Answer Serve(Context& ctx);
  void Act();
  void Release(const std::string& name);

  Random draws_;   // of handlers, in the order in which they run
  Random random_;  // of the program
  const bool nests_, hangs_, changes_;
  [[maybe_unused]] const bool throws_;  // not where exceptions are off
  const bool versions_;
  const bool cooperative_;
  const std::shared_ptr<FlakySink> sink_;
  std::vector<std::string> violations_;
  std::size_t parked_ = 0;
  std::vector<Future<std::string>> futures_;
  Simulation sim_;
};

Answer World::Serve(Context& ctx) {
  if (draws_.OneIn(3)) ctx.Sleep(Below(draws_, absl::Seconds(3)));
  if (draws_.OneIn(8)) {
    while (ctx.Sleep(absl::Hours(1))) {  // until it is asked to stop
    }
  }
  if (nests_) {
    std::string name = Name(static_cast<int>(draws_.Below(kFunctions)));
    if (versions_) name += AnyQualifier(draws_);
    InvokeOptions options;
    if (draws_.OneIn(3)) options.wait_for_capacity = Below(draws_, absl::Seconds(2));
    if (draws_.OneIn(3)) options.timeout = Below(draws_, absl::Seconds(2));
    switch (draws_.Below(8)) {
      case 0: {
        Answer answer = engine().Invoke(name, "{}", options);
        if (!answer.ok() && draws_.OneIn(2)) return answer;
        break;
      }
      case 1: engine().Start(name, "{}", options).Get().IgnoreError(); break;
      case 2: (void)engine().Post(name, "{}").ok(); break;
      case 3: futures_.push_back(engine().Start(name, "{}", options)); break;
      default: break;
    }
  }
#if defined(__cpp_exceptions)
  if (throws_ && draws_.OneIn(6)) throw std::runtime_error("thrown");
#endif
  if (draws_.OneIn(12)) return Permanent(absl::InvalidArgumentError("never"));
  if (draws_.OneIn(3)) return absl::UnavailableError("not now");
  return "done";
}

void World::Release(const std::string& name) {
  const std::string qualified = name + AnyQualifier(random_);
  Alias alias;
  alias.name = Flip() ? "live" : "next";
  alias.version = random_.OneIn(4) ? "$LATEST" : std::to_string(1 + random_.Below(3));
  if (Flip()) {
    alias.additional_version = std::to_string(1 + random_.Below(3));
    alias.additional_weight = random_.Unit();
  }
  switch (random_.Below(8)) {
    case 0:
    case 1: (void)engine().PublishVersion(name).ok(); break;
    case 2: (void)engine().CreateAlias(name, alias).ok(); break;
    case 3: (void)engine().UpdateAlias(name, alias).ok(); break;
    case 4:
    case 5: (void)engine().SetProvisionedConcurrency(qualified, static_cast<int>(random_.Below(4))).ok(); break;
    case 6:
      if (QualifiedName(qualified).qualifier != "") (void)engine().Remove(qualified).ok();
      break;
    default: (void)engine().SetEventInvokeConfig(qualified, Config(name[1] - '0').event_invoke).ok();
  }
}

void World::Act() {
  const std::string base = AnyName();
  const std::string name = versions_ ? base + AnyQualifier(random_) : base;
  const int function = name[1] - '0';
  InvokeOptions options;
  if (random_.OneIn(4)) options.wait_for_capacity = Below(random_, absl::Seconds(2));
  if (random_.OneIn(4)) options.timeout = Below(random_, absl::Seconds(2));
  switch (random_.Below(18)) {
    case 0:
    case 1: (void)engine().Invoke(name, "{}", options).ok(); break;
    case 2:
    case 3: futures_.push_back(engine().Start(name, "{}", options)); break;
    case 4:
      if (!futures_.empty()) futures_[random_.Below(futures_.size())].Cancel();
      break;
    case 5:
      if (!futures_.empty()) {
        Future<std::string> future = std::move(futures_.back());
        futures_.pop_back();  // handlers add others meanwhile
        (void)std::move(future).Get().ok();
      }
      break;
    case 6: (void)engine().PostAll(name, std::vector<std::string>(1 + random_.Below(8), "{}")).ok(); break;
    case 7: sim_.AdvanceBy(Below(random_, absl::Minutes(2))); break;
    case 8: sim_.AdvanceBy(Below(random_, absl::Milliseconds(100))); break;
    case 9:
      if (hangs_) sim_.Hang(name);
      break;
    case 10: sim_.FailNext(name, absl::UnavailableError("planned"), 1 + static_cast<int>(random_.Below(4))); break;
    case 11:
      if (changes_) (void)engine().Replace(base, Handler(), Config(function)).ok();
      break;
    case 12:
      if (changes_ && random_.OneIn(3)) {
        (void)engine().Remove(base).ok();
        if (Flip()) sim_.AdvanceBy(Below(random_, absl::Seconds(10)));
        (void)engine().Register(base, Handler(), Config(function)).ok();
      }
      break;
    case 13:
      (void)engine().dead_letters().RedriveAll({.function = name});
      if (random_.OneIn(4)) engine().dead_letters().Purge({.function = name});
      break;
    case 14:
    case 15:
      if (versions_) Release(base);
      break;
    default: (void)engine().Post(name, "{}").ok();
  }
}

void World::CheckNothingIsLost() {
  QueueStats stats = engine().queue_stats();
  CHECK(stats.accepted == stats.ended + stats.ready + stats.delayed + stats.running);
  // Nothing waits for ever: where a permit is lost to a handler that hangs, events grow too old.
  CHECK(stats.ready + stats.delayed + stats.running == 0);
  if (!hangs_) {
    int in_use = 0;
    for (const FunctionInspection& each : engine().Inspect().functions)
      in_use += each.reserved_in_use + each.provisioned_in_use;
    CHECK(in_use + engine().Inspect().unreserved_in_use == 0);
  }

  (void)engine().PostAll("f3", std::vector<std::string>(5, "{}")).ok();
  (void)engine().Post("f4", "{}").ok();
  const std::uint64_t ended_before = engine().queue_stats().ended;
  const std::uint64_t waiting = engine().queue_stats().accepted - ended_before;
  const absl::Duration soft = Below(random_, absl::Seconds(90));
  const absl::Duration hard = Below(random_, absl::Seconds(180));
  const absl::Duration begin = sim_.Elapsed();
  const DrainReport report = engine().Drain(soft, hard);
  CHECK(sim_.Elapsed() - begin <= std::max(soft, hard));
  stats = engine().queue_stats();
  // What handlers posted during the drain counts as well.
  CHECK(report.completed + report.parked == stats.accepted - ended_before);
  CHECK(report.completed + report.parked >= waiting);
  CHECK(report.parked == parked_);
  CHECK(stats.accepted == stats.ended);

  // Every event that was accepted has one end, and no other has.
  std::map<RequestId, int> lives;
  for (const LedgerEntry& entry : sim_.Ledger().entries()) {
    if (entry.kind == Activity::Kind::kAccepted || entry.kind == Activity::Kind::kRedriven) ++lives[entry.request_id];
    if (entry.kind == Activity::Kind::kEnded) --lives[entry.request_id];
  }
  CHECK(std::all_of(lives.begin(), lives.end(), [](const auto& life) { return life.second == 0; }));

  // Every future has its answer by now.
  for (Future<std::string>& future : std::exchange(futures_, {})) {
    const absl::Status status = std::move(future).Get().status();
    const bool ran = status.ok() || FunctionErrorOf(status).has_value();
    CHECK((ran || Reason(status) != "" || absl::IsNotFound(status) || absl::IsCancelled(status)));
  }
}

TEST_CASE("the promises hold in whatever 200 seeds bring") {
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    INFO("seed " << seed);
    World world(seed);
    world.Run(80);
    world.CheckNothingIsLost();
    CHECK(world.violations() == std::vector<std::string>{});
  }
}

TEST_CASE("the same seed brings the same run, bit for bit, and another seed another") {
  std::vector<std::uint64_t> hashes;
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    World first(seed);
    first.Run(80);
    World second(seed);
    second.Run(80);
    CHECK(first.hash() == second.hash());
    hashes.push_back(first.hash());
  }
  std::sort(hashes.begin(), hashes.end());
  CHECK(std::adjacent_find(hashes.begin(), hashes.end()) == hashes.end());
}

}  // namespace
}  // namespace runlet
