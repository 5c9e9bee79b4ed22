#include "capacity/slot.h"

#include <absl/status/status.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include "tests/capacity/latch.h"
#include "tests/catch.h"

namespace runlet {
namespace {

// Counts the codes that are alive, by what their handlers have captured.
class Codes {
 public:
  const Code* Make() {
    auto counted = std::make_shared<Captured>(*this);
    return new Code(Handler::Make<int, int>([counted](int event) { return counted->alive + event; }), FunctionConfig{});
  }
  int alive() const { return alive_.load(); }

 private:
  struct Captured {
    explicit Captured(Codes& its_codes) : codes(its_codes) { codes.alive_.fetch_add(1); }
    ~Captured() {
      alive = 0;
      codes.alive_.fetch_sub(1);
    }
    Codes& codes;
    int alive = 1;  // what a handler that runs too late would not find
  };

  std::atomic<int> alive_{0};
};

class NoPort final : public ContextPort {
  void Log(const Invocation&, std::string_view) override {}
  void SleepUntil(Instant, const std::atomic<std::uint32_t>&) override {}
  std::unique_ptr<ResponseStream> OpenStream(const Invocation&, std::string_view) override { return nullptr; }
  void OnForcedUnwind() override {}
};

// Runs the code, as the engine would between Protect and Unprotect: 1 + event while its captures live.
int Run(const Code& code, int event) {
  NoPort port;
  ManualClock clock;
  std::atomic<std::uint32_t> stop{0};
  Invocation invocation;
  Context context(invocation, clock, stop, port);
  int result = 0;
  if (!code.handler.Call({&event, true, context, &result}).ok()) return -1;
  return result;
}

void Replace(Slots& slots, FunctionEntry& entry, const Code* code) {
  slots.Retire(entry.code.exchange(code, std::memory_order_seq_cst));
}
void Unprotect(Slots& slots, Slot& slot, const FunctionEntry& entry) {
  if (slot.Unprotect(entry)) slots.Retire(nullptr);
}

// ---- taking and giving ----

TEST_CASE("a thread gets the slot that it had last") {
  Slots slots(1);
  Slot& first = slots.Take();
  slots.Give(first);
  for (int i = 0; i < 10; ++i) {
    Slot& again = slots.Take();
    CHECK(&again == &first);
    slots.Give(again);
  }
}

TEST_CASE("no two hold the same slot, and no more slots are made than were held at once") {
  Slots slots(1);
  std::set<Slot*> held;
  for (int i = 0; i < 100; ++i) held.insert(&slots.Take());
  CHECK(held.size() == 100);
  for (Slot* slot : held) slots.Give(*slot);
  std::set<Slot*> again;
  for (int i = 0; i < 100; ++i) again.insert(&slots.Take());
  CHECK(again == held);
}

TEST_CASE("slots are taken and given for a scope") {
  Slots slots(1);
  const auto take_two = [&] {
    const SlotHold first(slots);
    const SlotHold second(slots);
    CHECK(&*first != &*second);
    return std::set<Slot*>{&*first, &*second};
  };
  const std::set<Slot*> held = take_two();
  CHECK(take_two() == held);
}

TEST_CASE("the slots of one engine are not those of another, nor of one that has died in its place") {
  alignas(Slots) unsigned char place[sizeof(Slots)];
  Slots other(1);
  Slot* others = &other.Take();
  other.Give(*others);
  for (int life = 0; life < 3; ++life) {
    Slots* slots = ::new (place) Slots(1);
    Slot& slot = slots->Take();
    CHECK(&slot != others);
    slots->Give(slot);
    slots->~Slots();
  }
  CHECK(&other.Take() == others);
}

TEST_CASE("threads that take and give slots never hold the same one") {
  Slots slots(1);
  std::atomic<int> clashes{0};
  const FunctionEntry function("f", 0);
  const auto run = [&] {
    for (int i = 0; i < 20'000; ++i) {
      Slot& slot = slots.Take();
      if (slot.stop().exchange(1) != 0) clashes.fetch_add(1);
      slot.meter(function).errors.Add(1);  // plain loads and stores: a clash would lose counts
      slot.stop().store(0);
      slots.Give(slot);
    }
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) threads.emplace_back(run);
  for (std::thread& thread : threads) thread.join();
  CHECK(clashes == 0);
  CHECK(slots.Sum(function).errors == 80'000);
}

TEST_CASE("the counts of a function are the sum over the slots, and other functions have their own") {
  Slots slots(1);
  const FunctionEntry f("f", 0), g("g", 1000);
  Slot& a = slots.Take();
  Slot& b = slots.Take();
  a.meter(f).AddExecution(5, 128);
  b.meter(f).AddExecution(7, 128);
  b.meter(g).errors.Add(3);
  CHECK(slots.Sum(f).invocations == 2);
  CHECK(slots.Sum(f).total_duration == absl::Nanoseconds(12));
  CHECK(slots.Sum(f).errors == 0);
  CHECK(slots.Sum(g).errors == 3);
  CHECK(slots.Sum(g).invocations == 0);
  CHECK(slots.Sum(FunctionIdentity{"never", 77}).invocations == 0);
}

TEST_CASE("ids of one engine differ, from slot to slot too, and are the same for the same seed") {
  const auto ids = [](std::uint64_t seed) {
    Slots slots(seed);
    std::vector<RequestId> all;
    Slot& a = slots.Take();
    Slot& b = slots.Take();
    for (int i = 0; i < 1000; ++i) {
      all.push_back(a.NewId());
      all.push_back(b.NewId());
    }
    return all;
  };
  const std::vector<RequestId> first = ids(1);
  CHECK(std::set<RequestId>(first.begin(), first.end()).size() == 2000);
  CHECK(ids(1) == first);
  CHECK(ids(2) != first);
}

// ---- code that is replaced while it runs ----

TEST_CASE("code that nobody runs goes when it is replaced, and the last when the slots go") {
  Codes codes;
  FunctionEntry entry("f", 0);
  {
    Slots slots(1);
    Replace(slots, entry, codes.Make());
    Replace(slots, entry, codes.Make());
    CHECK(codes.alive() == 1);
    Replace(slots, entry, nullptr);
    CHECK(codes.alive() == 0);
  }
}

TEST_CASE("code that runs stays until it is let go, and goes exactly then") {
  Codes codes;
  Slots slots(1);
  FunctionEntry entry("f", 0);
  Replace(slots, entry, codes.Make());
  Slot& slot = slots.Take();
  const Code* code = slot.Protect(entry);
  CHECK(slot.protected_code() == code);
  Replace(slots, entry, codes.Make());
  CHECK(codes.alive() == 2);
  CHECK(Run(*code, 4) == 5);
  slots.Retire(nullptr);
  CHECK(codes.alive() == 2);
  Unprotect(slots, slot, entry);
  CHECK(codes.alive() == 1);
  CHECK(slot.protected_code() == nullptr);
  slots.Give(slot);
  Replace(slots, entry, nullptr);
  CHECK(codes.alive() == 0);
}

TEST_CASE("code that several run goes with the last of them") {
  Codes codes;
  Slots slots(1);
  FunctionEntry entry("f", 0);
  Replace(slots, entry, codes.Make());
  Slot& a = slots.Take();
  Slot& b = slots.Take();
  CHECK(a.Protect(entry) == b.Protect(entry));
  Replace(slots, entry, nullptr);
  Unprotect(slots, a, entry);
  CHECK(codes.alive() == 1);
  Unprotect(slots, b, entry);
  CHECK(codes.alive() == 0);
}

TEST_CASE("whoever lets go of code that is still in place has nothing to look for") {
  Codes codes;
  Slots slots(1);
  FunctionEntry entry("f", 0);
  Replace(slots, entry, codes.Make());
  Slot& slot = slots.Take();
  CHECK(slot.Protect(entry) != nullptr);
  CHECK(!slot.Unprotect(entry));
  CHECK(codes.alive() == 1);
  Replace(slots, entry, nullptr);
  CHECK(slot.Protect(entry) == nullptr);
  CHECK(!slot.Unprotect(entry));
}

TEST_CASE("code that is retired while the slots go is freed with them") {
  Codes codes;
  FunctionEntry entry("f", 0);
  {
    Slots slots(1);
    Replace(slots, entry, codes.Make());
    CHECK(slots.Take().Protect(entry) != nullptr);
    Replace(slots, entry, nullptr);
    CHECK(codes.alive() == 1);
  }
  CHECK(codes.alive() == 0);
}

TEST_CASE("the destructor of a capture may replace code itself") {
  Slots slots(1);
  FunctionEntry entry("f", 0);
  struct Replacing {
    ~Replacing() { slots->Retire(entry->code.exchange(nullptr)); }
    Slots* slots;
    FunctionEntry* entry;
  };
  Codes codes;
  auto replacing = std::make_shared<Replacing>(Replacing{&slots, &entry});
  const Code* code =
      new Code(Handler::Make<int, int>([replacing = std::move(replacing)](int event) { return event; }), {});
  Replace(slots, entry, code);
  Replace(slots, entry, codes.Make());  // ends `code`, whose capture removes the one put in its place
  CHECK(entry.code.load() == nullptr);
  CHECK(codes.alive() == 0);
}

TEST_CASE("10,000 replacements against running readers end each code once, and none that runs") {
  Codes codes;
  {
    Slots slots(1);
    FunctionEntry entry("f", 0);
    Replace(slots, entry, codes.Make());
    std::atomic<bool> done{false};
    std::atomic<int> wrong{0};
    Counter reading;
    const auto read = [&] {
      for (bool first = true; !done.load(std::memory_order_relaxed); first = false) {
        Slot& slot = slots.Take();
        const Code* code = slot.Protect(entry);
        if (code == nullptr || Run(*code, 41) != 42) wrong.fetch_add(1);
        Unprotect(slots, slot, entry);
        slots.Give(slot);
        if (first) reading.Add();
      }
    };
    std::thread first(read), second(read);
    reading.AwaitAtLeast(2);
    for (int i = 0; i < 10'000; ++i) Replace(slots, entry, codes.Make());
    done = true;
    first.join();
    second.join();
    CHECK(wrong == 0);
    slots.Retire(nullptr);
    CHECK(codes.alive() == 1);
    Replace(slots, entry, nullptr);
  }
  CHECK(codes.alive() == 0);
}

TEST_CASE("two threads may retire code at the same time") {
  Codes codes;
  Slots slots(1);
  FunctionEntry entry("f", 0);
  const auto replace = [&] {
    for (int i = 0; i < 2'000; ++i) Replace(slots, entry, codes.Make());
  };
  std::thread other(replace);
  replace();
  other.join();
  CHECK(codes.alive() == 1);
  Replace(slots, entry, nullptr);
  CHECK(codes.alive() == 0);
}

// ---- runs that are watched ----

class Watch final : public Watched {
 public:
  void OnOverrun(Instant now) override {
    at = now;
    times.fetch_add(1);
  }
  Instant at;
  std::atomic<int> times{0};
};

TEST_CASE("a run is taken away at its deadline, and not before") {
  Slots slots(1);
  Slot& slot = slots.Take();
  Watch run;
  slot.BeginWatched(&run, Instant{100});
  CHECK(slots.ExpireOverruns(Instant{99}) == Instant{100});
  CHECK(run.times == 0);
  CHECK(slots.ExpireOverruns(Instant{100}).never());
  CHECK(run.times == 1);
  CHECK(run.at == Instant{100});
  CHECK(!slot.EndWatched());
  CHECK(slots.ExpireOverruns(Instant{101}).never());
  CHECK(run.times == 1);
}

TEST_CASE("a run that has ended is nobody's to take away") {
  Slots slots(1);
  Slot& slot = slots.Take();
  Watch run;
  slot.BeginWatched(&run, Instant{100});
  CHECK(slot.EndWatched());
  CHECK(slots.ExpireOverruns(Instant{1000}).never());
  slots.TakeAwayRuns(Instant{1000});
  CHECK(run.times == 0);
}

TEST_CASE("the next run of a slot is watched by itself") {
  Slots slots(1);
  Slot& slot = slots.Take();
  Watch first, second;
  slot.BeginWatched(&first, Instant{100});
  CHECK(slots.ExpireOverruns(Instant{100}).never());
  CHECK(!slot.EndWatched());
  slot.BeginWatched(&second, Instant{200});
  CHECK(slots.ExpireOverruns(Instant{150}) == Instant{200});
  CHECK(slot.EndWatched());
  CHECK(first.times == 1);
  CHECK(second.times == 0);
}

TEST_CASE("the earliest deadline of all runs is the next to look at") {
  Slots slots(1);
  Watch runs[3];
  const std::int64_t deadlines[3] = {300, 100, 200};
  Slot* held[3];
  for (int i = 0; i < 3; ++i) {
    held[i] = &slots.Take();
    held[i]->BeginWatched(&runs[i], Instant{deadlines[i]});
  }
  CHECK(slots.ExpireOverruns(Instant{0}) == Instant{100});
  CHECK(slots.ExpireOverruns(Instant{100}) == Instant{200});
  CHECK(slots.ExpireOverruns(Instant{299}) == Instant{300});
  CHECK(slots.ExpireOverruns(Instant{300}).never());
  for (Slot* slot : held) CHECK(!slot->EndWatched());
}

TEST_CASE("all runs are taken away at once, whatever their deadlines") {
  Slots slots(1);
  Watch runs[2];
  Slot& a = slots.Take();
  Slot& b = slots.Take();
  a.BeginWatched(&runs[0], Instant{100});
  b.BeginWatched(&runs[1], Instant::Never());
  slots.TakeAwayRuns(Instant{50});
  CHECK(runs[0].times == 1);
  CHECK(runs[1].times == 1);
  CHECK(runs[1].at == Instant{50});
  CHECK(!a.EndWatched());
  CHECK(!b.EndWatched());
}

TEST_CASE("every execution is asked to stop, and whoever waits on its flag is told") {
  Slots slots(1);
  Slot& a = slots.Take();
  Slot& b = slots.Take();
  std::vector<const std::atomic<std::uint32_t>*> told;
  slots.StopAll(
      3,
      [](void* arg, const std::atomic<std::uint32_t>* word) {
        static_cast<std::vector<const std::atomic<std::uint32_t>*>*>(arg)->push_back(word);
      },
      &told);
  CHECK(a.stop() == 3);
  CHECK(b.stop() == 3);
  CHECK(std::find(told.begin(), told.end(), &a.stop()) != told.end());
  CHECK(std::find(told.begin(), told.end(), &b.stop()) != told.end());
}

TEST_CASE("a run either ends or is taken away, never both and never neither") {
  Slots slots(1);
  Slot& slot = slots.Take();
  std::atomic<bool> done{false};
  std::thread watcher([&] {
    while (!done.load(std::memory_order_relaxed)) slots.ExpireOverruns(Instant{100});
  });
  int ended = 0, taken = 0, wrong = 0;
  // On the stack: a watcher that comes too late would write into the next one.
  for (int i = 0; i < 30'000 || ended == 0 || taken == 0; ++i) {
    Watch run;
    slot.BeginWatched(&run, Instant{100});
    if (i % 3 == 0) std::this_thread::yield();
    const bool ended_itself = slot.EndWatched();
    ++(ended_itself ? ended : taken);
    wrong += run.times != (ended_itself ? 0 : 1);
  }
  done = true;
  watcher.join();
  CHECK(wrong == 0);
}

TEST_CASE("of two who take a run away one does, and the run waits for that one") {
  Slots slots(1);
  Slot& slot = slots.Take();
  std::atomic<bool> done{false};
  const auto watch = [&] {
    while (!done.load(std::memory_order_relaxed)) slots.ExpireOverruns(Instant{100});
  };
  std::thread first(watch), second(watch);
  int wrong = 0;
  for (int i = 0; i < 2'000; ++i) {
    Watch run;
    slot.BeginWatched(&run, Instant{100});
    std::this_thread::yield();
    const bool ended_itself = slot.EndWatched();
    wrong += run.times != (ended_itself ? 0 : 1);
  }
  done = true;
  first.join();
  second.join();
  CHECK(wrong == 0);
}

}  // namespace
}  // namespace runlet
