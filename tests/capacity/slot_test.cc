#include "capacity/slot.h"

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include "tests/catch.h"

namespace runlet {
namespace {

// Code that says when its captures are gone.
std::unique_ptr<const Code> CodeThatCounts(std::atomic<int>& gone) {
  const std::shared_ptr<void> capture(nullptr, [&gone](void*) { gone.fetch_add(1); });
  return std::make_unique<const Code>(
      Handler::Make<std::string, std::string>([capture](std::string_view) { return "x"; }), FunctionConfig{});
}

TEST_CASE("a thread gets the slot that it had last") {
  Slots slots(1);
  Slot& first = slots.Take();
  Slot& second = slots.Take();
  CHECK(&first != &second);
  slots.Give(first);
  slots.Give(second);
  CHECK(&slots.Take() == &second);
}

TEST_CASE("replaced code is kept while an execution uses it, and destroyed when that lets go") {
  std::atomic<int> gone{0};
  Slots slots(1);
  FunctionEntry entry("function", 0);
  entry.code.store(CodeThatCounts(gone).release());
  SlotHold slot(slots);
  REQUIRE(slot->Protect(entry) != nullptr);

  slots.Retire(entry.code.exchange(nullptr));
  CHECK(gone.load() == 0);

  REQUIRE(slot->Unprotect(entry));  // somebody must look
  slots.Retire(nullptr);
  CHECK(gone.load() == 1);
}

TEST_CASE("code that nobody uses is destroyed as it is replaced") {
  std::atomic<int> gone{0};
  Slots slots(1);
  FunctionEntry entry("function", 0);
  entry.code.store(CodeThatCounts(gone).release());
  slots.Retire(entry.code.exchange(nullptr));
  CHECK(gone.load() == 1);
}

TEST_CASE("code is never destroyed under a reader, however often it is replaced") {
  constexpr int kReplacements = 2000;
  std::atomic<int> gone{0};
  Slots slots(1);
  FunctionEntry entry("function", 0);
  entry.code.store(CodeThatCounts(gone).release());
  std::atomic<bool> stop{false};
  std::thread reader([&] {
    while (!stop.load()) {
      SlotHold slot(slots);
      const Code* code = slot->Protect(entry);
      // A read of freed memory here is what the sanitizers would tell.
      if (code->timeout_ns != Nanos(absl::Seconds(3))) std::abort();
      if (slot->Unprotect(entry)) slots.Retire(nullptr);
    }
  });
  for (int i = 0; i < kReplacements; ++i) slots.Retire(entry.code.exchange(CodeThatCounts(gone).release()));
  stop.store(true);
  reader.join();
  slots.Retire(entry.code.exchange(nullptr));
  slots.Retire(nullptr);
  CHECK(gone.load() == kReplacements + 1);
}

class CountedRun final : public Watched {
 public:
  void OnOverrun(Instant) override { overruns.fetch_add(1); }
  std::atomic<int> overruns{0};
};

TEST_CASE("a run is taken away at its deadline, not before") {
  Slots slots(1);
  SlotHold slot(slots);
  CountedRun run;
  slot->BeginWatched(&run, Instant{100});
  CHECK(slots.ExpireOverruns(Instant{99}) == Instant{100});
  CHECK(run.overruns.load() == 0);
  CHECK(slots.ExpireOverruns(Instant{100}).never());
  CHECK(run.overruns.load() == 1);
  CHECK_FALSE(slot->EndWatched());
}

TEST_CASE("a run that has ended is not taken away") {
  Slots slots(1);
  SlotHold slot(slots);
  CountedRun run;
  slot->BeginWatched(&run, Instant{100});
  CHECK(slot->EndWatched());
  CHECK(slots.ExpireOverruns(Instant{1000}).never());
  CHECK(run.overruns.load() == 0);
}

TEST_CASE("a run that ends at its deadline either ends or is taken away, never both") {
  Slots slots(1);
  std::atomic<bool> stop{false};
  std::thread watcher([&] {
    while (!stop.load()) slots.ExpireOverruns(Instant{1});
  });
  int ended = 0, taken = 0;
  for (int i = 0; i < 20'000; ++i) {
    SlotHold slot(slots);
    CountedRun run;
    slot->BeginWatched(&run, Instant{i % 2});
    if (i % 3 == 0) std::this_thread::yield();
    const bool by_itself = slot->EndWatched();
    (by_itself ? ended : taken) += 1;
    if (run.overruns.load() != (by_itself ? 0 : 1)) {
      stop.store(true);
      FAIL("overruns " << run.overruns.load() << " although by_itself is " << by_itself);
    }
  }
  stop.store(true);
  watcher.join();
  CHECK(ended + taken == 20'000);
}

TEST_CASE("the counts of one function add up over all slots") {
  Slots slots(1);
  const FunctionIdentity first{"first", 0}, hundredth{"hundredth", 100};
  {
    SlotHold one(slots), two(slots);
    one->meter(first).AddExecution(1'000'000);
    two->meter(first).AddExecution(1'000'001);
    two->meter(hundredth).AddExecution(5);
  }
  CHECK(slots.Sum(first).invocations == 2);
  CHECK(slots.Sum(first).billed_milliseconds == 3);
  CHECK(slots.Sum(hundredth).invocations == 1);
}

}  // namespace
}  // namespace runlet
