// What an event pays the memory queue from its acceptance to its end, beside the plainest queue one could write: a
// deque of strings under a mutex. Time is per batch; items are events.
#include <benchmark/benchmark.h>

#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "runlet/queue/event_queue.h"

namespace runlet {
namespace {

constexpr Instant kNow = {1'000'000};
constexpr std::int64_t kSixHours = 6LL * 3600 * 1'000'000'000;

EventRef NewEvent(const FunctionIdentity& function, std::int64_t n) {
  std::string payload = "0123456789";
  EventRef event = Event::Make(TypeOf<std::string>(), &payload);
  event->id = RequestId::FromBits(0, static_cast<std::uint64_t>(n));
  event->function = &function;
  event->payload_bytes = payload.size();
  event->expires = kNow.After(kSixHours + n);
  return event;
}

std::vector<EventRef> NewEvents(const FunctionIdentity& function, std::size_t count) {
  std::vector<EventRef> events;
  for (std::size_t n = 0; n < count; ++n) events.push_back(NewEvent(function, static_cast<std::int64_t>(n)));
  return events;
}

// Deque, and nothing of what the queue promises.
class DequeOfStrings {
 public:
  void Put(std::vector<std::string>& batch) {
    std::lock_guard lock(mu_);
    for (std::string& text : batch) waiting_.push_back(std::move(text));
  }
  void Claim(std::vector<std::string>& batch) {
    std::lock_guard lock(mu_);
    for (std::string& text : batch) {
      if (waiting_.empty()) return;
      text = std::move(waiting_.front());
      waiting_.pop_front();
    }
  }
  void Settle(std::size_t count) {
    std::lock_guard lock(mu_);
    ended_ += count;
  }

 private:
  std::mutex mu_;
  std::deque<std::string> waiting_;
  std::size_t ended_ = 0;
};

// Events that wait behind or in front, so that nothing comes from the processor's cache by chance.
constexpr std::int64_t kDepths[] = {0, 50'000};

// Batch 1 and 32; no queue or a long one; one thread or two on the same queue.
void Cases(benchmark::internal::Benchmark* bench) {
  for (std::int64_t depth : kDepths) {
    for (std::int64_t batch : {1, 32}) bench->Args({batch, depth});
  }
  bench->ArgNames({"batch", "depth"})->Threads(1)->Threads(2)->UseRealTime();
}

void BM_DequeOfStrings(benchmark::State& state) {
  static std::unique_ptr<DequeOfStrings> queue;
  const std::size_t batch = static_cast<std::size_t>(state.range(0));
  if (state.thread_index() == 0) {
    queue = std::make_unique<DequeOfStrings>();
    std::vector<std::string> waiting(static_cast<std::size_t>(state.range(1)), "0123456789");
    queue->Put(waiting);
  }
  std::vector<std::string> texts(batch, "0123456789");
  for (auto _ : state) {
    queue->Put(texts);
    queue->Claim(texts);
    queue->Settle(batch);
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(BM_DequeOfStrings)->Apply(Cases);

struct Shared {
  explicit Shared(std::int64_t depth) : queue(MemoryQueue({.events = 1'000'000}, clock)) {
    std::vector<EventRef> waiting = NewEvents(function, static_cast<std::size_t>(depth));
    if (!queue->Put(waiting, kNow).ok()) std::abort();
  }
  ManualClock clock;
  FunctionIdentity function{"resize", 0};
  std::unique_ptr<EventQueue> queue;
};

// Put, claim and settle as done. The same nodes go round, so that making them is not measured.
void RoundTrip(benchmark::State& state, Instant lease) {
  static std::unique_ptr<Shared> shared;
  const std::size_t batch = static_cast<std::size_t>(state.range(0));
  if (state.thread_index() == 0) shared = std::make_unique<Shared>(state.range(1));
  static const FunctionIdentity same{"resize", 0};  // by index: `shared` is there for sure only once the loop runs
  std::vector<EventRef> events = NewEvents(same, batch);
  std::vector<Settlement> settlements(batch);
  for (auto _ : state) {
    if (!shared->queue->Put(events, kNow).ok()) std::abort();
    const std::size_t claimed = shared->queue->Claim(shared->function, events, kNow, lease);
    for (std::size_t i = 0; i < claimed; ++i) {
      settlements[i].fence = events[i]->fence;
      settlements[i].event = std::move(events[i]);
    }
    shared->queue->Settle(std::span(settlements).first(claimed), kNow);
    for (std::size_t i = 0; i < claimed; ++i) events[i] = std::move(settlements[i].event);
    if (claimed != batch) std::abort();
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
void BM_PutClaimDone(benchmark::State& state) { RoundTrip(state, Instant::Never()); }
BENCHMARK(BM_PutClaimDone)->Apply(Cases);
void BM_PutClaimDoneLeased(benchmark::State& state) { RoundTrip(state, kNow.After(3'000'000'000)); }
BENCHMARK(BM_PutClaimDoneLeased)->Apply(Cases);

// The verb alone: the queue fills, untimed it is emptied.
void BM_PutAlone(benchmark::State& state) {
  constexpr std::size_t kFill = 32'000;
  const std::size_t batch = static_cast<std::size_t>(state.range(0));
  Shared shared(0);
  std::vector<EventRef> events = NewEvents(shared.function, kFill);
  std::size_t at = 0;
  for (auto _ : state) {
    if (at == kFill) {
      state.PauseTiming();
      if (shared.queue->ClaimWaiting(shared.function, events) != kFill) std::abort();
      for (EventRef& event : events) {
        Settlement settlement;
        settlement.fence = event->fence;
        settlement.event = event;
        shared.queue->Settle({&settlement, 1}, kNow);
      }
      at = 0;
      state.ResumeTiming();
    }
    if (!shared.queue->Put(std::span(events).subspan(at, batch), kNow).ok()) std::abort();
    at += batch;
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(BM_PutAlone)->ArgName("batch")->Arg(1)->Arg(32);

// An event that fails once: claim, retry a minute later, and the advance that makes it ready.
void BM_ClaimRetryAdvance(benchmark::State& state) {
  const std::size_t batch = static_cast<std::size_t>(state.range(0));
  Shared shared(0);
  std::vector<EventRef> events = NewEvents(shared.function, batch);
  for (EventRef& event : events) event->expires = Instant::Never();
  if (!shared.queue->Put(events, kNow).ok()) std::abort();
  std::vector<Settlement> settlements(batch);
  Instant now = kNow;
  for (auto _ : state) {
    if (shared.queue->Claim(shared.function, events, now, Instant::Never()) != batch) std::abort();
    now = now.After(60'000'000'000);
    for (std::size_t i = 0; i < batch; ++i) {
      settlements[i].fence = events[i]->fence;
      settlements[i].event = std::move(events[i]);
      settlements[i].kind = Settlement::Kind::kRetry;
      settlements[i].due = now;
    }
    shared.queue->Settle(settlements, {now.ns - 60'000'000'000});
    (void)shared.queue->Advance(now);
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(BM_ClaimRetryAdvance)->ArgName("batch")->Arg(1)->Arg(32);

// What the node itself costs: allocation, one move, the end of it.
void BM_MakeAndEnd(benchmark::State& state) {
  FunctionIdentity function{"resize", 0};
  for (auto _ : state) benchmark::DoNotOptimize(NewEvent(function, 1));
}
BENCHMARK(BM_MakeAndEnd);

}  // namespace
}  // namespace runlet
