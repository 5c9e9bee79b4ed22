#include "runlet/engine/engine.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "base/planted.h"
#include "engine/core.h"

namespace runlet {
namespace {

absl::Status OutOfRange(std::string_view option, std::int64_t value, std::int64_t low, std::int64_t high) {
  return absl::InvalidArgumentError(
      fmt::format("EngineOptions::{} is {}, outside its range of {} to {}", option, value, low, high));
}

// Of a size that is too large for the message, the message says the most that it can.
std::int64_t Signed(std::size_t value) {
  constexpr std::size_t kMost = std::numeric_limits<std::int64_t>::max();
  return static_cast<std::int64_t>(std::min(value, kMost));
}

absl::Status CheckRange(std::string_view option, std::int64_t value, std::int64_t low, std::int64_t high) {
  return value < low || value > high ? OutOfRange(option, value, low, high) : absl::OkStatus();
}

absl::Status CheckOptions(const EngineOptions& options) {
  if (absl::Status status = CheckRange("concurrency", options.concurrency, 1, 1'000'000); !status.ok()) return status;
  if (absl::Status status = CheckRange("unreserved_minimum", options.unreserved_minimum, 0, options.concurrency);
      !status.ok())
    return status;
  if (absl::Status status = CheckRange("requests_per_permit", options.requests_per_permit, 0, 1'000'000); !status.ok())
    return status;
  if (options.retry_budget.has_value()) {
    const RetryBudget& budget = *options.retry_budget;
    if (!(budget.share >= 0 && budget.share <= 100) || !(budget.per_second > 0 && budget.per_second <= 1e6)) {
      return absl::InvalidArgumentError(
          fmt::format("EngineOptions::retry_budget has a share of {} and {} per second, outside the ranges of 0 to 100 "
                      "and more than 0 to 1000000",
                      budget.share, budget.per_second));
    }
  }
  if (absl::Status status = CheckRange("max_abandoned", options.max_abandoned, 0, 10'000); !status.ok()) return status;
  if (const auto* own = std::get_if<OwnThreads>(&options.threads)) {
    if (absl::Status status = CheckRange("threads.max_threads", own->max_threads, 0, 10'000); !status.ok())
      return status;
  }
  if (const auto* host = std::get_if<HostThreads>(&options.threads); host != nullptr && !host->post) {
    return absl::InvalidArgumentError("EngineOptions::threads is HostThreads without a post function");
  }
  constexpr std::int64_t kMany = 10'000'000;
  const MemoryQueueOptions& queue = options.memory_queue;
  if (absl::Status status = CheckRange("memory_queue.events", Signed(queue.events), 1, kMany); !status.ok())
    return status;
  if (absl::Status status = CheckRange("memory_queue.dead_letters", Signed(queue.dead_letters), 1, kMany); !status.ok())
    return status;
  if (absl::Status status = CheckRange("memory_queue.dedup_keys", Signed(queue.dedup_keys), 0, kMany); !status.ok())
    return status;
  if (absl::Status status = CheckRange("destination_backlog", Signed(options.destination_backlog), 1, kMany);
      !status.ok())
    return status;
  if (absl::Status status = CheckRange("names", Signed(options.names), 1, kMany); !status.ok()) return status;
  if (absl::Status status = CheckAccount(options.account); !status.ok()) return status;
  if (queue.bytes == 0) return absl::InvalidArgumentError("EngineOptions::memory_queue.bytes is 0: no event would fit");
  if (options.destroy_grace < absl::ZeroDuration() || options.destroy_grace > absl::Hours(1)) {
    return absl::InvalidArgumentError(fmt::format("EngineOptions::destroy_grace is {}, outside its range of 0 to 1h",
                                                  absl::FormatDuration(options.destroy_grace)));
  }
  if (options.executor != nullptr && options.clock == nullptr) {
    return absl::InvalidArgumentError("EngineOptions::executor needs EngineOptions::clock: it waits on that clock");
  }
  return absl::OkStatus();
}

}  // namespace

Engine::Engine() : core_(std::make_shared<EngineCore>(EngineOptions{})) {}
Engine::Engine(std::shared_ptr<EngineCore> core) : core_(std::move(core)) {}
Engine::Engine(Engine&&) noexcept = default;

absl::StatusOr<Engine> Engine::Create(EngineOptions options) {
  if (absl::Status status = CheckOptions(options); !status.ok()) return status;
  return Engine(std::make_shared<EngineCore>(std::move(options)));
}

Engine::~Engine() {
  if (core_ == nullptr) return;
  if (core_->fork_guard_.forked()) {
    // The threads are in the parent: there is nothing to wait for, and no way to take the engine apart.
    new std::shared_ptr<EngineCore>(std::move(core_));
    return;
  }
  core_->Drain(absl::ZeroDuration(), core_->options_.destroy_grace);
}

FunctionEntry* Engine::Find(std::string_view name) const { return core_->registry_.Find(name); }

absl::Status Engine::Publish(std::string_view name, Handler handler, FunctionConfig config, PublishMode mode) {
  if (absl::Status open = core_->CheckOpen(name); !open.ok()) return open;
  return core_->control_plane_.Publish(name, std::move(handler), std::move(config), mode == kExisting);
}

absl::Status Engine::Remove(std::string_view name) {
  if (absl::Status open = core_->CheckOpen(name); !open.ok()) return open;
  return core_->control_plane_.Remove(name);
}

absl::Status Engine::SetReservedConcurrency(std::string_view name, std::optional<int> reserved) {
  if (absl::Status open = core_->CheckOpen(name); !open.ok()) return open;
  return core_->control_plane_.SetReservedConcurrency(name, reserved);
}

absl::Status Engine::UpdateConfiguration(std::string_view name, const ConfigurationChange& change) {
  if (absl::Status open = core_->CheckOpen(name); !open.ok()) return open;
  return core_->control_plane_.UpdateConfiguration(name, change);
}

absl::Status Engine::SetProvisionedConcurrency(std::string_view name, int provisioned) {
  if (absl::Status open = core_->CheckOpen(name); !open.ok()) return open;
  return core_->control_plane_.SetProvisionedConcurrency(name, provisioned);
}

absl::Status Engine::SetEventInvokeConfig(std::string_view name, const EventInvokeConfig& config) {
  if (absl::Status open = core_->CheckOpen(name); !open.ok()) return open;
  return core_->control_plane_.SetEventInvokeConfig(name, config);
}

absl::StatusOr<std::string> Engine::PublishVersion(std::string_view name, std::optional<std::string> description) {
  if (absl::Status open = core_->CheckOpen(name); !open.ok()) return open;
  return core_->control_plane_.PublishVersion(name, std::move(description));
}

absl::Status Engine::CreateAlias(std::string_view name, const Alias& alias) {
  if (absl::Status open = core_->CheckOpen(name); !open.ok()) return open;
  return core_->control_plane_.SetAlias(name, alias, false);
}

absl::Status Engine::UpdateAlias(std::string_view name, const Alias& alias) {
  if (absl::Status open = core_->CheckOpen(name); !open.ok()) return open;
  return core_->control_plane_.SetAlias(name, alias, true);
}

absl::StatusOr<std::vector<std::string>> Engine::ListVersions(std::string_view name) const {
  if (absl::Status alive = core_->CheckAlive(name); !alive.ok()) return alive;
  return core_->control_plane_.ListVersions(name);
}

absl::StatusOr<std::vector<Alias>> Engine::ListAliases(std::string_view name) const {
  if (absl::Status alive = core_->CheckAlive(name); !alive.ok()) return alive;
  return core_->control_plane_.ListAliases(name);
}

namespace {

// Whether what was called `name` is the $LATEST of a function: such a name is the only one that differs from its
// entry's.
bool NamesLatest(const FunctionEntry& entry, std::string_view name) { return name.size() != entry.name.size(); }

}  // namespace

absl::StatusOr<Engine::Found> Engine::FindTyped(std::string_view name, const Type* in, const Type* out) const {
  FunctionEntry* const entry = Find(name);
  if (entry == nullptr) return Invoker::NotFound(name);
  SlotHold slot(core_->slots_);
  const Code* code = slot->Protect(*entry);
  absl::Status status;
  if (code == nullptr) {
    status = Invoker::NotFound(name);
  } else if (!SameType(code->handler.ops().in, in) || !SameType(code->handler.ops().out, out)) {
    status = Invoker::WrongType(*entry, *code, in, out);
  }
  core_->invoker_.Unprotect(*slot, *entry);
  if (!status.ok()) return status;
  return Found{entry, NamesLatest(*entry, name) ? entry->latest_name : entry->name};
}

absl::StatusOr<Engine::Found> Engine::FindTyped(std::string_view name, std::string_view qualifier, const Type* in,
                                                const Type* out) const {
  return FindTyped(fmt::format("{}:{}", name, qualifier), in, out);
}

// ---- calls ----

absl::Status Engine::InvokeErased(EngineCore* core, const ErasedCall& call, const InvokeOptions& options) {
  if (core->fork_guard_.forked()) [[unlikely]]
    return core->CheckAlive(call.name);
  if (call.entry == nullptr) [[unlikely]]
    return Invoker::NotFound(call.name);
  return core->invoker_.Invoke(
      *call.entry, {call.in, call.event, true, call.out, call.result, NamesLatest(*call.entry, call.name)}, options);
}

StartedCall* Engine::StartErased(EngineCore* core, const ErasedCall& call, const InvokeOptions& options,
                                 absl::Status* refused) {
  *refused = core->CheckAlive(call.name);
  if (refused->ok() && call.entry == nullptr) *refused = Invoker::NotFound(call.name);
  if (!refused->ok()) return nullptr;
  return core->invoker_.Start(*call.entry,
                              {call.in, call.event, true, call.out, nullptr, NamesLatest(*call.entry, call.name)},
                              options, core->shared_from_this(), refused);
}

absl::Status Engine::PostErased(EngineCore* core, std::span<const ErasedCall> calls, std::span<RequestId> ids,
                                const PostOptions& options) {
  if (calls.empty()) return absl::OkStatus();
  const ErasedCall& first = calls.front();
  if (core->fork_guard_.forked()) [[unlikely]]
    return core->CheckAlive(first.name);
  if (first.entry == nullptr) return Invoker::NotFound(first.name);
  if (calls.size() == 1) {
    const Ask ask{first.in, first.event, true, first.out, nullptr};
    return core->delivery_.Post(*first.entry, {&ask, 1}, ids, options);
  }
  std::vector<Ask> asks;
  asks.reserve(calls.size());
  for (const ErasedCall& call : calls) asks.push_back({call.in, call.event, true, call.out, nullptr});
  return core->delivery_.Post(*first.entry, asks, ids, options);
}

absl::StatusOr<std::string> Engine::Invoke(std::string_view name, std::string_view event,
                                           const InvokeOptions& options) {
  alignas(std::string) unsigned char storage[sizeof(std::string)];
  const Type* bytes = TypeOf<std::string>();
  absl::Status status = InvokeErased(core_.get(), {Find(name), name, bytes, &event, bytes, storage}, options);
  if (!status.ok()) return status;
  auto* result = std::launder(reinterpret_cast<std::string*>(storage));
  absl::StatusOr<std::string> answer(std::move(*result));
  result->~basic_string();
  return answer;
}

Future<std::string> Engine::Start(std::string_view name, std::string_view event, const InvokeOptions& options) {
  const Type* bytes = TypeOf<std::string>();
  absl::Status refused;
  StartedCall* call = StartErased(core_.get(), {Find(name), name, bytes, &event, bytes, nullptr}, options, &refused);
  return call != nullptr ? Future<std::string>(call) : Future<std::string>(std::move(refused));
}

absl::StatusOr<RequestId> Engine::Post(std::string_view name, std::string_view event, const PostOptions& options) {
  const Type* bytes = TypeOf<std::string>();
  const ErasedCall call{Find(name), name, bytes, &event, bytes, nullptr};
  RequestId id;
  if (absl::Status status = PostErased(core_.get(), {&call, 1}, {&id, 1}, options); !status.ok()) return status;
  return id;
}

absl::Status Engine::PostAll(std::string_view name, std::span<const std::string> events, const PostOptions& options) {
  const Type* bytes = TypeOf<std::string>();
  std::vector<std::string_view> views(events.begin(), events.end());
  std::vector<ErasedCall> calls;
  calls.reserve(events.size());
  FunctionEntry* entry = Find(name);
  for (std::string_view& view : views) calls.push_back({entry, name, bytes, &view, bytes, nullptr});
  std::vector<RequestId> ids(events.size());
  return PostErased(core_.get(), calls, ids, options);
}

absl::Status Engine::Cancel(const RequestId& id) {
  if (absl::Status alive = core_->CheckAlive("Cancel"); !alive.ok()) return alive;
  return core_->Cancel(id);
}

absl::StatusOr<std::size_t> Engine::Purge(std::string_view name) {
  if (absl::Status alive = core_->CheckAlive(name); !alive.ok()) return alive;
  const FunctionEntry* entry = Find(name);
  if (entry == nullptr || !entry->known.load(std::memory_order_relaxed)) return Invoker::NotFound(name);
  if (!QualifiedName(name).qualifier.empty()) return core_->delivery_.Purge(*entry);
  std::size_t purged = 0;
  for (const FunctionEntry* each : core_->registry_.All()) {
    if (&each->function == &entry->function) purged += core_->delivery_.Purge(*each);
  }
  return purged;
}

absl::Status Engine::Check(std::string_view name, std::string_view event) {
  if (absl::Status alive = core_->CheckAlive(name); !alive.ok()) return alive;
  FunctionEntry* entry = Find(name);
  if (entry == nullptr) return Invoker::NotFound(name);
  const Type* bytes = TypeOf<std::string>();
  return core_->invoker_.Check(*entry, {bytes, &event, true, bytes, nullptr});
}

// ---- sight and life ----

absl::StatusOr<FunctionMetrics> Engine::Metrics(std::string_view name) const {
  const FunctionEntry* entry = Find(name);
  if (entry == nullptr || !entry->known.load(std::memory_order_relaxed)) return Invoker::NotFound(name);
  FunctionMetrics metrics = QualifiedName(name).qualifier.empty() ? core_->SumOf(*entry) : core_->slots_.Sum(*entry);
  metrics.max_concurrent_executions = entry->function.concurrent_max.load(std::memory_order_relaxed);
  return metrics;
}

std::vector<std::string> Engine::FunctionNames() const {
  if (core_->fork_guard_.forked()) return {};
  std::vector<std::string> names;
  for (const FunctionEntry* entry : core_->registry_.All()) {
    if (entry->qualifier.empty() && entry->known.load(std::memory_order_relaxed)) names.push_back(entry->name);
  }
  return names;
}

absl::StatusOr<FunctionDescription> Engine::Describe(std::string_view name) const {
  const FunctionEntry* entry = Find(name);
  if (entry == nullptr) return Invoker::NotFound(name);
  FunctionDescription description;
  {
    const CodeHold hold(core_->slots_, *entry);
    const Code* const code = hold.code();
    if (code == nullptr) return Invoker::NotFound(name);
    description.version = code->version;
    description.config = code->config;
    description.last_modified = code->modified;
    description.revision = code->change;
  }
  description.provisioned_concurrency = entry->provisioned.share();
  const int reserved = entry->reserved.load(std::memory_order_relaxed);
  description.config.reserved_concurrency = reserved == kUnreserved ? std::nullopt : std::optional(reserved);
  return description;
}

absl::StatusOr<FunctionConfig> Engine::Config(std::string_view name) const {
  absl::StatusOr<FunctionDescription> description = Describe(name);
  if (!description.ok()) return description.status();
  return std::move(description->config);
}

const Account& Engine::account() const { return core_->options_.account; }
const PayloadLimits& Engine::payload_limits() const { return core_->options_.payload_limits; }

runlet::Bill Engine::Bill(const Price& price) const {
  const std::vector<FunctionEntry*> all = core_->registry_.All();
  std::vector<FunctionUsage> usage;
  std::vector<std::size_t> place_of(all.size());  // by index; a function comes before its versions and aliases
  for (const FunctionEntry* entry : all) {
    const FunctionMetrics metrics = core_->slots_.Sum(*entry);
    if (entry->qualifier.empty()) {
      place_of[entry->index] = usage.size();
      usage.push_back({entry->name, 0, 0});
    }
    FunctionUsage& function = usage[place_of[entry->function.index]];
    function.invocations += metrics.invocations;
    function.mb_milliseconds += metrics.mb_milliseconds;
  }
  std::erase_if(usage, [](const FunctionUsage& function) { return function.invocations == 0; });
  return ComputeBill(price, usage);
}

// In a forked child the locks below may be held for ever, by threads that are not there.
bool Engine::idle() const { return core_->fork_guard_.forked() || core_->Idle(); }
QueueStats Engine::queue_stats() const { return core_->fork_guard_.forked() ? QueueStats{} : core_->queue_->stats(); }
int Engine::abandoned() const { return core_->admission_.abandoned(); }

std::optional<StorageStats> Engine::queue_storage() const {
  return core_->fork_guard_.forked() ? std::nullopt : core_->queue_->storage();
}

Inspection Engine::Inspect() const { return core_->fork_guard_.forked() ? Inspection{} : core_->Inspect(); }

absl::StatusOr<Explanation> Engine::Explain(const RequestId& id) const {
  if (absl::Status alive = core_->CheckAlive("Explain"); !alive.ok()) return alive;
  return core_->Explain(id);
}

std::size_t Engine::Poll() { return core_->poll_ != nullptr ? core_->poll_->Poll() : 0; }

absl::Duration Engine::NextPoll() const {
  if (core_->poll_ == nullptr) return absl::InfiniteDuration();
  const Instant due = core_->poll_->NextDue();
  if (due.never()) return absl::InfiniteDuration();
  return absl::Nanoseconds(std::max<std::int64_t>(0, due.Since(core_->clock_.Now())));
}

absl::Status Engine::WaitIdle(absl::Duration timeout) { return core_->WaitIdle(timeout); }
DrainReport Engine::Drain(absl::Duration soft, absl::Duration hard) { return core_->Drain(soft, hard); }

// ---- dead letters ----

std::vector<DeadLetter> DeadLetterView::List(const DeadLetterFilter& filter, std::size_t max,
                                             std::optional<RequestId> after) const {
  if (core_->fork_guard_.forked()) return {};
  return core_->queue_->ListDead(filter, max, after);
}

std::optional<DeadLetter> DeadLetterView::Get(const RequestId& id) const {
  if (core_->fork_guard_.forked()) return std::nullopt;
  return core_->queue_->GetDead(id);
}

std::size_t DeadLetterView::size() const { return core_->fork_guard_.forked() ? 0 : core_->queue_->stats().dead; }

absl::StatusOr<RequestId> DeadLetterView::Redrive(const RequestId& id) {
  if (absl::Status alive = core_->CheckAlive("Redrive"); !alive.ok()) return alive;
  RequestId new_id;
  if (absl::Status status = core_->delivery_.Redrive(id, absl::ZeroDuration(), false, &new_id); !status.ok())
    return status;
  return new_id;
}

std::vector<RedriveResult> DeadLetterView::RedriveAll(const DeadLetterFilter& filter, const RedriveOptions& options) {
  std::vector<RedriveResult> results;
  absl::Duration delay = absl::ZeroDuration();
  // Those that match now: a redriven event may die again meanwhile.
  for (const DeadLetter& letter : List(filter, std::min(options.max, size()))) {
    RedriveResult result{.letter = letter.request_id, .status = {}, .event = {}};
    result.status = core_->delivery_.Redrive(letter.request_id, delay, options.dry_run, &result.event);
    if (result.status.ok()) {
      if (!RUNLET_PLANTED("redrive-rate-ignored"))
        delay += std::clamp(options.interval, absl::ZeroDuration(), absl::Hours(1));
    } else {
      result.event = RequestId();
    }
    // Somebody else has taken it meanwhile.
    if (absl::IsNotFound(result.status) && !Get(letter.request_id).has_value()) continue;
    results.push_back(std::move(result));
  }
  return results;
}

std::string DeadLetterView::Export(const DeadLetterFilter& filter) const {
  std::string lines;
  for (const DeadLetter& letter : List(filter, size())) lines += letter.JsonLine() + '\n';
  return lines;
}

std::size_t DeadLetterView::Purge(const DeadLetterFilter& filter) {
  return core_->fork_guard_.forked() ? 0 : core_->delivery_.PurgeDead(filter);
}

}  // namespace runlet
