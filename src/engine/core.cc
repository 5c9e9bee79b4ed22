#include "engine/core.h"

#include <fmt/format.h>

#include <algorithm>
#include <thread>
#include <utility>

#include "base/asymmetric_fence.h"
#include "base/planted.h"
#include "capacity/host_executor.h"
#include "capacity/leaving.h"
#include "invoke/unbegun_calls.h"

namespace runlet {
namespace {

int MaxThreads(const OwnThreads& threads) {
  if (threads.max_threads != 0) return threads.max_threads;
  return std::max(16, 8 * static_cast<int>(std::thread::hardware_concurrency()));
}

std::unique_ptr<Executor> MakeExecutor(const EngineOptions& options, const Clock& clock, ElasticPool** pool,
                                       PollExecutor** poll) {
  if (options.executor != nullptr) return nullptr;
  if (const auto* own = std::get_if<OwnThreads>(&options.threads)) {
    auto executor = std::make_unique<ElasticPool>(clock, MaxThreads(*own));
    *pool = executor.get();
    return executor;
  }
  if (const auto* host = std::get_if<HostThreads>(&options.threads))
    return std::make_unique<HostExecutor>(clock, host->post);
  auto executor = std::make_unique<PollExecutor>(clock);
  *poll = executor.get();
  return executor;
}

MemoryQueueOptions QueueOptions(MemoryQueueOptions options) {
  if (RUNLET_PLANTED("queue-bound-ignored")) options.events *= 10;
  return options;
}

std::shared_ptr<EventQueue> QueueOf(const EngineOptions& options, const Clock& clock) {
  if (options.queue == nullptr) return MemoryQueue(QueueOptions(options.memory_queue), clock);
  std::shared_ptr<EventQueue> port = options.queue->Join(clock);
  return port != nullptr ? port : options.queue;
}

}  // namespace

EngineCore::EngineCore(EngineOptions options)
    : options_(std::move(options)),
      clock_(options_.clock != nullptr ? *options_.clock : SystemClock()),
      own_executor_(MakeExecutor(options_, clock_, &pool_, &poll_)),
      executor_(own_executor_ != nullptr ? *own_executor_ : *options_.executor),
      slots_(options_.seed.has_value() ? *options_.seed : RandomSeed()),
      admission_(
          {options_.concurrency, options_.max_abandoned, options_.unreserved_minimum, options_.requests_per_permit},
          clock_, executor_),
      queue_(QueueOf(options_, clock_)),
      invoker_({clock_, fork_guard_, executor_, slots_, admission_, options_.observer, options_.interceptor,
                options_.log, options_.payload_limits}),
      delivery_(invoker_, *queue_, registry_, {options_.account, options_.destination_backlog, options_.retry_budget}),
      control_plane_({executor_, pool_, slots_, registry_, admission_, *queue_, invoker_, delivery_, options_.names}) {
  // One thread needs no cheap fence, and asking for it can take milliseconds.
  if (options_.executor == nullptr) RegisterAsymmetricFence();
  if (RUNLET_PLANTED("global-left-behind")) PlantGlobal();
  executor_.Attach(this);
  const auto keep_alive = [this]() -> std::shared_ptr<void> { return shared_from_this(); };
  if (pool_ != nullptr) pool_->set_keep_alive(keep_alive);
  if (poll_ != nullptr) poll_->set_keep_alive(keep_alive);
  if (own_executor_ != nullptr && std::holds_alternative<HostThreads>(options_.threads)) {
    static_cast<HostExecutor&>(*own_executor_).set_keep_alive(keep_alive);
  }
  admission_.set_listener(&delivery_);
  queue_->Attach(&delivery_);
}

EngineCore::~EngineCore() {
  queue_->Attach(nullptr);
  // Payloads are the host's, and may call the engine as they end: it is closed, but must be whole.
  delivery_.ForgetUndelivered();
  if (queue_->durability() == Durability::kMemory) queue_->PurgeDead({});
  // Nothing runs any more: every piece of work that did held the core.
  for (FunctionEntry* entry : registry_.All()) slots_.Retire(entry->code.exchange(nullptr));
}

absl::Status EngineCore::CheckAlive(std::string_view function) const {
  if (!fork_guard_.forked()) [[likely]]
    return absl::OkStatus();
  return Invoker::Forked(function);
}

absl::Status EngineCore::CheckOpen(std::string_view function) const {
  if (absl::Status alive = CheckAlive(function); !alive.ok()) return alive;
  return invoker_.life() == Life::kOpen ? absl::OkStatus() : Invoker::Closed(function);
}

// ---- life ----

Instant EngineCore::Ring(Instant now) {
  const Instant deadline = std::min(slots_.ExpireOverruns(now), invoker_.unbegun().Expire(now));
  return std::min(deadline, delivery_.Advance(now));
}

FunctionMetrics EngineCore::SumOf(const FunctionEntry& function) const {
  FunctionMetrics sum;
  for (const FunctionEntry* entry : registry_.All()) {
    if (&entry->function == &function) slots_.AddTo(*entry, sum);
  }
  return sum;
}

bool EngineCore::NothingRuns() const {
  if (admission_.unreserved().taken() != 0) return false;
  const std::vector<FunctionEntry*> all = registry_.All();
  return std::all_of(all.begin(), all.end(), [](const FunctionEntry* entry) {
    return entry->reserved_part.permits.taken() == 0 && entry->provisioned.permits.taken() == 0;
  });
}

bool EngineCore::Idle() const { return delivery_.idle() && NothingRuns(); }

absl::Status EngineCore::WaitIdle(absl::Duration timeout) {
  if (absl::Status alive = CheckAlive("WaitIdle"); !alive.ok()) return alive;
  if (invoker_.Caller() != nullptr) {
    return absl::FailedPreconditionError(fmt::format(
        "WaitIdle was called by a handler of function \"{}\", which runs itself", invoker_.Caller()->entry->name));
  }
  const Instant until = timeout == absl::InfiniteDuration()
                            ? Instant::Never()
                            : clock_.Now().After(std::max<std::int64_t>(Nanos(timeout), 0));
  if (admission_.WaitUntilQuiet(until, [this] { return Idle(); })) return absl::OkStatus();
  const QueueStats stats = queue_->stats();
  return absl::DeadlineExceededError(fmt::format(
      "not idle after {}: {} events ready, {} delayed, {} running; {} dead letters and records not taken yet",
      absl::FormatDuration(timeout), stats.ready, stats.delayed, stats.running, delivery_.undelivered()));
}

DrainReport EngineCore::Drain(absl::Duration soft, absl::Duration hard) {
  DrainReport report;
  if (fork_guard_.forked()) return report;
  Life open = Life::kOpen;
  if (!invoker_.ChangeLife(&open, Life::kDraining)) return report;
  const auto tell = [this](Activity::Kind kind) { invoker_.Observe({.kind = kind, .at = clock_.Now()}); };
  tell(Activity::Kind::kDraining);
  const std::uint64_t ended_before = queue_->stats().ended;
  const Instant start = clock_.Now();
  const Instant soft_end = start.After(std::max<std::int64_t>(Nanos(soft), 0));
  const Instant hard_end = std::max(soft_end, start.After(std::max<std::int64_t>(Nanos(hard), 0)));

  // Whoever found the engine open has accepted in a few instructions, or sees now that it is not.
  HeavyFence();
  admission_.WaitUntil(hard_end.After(kLeavingNs / 2), [this] { return !slots_.accepting(); });

  admission_.WaitUntilQuiet(soft_end, [&] {
    if (!NothingRuns()) return false;
    const QueueStats stats = queue_->stats();
    if (stats.ready + stats.running != 0 || !delivery_.idle_feed()) return false;
    // What is delayed beyond the soft end cannot be completed: no need to wait for it.
    return stats.delayed == 0 || queue_->Advance(clock_.Now()) > soft_end;
  });
  invoker_.ChangeLife(nullptr, Life::kStopping);
  tell(Activity::Kind::kStopping);
  slots_.StopAll(
      static_cast<std::uint32_t>(StopReason::kDrain),
      [](void* executor, const std::atomic<std::uint32_t>* word) { static_cast<Executor*>(executor)->Unblock(word); },
      &executor_);
  slots_.Look([](Slot&, Watched& run) { static_cast<Execution&>(run).OnStopAsked(); });
  const bool quiet = admission_.WaitUntilQuiet(hard_end, [this] { return NothingRuns(); });
  if (!quiet) slots_.TakeAwayRuns(clock_.Now());
  // With no handler running, the threads are within a few instructions of leaving.
  report.abandoned = executor_.Detach(quiet ? hard_end.After(kLeavingNs) : hard_end);
  invoker_.ChangeLife(nullptr, Life::kClosed);
  report.undelivered = delivery_.undelivered();
  report.completed = queue_->stats().ended - ended_before;
  if (queue_->durability() == Durability::kMemory) {
    report.parked = delivery_.ParkAll(options_.on_parked);
  } else {
    const QueueStats stats = queue_->stats();
    report.parked = stats.ready + stats.delayed + stats.running + stats.stranded;
  }
  tell(Activity::Kind::kClosed);
  return report;
}

}  // namespace runlet
