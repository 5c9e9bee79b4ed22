#include "capacity/admission.h"

#include <absl/status/status.h>

#include <algorithm>
#include <atomic>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "capacity/elastic_pool.h"
#include "runlet/base/random.h"
#include "runlet/event/status.h"
#include "tests/capacity/latch.h"
#include "tests/capacity/task.h"
#include "tests/catch.h"

namespace runlet {
namespace {

struct Fixture {
  explicit Fixture(int concurrency, int max_abandoned = 2) : admission({concurrency, max_abandoned}, clock, pool) {
    pool.Attach(&bell);
    admission.Add(f);
    admission.Add(g);
  }
  int AdmitAll(const FunctionEntry& entry) {
    int admitted = 0;
    for (Admission::Permit permit; (permit = admission.TryAdmit(entry, false)).admitted; ++admitted) {
      held.push_back(permit);
    }
    return admitted;
  }
  void LeaveOne() {
    admission.Leave(held.back());
    held.pop_back();
  }

  ManualClock clock;
  Bell bell;
  ElasticPool pool{clock, 1};
  Admission admission;
  FunctionEntry f{"f", 0}, g{"g", 1};
  std::vector<Admission::Permit> held;
};

TEST_CASE("functions without reserved concurrency share what the engine has") {
  Fixture x(3);
  CHECK(x.AdmitAll(x.f) == 3);
  CHECK(x.AdmitAll(x.g) == 0);
  x.LeaveOne();
  CHECK(x.AdmitAll(x.g) == 1);
}

TEST_CASE("what is reserved is taken from all others, and given back") {
  Fixture x(5);
  REQUIRE(x.admission.Reserve(x.f, 2).ok());
  CHECK(x.admission.set_aside() == 2);
  CHECK(x.AdmitAll(x.g) == 3);
  CHECK(x.AdmitAll(x.f) == 2);
  REQUIRE(x.admission.Reserve(x.f, std::nullopt).ok());
  CHECK(x.admission.set_aside() == 0);
  CHECK(x.AdmitAll(x.g) == 0);  // it still holds both
  x.LeaveOne();
  CHECK(x.AdmitAll(x.g) == 1);
  x.held.pop_back();
  x.LeaveOne();
}

TEST_CASE("a reservation gets what others hold only as they give it back") {
  Fixture x(5);
  CHECK(x.AdmitAll(x.g) == 5);
  REQUIRE(x.admission.Reserve(x.f, 3).ok());
  CHECK(x.AdmitAll(x.f) == 0);
  for (int back = 1; back <= 5; ++back) {
    x.admission.Leave(x.held[0]);
    x.held.erase(x.held.begin());
    CHECK(x.AdmitAll(x.f) == (back <= 3 ? 1 : 0));
    // Nobody else gets what is being handed over.
    CHECK(x.AdmitAll(x.g) == (back <= 3 ? 0 : 1));
  }
}

TEST_CASE("who waits for a permit that is being handed over gets it") {
  Fixture x(1);
  CHECK(x.AdmitAll(x.g) == 1);
  REQUIRE(x.admission.Reserve(x.f, 1).ok());
  std::thread waiter([&] {
    const Admission::Permit permit = x.admission.AdmitBefore(x.f, false, Instant::Never());
    x.admission.Leave(permit);
  });
  x.LeaveOne();
  waiter.join();
  CHECK(x.AdmitAll(x.g) == 0);
  CHECK(x.AdmitAll(x.f) == 1);
}

TEST_CASE("however reservations change under load, the engine's concurrency is never exceeded, and none is lost") {
  constexpr int kConcurrency = 4;
  Fixture x(kConcurrency);
  std::atomic<bool> done{false};
  std::atomic<int> inside{0}, most{0};
  const auto run = [&](const FunctionEntry& entry) {
    while (!done) {
      const Admission::Permit permit = x.admission.TryAdmit(entry, false);
      if (!permit.admitted) continue;
      const int now = inside.fetch_add(1) + 1;
      int seen = most.load();
      while (now > seen && !most.compare_exchange_weak(seen, now)) {
      }
      inside.fetch_sub(1);
      x.admission.Leave(permit);
    }
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < 2; ++i) threads.emplace_back(run, std::cref(x.f));
  for (int i = 0; i < 2; ++i) threads.emplace_back(run, std::cref(x.g));
  Random random(1);
  int reserved = 0;
  for (int i = 0; i < 2'000; ++i) {
    FunctionEntry& entry = random.Below(2) == 0 ? x.f : x.g;
    const auto want = static_cast<int>(random.Below(kConcurrency + 2)) - 1;
    reserved += x.admission.Reserve(entry, want < 0 ? std::nullopt : std::optional(want)).ok() ? 1 : 0;
  }
  done = true;
  for (std::thread& thread : threads) thread.join();
  CHECK(reserved > 0);
  CHECK(most <= kConcurrency);
  REQUIRE(x.admission.Reserve(x.f, std::nullopt).ok());
  REQUIRE(x.admission.Reserve(x.g, 1).ok());
  CHECK(x.AdmitAll(x.g) == 1);
  CHECK(x.AdmitAll(x.f) == kConcurrency - 1);
}

TEST_CASE("no more can be reserved than there is, and a refusal changes nothing") {
  Fixture x(5);
  REQUIRE(x.admission.Reserve(x.f, 2).ok());
  const absl::Status refused = x.admission.Reserve(x.g, 4);
  CHECK(refused.code() == absl::StatusCode::kInvalidArgument);
  CHECK(refused.message().find("concurrency of 5 only 3") != absl::string_view::npos);
  CHECK(x.admission.set_aside() == 2);
  REQUIRE(x.admission.Reserve(x.g, 3).ok());
  CHECK(x.AdmitAll(x.g) == 3);
  CHECK(x.AdmitAll(x.f) == 2);
  // Its own reservation does not stand in its way.
  CHECK(x.admission.Reserve(x.g, 3).ok());
  CHECK(x.admission.Reserve(x.g, 4).code() == absl::StatusCode::kInvalidArgument);
}

TEST_CASE("a nested call borrows an unreserved permit and takes a reserved one") {
  Fixture x(2);
  REQUIRE(x.admission.Reserve(x.g, 1).ok());
  CHECK(x.AdmitAll(x.f) == 1);
  const Admission::Permit borrowed = x.admission.TryAdmit(x.f, true);
  CHECK(borrowed.admitted);
  CHECK(borrowed.permits == nullptr);
  const Admission::Permit own = x.admission.TryAdmit(x.g, true);
  CHECK(own.admitted);
  CHECK(own.permits != nullptr);
  CHECK(!x.admission.TryAdmit(x.g, true).admitted);
  x.admission.Leave(own);
  x.admission.Leave(borrowed);
  CHECK(x.admission.unreserved().taken() == 1);
}

TEST_CASE("a refusal names the limit with its numbers") {
  Fixture x(3);
  REQUIRE(x.admission.Reserve(x.g, 1).ok());
  const absl::Status shared = x.admission.Refusal(x.f);
  CHECK(Reason(shared) == reason::kConcurrentInvocationLimitExceeded);
  CHECK(shared.message().find("2 of 2") != absl::string_view::npos);
  const absl::Status reserved = x.admission.Refusal(x.g);
  CHECK(Reason(reserved) == reason::kReservedFunctionConcurrentInvocationLimitExceeded);
  CHECK(reserved.message().find("1 of 1") != absl::string_view::npos);
}

TEST_CASE("at the limit of abandoned threads only those who own some are turned away, until one comes back") {
  Fixture x(10, 2);
  CHECK(x.admission.Abandon(x.f));
  CHECK(x.admission.TryAdmit(x.f, false).admitted);
  CHECK(x.admission.Abandon(x.f));
  CHECK(x.admission.abandoned() == 2);
  CHECK(!x.admission.TryAdmit(x.f, false).admitted);
  CHECK(Reason(x.admission.Refusal(x.f)) == reason::kAbandonedExecutionLimitExceeded);
  CHECK(x.admission.TryAdmit(x.g, false).admitted);
  // One more overruns: its thread cannot be written off.
  CHECK(!x.admission.Abandon(x.g));
  CHECK(x.admission.abandoned() == 2);
  CHECK(!x.admission.TryAdmit(x.g, false).admitted);
  x.admission.ComeBack(x.g, false);
  CHECK(x.admission.abandoned() == 2);
  CHECK(x.admission.TryAdmit(x.g, false).admitted);
  x.admission.ComeBack(x.f, true);
  CHECK(x.admission.TryAdmit(x.f, false).admitted);
}

TEST_CASE("whoever waits for a permit is woken when one is left") {
  Fixture x(1);
  CHECK(x.AdmitAll(x.f) == 1);
  Counter begun;
  std::thread waiter([&] {
    begun.Add();
    const Admission::Permit permit = x.admission.AdmitBefore(x.f, false, Instant::Never());
    CHECK(permit.admitted);
    x.admission.Leave(permit);
  });
  begun.AwaitAtLeast(1);
  x.LeaveOne();
  waiter.join();
}

TEST_CASE("whoever waits for a permit has it at once when one is free, and none when the time has passed") {
  Fixture x(1);
  CHECK(x.admission.AdmitBefore(x.f, false, x.clock.Now()).admitted);
  CHECK(!x.admission.AdmitBefore(x.f, false, x.clock.Now()).admitted);
}

TEST_CASE("many who wait for two permits all get one, and never hold more than two") {
  Fixture x(2);
  std::atomic<int> inside{0}, most{0};
  const auto run = [&] {
    for (int i = 0; i < 2'000; ++i) {
      const Admission::Permit permit = x.admission.AdmitBefore(x.f, false, Instant::Never());
      const int now = inside.fetch_add(1) + 1;
      int seen = most.load();
      while (now > seen && !most.compare_exchange_weak(seen, now)) {
      }
      inside.fetch_sub(1);
      x.admission.Leave(permit);
    }
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) threads.emplace_back(run);
  for (std::thread& thread : threads) thread.join();
  CHECK(most <= 2);
  CHECK(x.admission.unreserved().taken() == 0);
}

}  // namespace
}  // namespace runlet
