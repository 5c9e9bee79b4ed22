#include "engine/control_plane.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/planted.h"
#include "delivery/lane.h"
#include "event/status_marks.h"
#include "function/config_check.h"

namespace runlet {

// ---- checks ----

absl::Status ControlPlane::CheckPublish(std::string_view name, const Handler& handler,
                                        const FunctionConfig& config) const {
  if (absl::Status status = CheckFunctionName(name); !status.ok()) return status;
  if (absl::Status status = CheckConfig(name, config); !status.ok()) return status;
  if (config.on_overrun == OnOverrun::kRelease && !w_.executor.can_write_off()) {
    return absl::InvalidArgumentError(
        fmt::format("function \"{}\": on_overrun = kRelease needs threads that the engine owns", name));
  }
  if (w_.queue.needs_codec() && handler.ops().in_codec == nullptr) {
    return absl::InvalidArgumentError(fmt::format(
        "function \"{}\" takes {}, which has no codec here, and the engine's queue stores events as bytes: specialise "
        "runlet::Codec or include <runlet/codec/json.h> before the registration",
        name, handler.ops().in->name));
  }
  return CheckEventInvoke(name, config.event_invoke, handler);
}

absl::Status ControlPlane::CheckEventInvoke(std::string_view name, const EventInvokeConfig& config,
                                            const Handler& handler) const {
  if (absl::Status status = CheckDestination(name, "on_success", config.on_success, handler); !status.ok())
    return status;
  return CheckDestination(name, "on_failure", config.on_failure, handler);
}

absl::Status ControlPlane::CheckDestination(std::string_view name, std::string_view setting,
                                            const Destination& destination, const Handler& handler) const {
  const auto* function = std::get_if<Destination::FunctionName>(&destination.target());
  if (function == nullptr) return absl::OkStatus();
  const FunctionEntry* entry = w_.registry.Find(function->name);
  if (entry == nullptr || CodeOf(*entry) == nullptr) {
    return absl::InvalidArgumentError(
        fmt::format("function \"{}\": {} is function \"{}\", which is not registered", name, setting, function->name));
  }
  if (handler.ops().in_codec == nullptr) {
    return absl::InvalidArgumentError(fmt::format(
        "function \"{}\": {} is function \"{}\", which is told in JSON, but {} has no codec here: specialise "
        "runlet::Codec or include <runlet/codec/json.h> before the registration",
        name, setting, function->name, handler.ops().in->name));
  }
  return absl::OkStatus();
}

// ---- code ----

std::unique_ptr<Code> ControlPlane::MakeCode(Handler handler, FunctionConfig config, std::string_view version) const {
  const OnOverrun usual = config.run_on == RunOn::kPool ? OnOverrun::kRelease : OnOverrun::kWait;
  const bool release = config.on_overrun.value_or(usual) == OnOverrun::kRelease;
  auto code = std::make_unique<Code>(std::move(handler), std::move(config), version);
  code->release_on_overrun = release && w_.executor.can_write_off();
  return code;
}

std::unique_ptr<Code> ControlPlane::WithConfig(const Code& code,
                                               const std::function<void(FunctionConfig&)>& change) const {
  FunctionConfig changed = code.config;
  change(changed);
  std::unique_ptr<Code> fresh = MakeCode(code.handler, std::move(changed), code.version);
  fresh->own_event_invoke = code.own_event_invoke;
  fresh->revision = code.revision;
  if (code.additional == nullptr) return fresh;
  std::unique_ptr<Code> additional = WithConfig(*code.additional, change);
  additional->sinks = fresh->sinks;
  fresh->additional = std::move(additional);
  fresh->additional_weight = code.additional_weight;
  return fresh;
}

std::unique_ptr<Code> ControlPlane::WithEventInvoke(const Code& code, const EventInvokeConfig& config) const {
  std::unique_ptr<Code> fresh = WithConfig(code, [&](FunctionConfig& changed) { changed.event_invoke = config; });
  fresh->own_event_invoke = true;
  fresh->change = code.change;
  fresh->modified = code.modified;
  return fresh;
}

const Code* ControlPlane::CodeOf(std::string_view name) const {
  const FunctionEntry* const entry = w_.registry.Find(name);
  return entry == nullptr ? nullptr : CodeOf(*entry);
}

absl::StatusOr<FunctionEntry*> ControlPlane::EntryFor(std::string_view name) {
  if (w_.registry.size() >= w_.names_max && w_.registry.Find(name) == nullptr && !RUNLET_PLANTED("names-unbounded")) {
    return Refused(absl::StatusCode::kResourceExhausted, reason::kNamesFull,
                   fmt::format("\"{}\" would be one more than the {} names of functions, versions and aliases that the "
                               "engine may have",
                               name, w_.names_max));
  }
  FunctionEntry& entry = w_.registry.FindOrAdd(name);
  w_.admission.Add(entry);
  if (entry.lane == nullptr) w_.delivery.AddLane(entry);
  return &entry;
}

void ControlPlane::SetCode(FunctionEntry& entry, std::unique_ptr<Code> code, Replaced* replaced) {
  const bool registered = code != nullptr;
  if (RUNLET_PLANTED("waiting-keep-their-code") && registered && w_.queue.waiting(entry).delayed != 0) return;
  if (registered && code->change == 0) {
    code->change = ++changes_;
    code->modified = w_.invoker.wiring().clock.Calendar();
  }
  const Code* const old = entry.code.exchange(code.release(), std::memory_order_seq_cst);
  if (registered) entry.known.store(true, std::memory_order_relaxed);
  if (old != nullptr) replaced->push_back(old);
  if (entry.qualifier.empty() || registered == (old != nullptr)) return;
  std::vector<FunctionEntry*>& qualified = entry.function.qualified;
  registered ? qualified.push_back(&entry) : (void)std::erase(qualified, &entry);
}

void ControlPlane::Retire(const Replaced& replaced) {
  for (const Code* code : replaced) w_.slots.Retire(code);
}

void ControlPlane::SetExtraThreads() {
  if (w_.pool != nullptr) w_.pool->set_extra_threads(w_.admission.set_aside());
}

void ControlPlane::Tell(Activity::Kind kind, const FunctionEntry& entry) const {
  w_.invoker.Observe({.kind = kind, .at = w_.invoker.wiring().clock.Now(), .function = entry.name});
}

void ControlPlane::Announce(const FunctionEntry& entry, bool registered) {
  struct Announced {
    const FunctionEntry* entry;
    const Type* in;
    const CodecOps* codec;
  };
  std::vector<Announced> announced;
  std::shared_ptr<DeadLetterQueue> sink;
  {
    MutexLock lock(&mu_);
    const auto add = [&](const FunctionEntry& each) {
      const Code* const code = CodeOf(each);
      if (code != nullptr) announced.push_back({&each, code->handler.ops().in, code->handler.ops().in_codec});
    };
    add(entry.function);
    for (const FunctionEntry* each : entry.function.qualified) add(*each);
    if (const Code* const code = CodeOf(entry); code != nullptr && registered)
      sink = code->config.event_invoke.dead_letter_queue;
  }
  for (const Announced& each : announced) w_.queue.Announce(*each.entry, each.in, each.codec);
  w_.delivery.OfferOldLetters(entry, sink);
}

void ControlPlane::TellReplaced(FunctionEntry& entry) {
  Tell(Activity::Kind::kReplaced, entry);
  w_.admission.Changed();
  std::vector<FunctionEntry*> touched;
  {
    MutexLock lock(&mu_);
    touched = entry.function.qualified;
  }
  touched.push_back(&entry.function);
  for (FunctionEntry* each : touched) w_.delivery.WakeAnew(*each->lane);
}

// ---- functions ----

absl::Status ControlPlane::Publish(std::string_view name, Handler handler, FunctionConfig config, bool existing) {
  if (absl::Status status = CheckPublish(name, handler, config); !status.ok()) return status;
  Replaced replaced;
  FunctionEntry* entry;
  {
    MutexLock lock(&mu_);
    const bool registered = CodeOf(name) != nullptr;
    if (existing && !registered) return Invoker::NotFound(name);
    if (!existing && registered)
      return absl::AlreadyExistsError(fmt::format("function \"{}\" is registered already", name));
    const absl::StatusOr<FunctionEntry*> named = EntryFor(name);
    if (!named.ok()) return named.status();
    entry = *named;
    if (absl::Status followers = CheckFollowers(*entry, handler); !followers.ok()) return followers;
    if (absl::Status status = w_.admission.Reserve(*entry, config.reserved_concurrency); !status.ok()) return status;
    SetExtraThreads();
    std::unique_ptr<Code> code = MakeCode(std::move(handler), std::move(config), kLatest);
    code->revision = ++revisions_;
    SetCode(*entry, std::move(code), &replaced);
    if (existing) FollowLatest(*entry, &replaced);
  }
  Retire(replaced);
  Announce(*entry, !existing);
  if (existing) {
    TellReplaced(*entry);
  } else {
    Tell(Activity::Kind::kRegistered, *entry);
  }
  return absl::OkStatus();
}

absl::Status ControlPlane::SetReservedConcurrency(std::string_view name, std::optional<int> reserved) {
  if (absl::Status status = CheckFunctionName(name); !status.ok()) return status;
  if (reserved.has_value()) {
    if (absl::Status status = CheckConfig(name, {.reserved_concurrency = reserved}); !status.ok()) return status;
  }
  FunctionEntry* entry;
  {
    MutexLock lock(&mu_);
    if (CodeOf(name) == nullptr) return Invoker::NotFound(name);
    entry = w_.registry.Find(name);
    if (RUNLET_PLANTED("reservation-stays")) return absl::OkStatus();
    if (absl::Status status = w_.admission.Reserve(*entry, reserved); !status.ok()) return status;
    SetExtraThreads();
  }
  TellReplaced(*entry);
  return absl::OkStatus();
}

absl::Status ControlPlane::SetProvisionedConcurrency(std::string_view name, int provisioned) {
  if (absl::Status status = CheckQualifiedName(name); !status.ok()) return status;
  if (provisioned < 0) {
    return absl::InvalidArgumentError(fmt::format(
        "function \"{}\": provisioned concurrency is {}, outside its range of 0 to the engine's concurrency", name,
        provisioned));
  }
  FunctionEntry* entry;
  {
    MutexLock lock(&mu_);
    const Code* const code = CodeOf(name);
    if (code == nullptr) return Invoker::NotFound(name);
    if (code->version == kLatest) {
      return absl::InvalidArgumentError(fmt::format(
          "function \"{}\": concurrency is provisioned for published versions and their aliases, not for $LATEST",
          name));
    }
    if (code->additional != nullptr) {
      return absl::InvalidArgumentError(
          fmt::format("function \"{}\": concurrency cannot be provisioned for an alias of two versions", name));
    }
    entry = w_.registry.Find(name);
    if (absl::Status status = w_.admission.Provision(*entry, provisioned); !status.ok()) return status;
    SetExtraThreads();
  }
  TellReplaced(*entry);
  return absl::OkStatus();
}

absl::Status ControlPlane::SetEventInvokeConfig(std::string_view name, const EventInvokeConfig& config) {
  if (absl::Status status = CheckQualifiedName(name); !status.ok()) return status;
  if (absl::Status status = CheckConfig(name, {.event_invoke = config}); !status.ok()) return status;
  Replaced replaced;
  FunctionEntry* entry;
  {
    MutexLock lock(&mu_);
    const Code* const code = CodeOf(name);
    if (code == nullptr) return Invoker::NotFound(name);
    if (absl::Status status = CheckEventInvoke(name, config, code->handler); !status.ok()) return status;
    entry = w_.registry.Find(name);
    std::unique_ptr<Code> fresh = WithEventInvoke(*code, config);
    // Part of the next version, and so of what aliases of $LATEST begin with.
    const bool buried_elsewhere = config.dead_letter_queue != code->config.event_invoke.dead_letter_queue;
    if (buried_elsewhere) fresh->revision = ++revisions_;
    SetCode(*entry, std::move(fresh), &replaced);
    if (buried_elsewhere && entry->qualifier.empty()) FollowLatest(*entry, &replaced);
  }
  Retire(replaced);
  Tell(Activity::Kind::kReplaced, *entry);
  return absl::OkStatus();
}

void ControlPlane::SetRecursiveLoop(const FunctionEntry& function, RecursiveLoop loop, Replaced* replaced) {
  std::vector<FunctionEntry*> all = function.qualified;
  for (FunctionEntry* entry : all) {
    SetCode(*entry, WithConfig(*CodeOf(*entry), [&](FunctionConfig& config) { config.recursive_loop = loop; }),
            replaced);
  }
}

absl::Status ControlPlane::UpdateConfiguration(std::string_view name, const ConfigurationChange& change) {
  if (absl::Status status = CheckFunctionName(name); !status.ok()) return status;
  const auto apply = [&](FunctionConfig& config) {
    config.timeout = change.timeout.value_or(config.timeout);
    config.memory_size = change.memory_size.value_or(config.memory_size);
    config.description = change.description.value_or(config.description);
    config.recursive_loop = change.recursive_loop.value_or(config.recursive_loop);
  };
  FunctionConfig changes_alone;
  apply(changes_alone);
  if (absl::Status status = CheckConfig(name, changes_alone); !status.ok()) return status;
  Replaced replaced;
  FunctionEntry* entry;
  {
    MutexLock lock(&mu_);
    const Code* const code = CodeOf(name);
    if (code == nullptr) return Invoker::NotFound(name);
    entry = w_.registry.Find(name);
    std::unique_ptr<Code> fresh = WithConfig(*code, apply);
    const bool versioned =
        change.timeout.has_value() || change.memory_size.has_value() || change.description.has_value();
    if (versioned) fresh->revision = ++revisions_;
    SetCode(*entry, std::move(fresh), &replaced);
    if (versioned) FollowLatest(*entry, &replaced);
    if (change.recursive_loop.has_value()) SetRecursiveLoop(*entry, *change.recursive_loop, &replaced);
  }
  Retire(replaced);
  Tell(Activity::Kind::kReplaced, *entry);
  return absl::OkStatus();
}

// ---- removal ----

absl::Status ControlPlane::Remove(std::string_view name) {
  if (absl::Status status = CheckQualifiedName(name); !status.ok()) return status;
  if (QualifiedName(name).qualifier == kLatest) {
    return absl::InvalidArgumentError(
        fmt::format("function \"{}\": $LATEST goes only with the function itself", QualifiedName(name).function));
  }
  struct Removed {
    FunctionEntry* entry;
    const Code* code;
    std::vector<EventRef> waiting;
  };
  std::vector<Removed> removed;
  Replaced replaced;
  {
    MutexLock lock(&mu_);
    if (CodeOf(name) == nullptr) return Invoker::NotFound(name);
    FunctionEntry& entry = *w_.registry.Find(name);
    if (absl::Status unused = CheckUnused(entry); !unused.ok()) return unused;
    for (FunctionEntry* each : entry.qualified) removed.push_back({each, CodeOf(*each), {}});
    removed.push_back({&entry, CodeOf(entry), {}});
    for (const Removed& each : removed) w_.admission.Provision(*each.entry, 0).IgnoreError();
    if (entry.qualifier.empty()) w_.admission.Reserve(entry, std::nullopt).IgnoreError();
    for (Removed& each : removed) {
      each.entry->lane->KeepSinks(each.code->sinks);
      SetCode(*each.entry, nullptr, &replaced);
      // Now, or they would wait for what is registered next under the name.
      each.waiting = w_.delivery.TakeWaiting(*each.entry);
    }
    SetExtraThreads();
  }
  std::vector<std::shared_ptr<const EventInvokeConfig>> sinks;
  for (const Removed& each : removed) sinks.push_back(each.code->sinks);
  Retire(replaced);
  for (const Removed& each : removed) Tell(Activity::Kind::kRemoved, *each.entry);
  // What was set aside is everyone's now.
  w_.admission.Changed();
  for (std::size_t i = 0; i < removed.size(); ++i)
    w_.delivery.EndWaiting(std::move(removed[i].waiting), Condition::kFunctionRemoved, sinks[i].get());
  return absl::OkStatus();
}

}  // namespace runlet
