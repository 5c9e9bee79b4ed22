#include "engine/control_plane.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/planted.h"
#include "event/status_marks.h"
#include "function/config_check.h"

namespace runlet {
namespace {

// A version keeps nothing of how $LATEST is told of, but where its dead letters go: that is part of its code's
// configuration on Lambda. So does an alias.
FunctionConfig ConfigOf(const FunctionConfig& config) {
  FunctionConfig published = config;
  published.reserved_concurrency = std::nullopt;
  if (!RUNLET_PLANTED("delivery-published")) published.event_invoke = {};
  published.event_invoke.dead_letter_queue = config.event_invoke.dead_letter_queue;
  return published;
}

bool IsAlias(const FunctionEntry& entry) { return !entry.qualifier.empty() && !IsVersionNumber(entry.qualifier); }

const Code* LockedCode(const FunctionEntry& entry) { return entry.code.load(std::memory_order_relaxed); }

absl::Status CheckAlias(std::string_view function, const Alias& alias) {
  if (absl::Status name = CheckAliasName(function, alias.name); !name.ok()) return name;
  const bool weighted = !alias.additional_version.empty();
  if (!(alias.additional_weight >= 0 && alias.additional_weight <= 1)) {
    return absl::InvalidArgumentError(
        fmt::format("alias \"{}\" of function \"{}\": additional_weight is {}, outside its range of 0 to 1", alias.name,
                    function, alias.additional_weight));
  }
  if (!weighted && alias.additional_weight > 0) {
    return absl::InvalidArgumentError(
        fmt::format("alias \"{}\" of function \"{}\": additional_weight is {}, but there is no additional_version",
                    alias.name, function, alias.additional_weight));
  }
  if (weighted && (alias.version == kLatest || alias.additional_version == kLatest)) {
    return absl::InvalidArgumentError(fmt::format(
        "alias \"{}\" of function \"{}\": $LATEST cannot share its calls with a version", alias.name, function));
  }
  if (weighted && alias.version == alias.additional_version) {
    return absl::InvalidArgumentError(
        fmt::format("alias \"{}\" of function \"{}\": version and additional_version are both {}", alias.name, function,
                    alias.version));
  }
  return absl::OkStatus();
}

}  // namespace

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
  if (entry == nullptr || LockedCode(*entry) == nullptr) {
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
  return entry == nullptr ? nullptr : LockedCode(*entry);
}

absl::StatusOr<const Code*> ControlPlane::VersionCode(std::string_view function, std::string_view version) const {
  const bool is_version = version == kLatest || IsVersionNumber(version);
  const Code* const code = is_version ? CodeOf(fmt::format("{}:{}", function, version)) : nullptr;
  if (code != nullptr) return code;
  return absl::NotFoundError(
      fmt::format("function \"{}\" has no version \"{}\"", function, version.substr(0, kQualifierMax)));
}

absl::StatusOr<std::unique_ptr<Code>> ControlPlane::AliasCode(std::string_view function, const Alias& alias,
                                                              const Code* before) const {
  const absl::StatusOr<const Code*> version = VersionCode(function, alias.version);
  if (!version.ok()) return version.status();
  FunctionConfig config = ConfigOf((*version)->config);
  config.description = alias.description;
  std::unique_ptr<Code> code = MakeCode((*version)->handler, std::move(config), (*version)->version);
  if (!alias.additional_version.empty()) {
    const absl::StatusOr<const Code*> other = VersionCode(function, alias.additional_version);
    if (!other.ok()) return other.status();
    const HandlerOps& ops = code->handler.ops();
    const HandlerOps& others = (*other)->handler.ops();
    if (!SameType(ops.in, others.in) || !SameType(ops.out, others.out)) {
      return absl::InvalidArgumentError(fmt::format(
          "alias \"{}\" of function \"{}\": version {} takes {} and returns {}, version {} takes {} and returns {}",
          alias.name, function, alias.version, ops.in->name, ops.out->name, alias.additional_version, others.in->name,
          others.out->name));
    }
    std::unique_ptr<Code> additional = MakeCode((*other)->handler, ConfigOf((*other)->config), (*other)->version);
    code->additional = std::move(additional);
    code->additional_weight = RUNLET_PLANTED("weights-swapped") ? 1 - alias.additional_weight : alias.additional_weight;
  }
  const bool own = before != nullptr && before->own_event_invoke;
  if (own) {
    const std::string name = fmt::format("{}:{}", function, alias.name);
    if (absl::Status told = CheckEventInvoke(name, before->config.event_invoke, code->handler); !told.ok()) return told;
  }
  code = WithEventInvoke(*code, own ? before->config.event_invoke : code->config.event_invoke);
  code->own_event_invoke = own;
  return code;
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

std::vector<FunctionEntry*> ControlPlane::AliasesOfLatest(const FunctionEntry& function) const {
  std::vector<FunctionEntry*> aliases = function.qualified;
  std::erase_if(aliases, [](const FunctionEntry* entry) {
    return LockedCode(*entry)->version != kLatest || RUNLET_PLANTED("alias-stays-behind");
  });
  return aliases;
}

absl::Status ControlPlane::CheckFollowers(const FunctionEntry& function, const Handler& handler) const {
  for (const FunctionEntry* alias : AliasesOfLatest(function)) {
    absl::Status told = CheckEventInvoke(alias->name, LockedCode(*alias)->config.event_invoke, handler);
    if (!told.ok()) return told;
  }
  return absl::OkStatus();
}

void ControlPlane::FollowLatest(const FunctionEntry& function, Replaced* replaced) {
  for (FunctionEntry* entry : AliasesOfLatest(function)) {
    const Alias alias{.name = std::string(entry->qualifier),
                      .version = std::string(kLatest),
                      .description = LockedCode(*entry)->config.description};
    SetCode(*entry, *AliasCode(function.name, alias, LockedCode(*entry)), replaced);
  }
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
      const Code* const code = LockedCode(each);
      if (code != nullptr) announced.push_back({&each, code->handler.ops().in, code->handler.ops().in_codec});
    };
    add(entry.function);
    for (const FunctionEntry* each : entry.function.qualified) add(*each);
    if (const Code* const code = LockedCode(entry); code != nullptr && registered)
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
    SetCode(*entry, WithConfig(*LockedCode(*entry), [&](FunctionConfig& config) { config.recursive_loop = loop; }),
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

// ---- versions and aliases ----

absl::StatusOr<std::string> ControlPlane::PublishVersion(std::string_view name,
                                                         std::optional<std::string> description) {
  if (absl::Status status = CheckFunctionName(name); !status.ok()) return status;
  if (absl::Status status = CheckDescription(name, description.value_or("")); !status.ok()) return status;
  std::string version;
  FunctionEntry* entry;
  {
    MutexLock lock(&mu_);
    const Code* const latest = CodeOf(name);
    if (latest == nullptr) return Invoker::NotFound(name);
    FunctionEntry& function = *w_.registry.Find(name);
    version = std::to_string(function.last_version);
    if (!RUNLET_PLANTED("published-twice") && function.published_revision == latest->revision &&
        CodeOf(fmt::format("{}:{}", name, version)) != nullptr) {
      return version;
    }
    version = std::to_string(function.last_version + 1);
    const absl::StatusOr<FunctionEntry*> named = EntryFor(fmt::format("{}:{}", name, version));
    if (!named.ok()) return named.status();
    entry = *named;
    ++function.last_version;
    function.published_revision = latest->revision;
    Replaced none;
    FunctionConfig config = ConfigOf(latest->config);
    if (description.has_value()) config.description = *std::move(description);
    SetCode(*entry, MakeCode(latest->handler, std::move(config), entry->qualifier), &none);
  }
  Announce(*entry, true);
  Tell(Activity::Kind::kRegistered, *entry);
  return version;
}

absl::Status ControlPlane::SetAlias(std::string_view name, const Alias& alias, bool existing) {
  if (absl::Status status = CheckFunctionName(name); !status.ok()) return status;
  if (absl::Status status = CheckAlias(name, alias); !status.ok()) return status;
  if (absl::Status status = CheckDescription(fmt::format("{}:{}", name, alias.name), alias.description); !status.ok())
    return status;
  Replaced replaced;
  FunctionEntry* entry;
  {
    MutexLock lock(&mu_);
    if (CodeOf(name) == nullptr) return Invoker::NotFound(name);
    const std::string qualified = fmt::format("{}:{}", name, alias.name);
    const Code* const before = CodeOf(qualified);
    if (existing && before == nullptr) {
      return absl::NotFoundError(fmt::format("function \"{}\" has no alias \"{}\"", name, alias.name));
    }
    if (!existing && before != nullptr) {
      return absl::AlreadyExistsError(fmt::format("function \"{}\" has an alias \"{}\" already", name, alias.name));
    }
    absl::StatusOr<std::unique_ptr<Code>> code = AliasCode(name, alias, before);
    if (!code.ok()) return code.status();
    const absl::StatusOr<FunctionEntry*> named = EntryFor(qualified);
    if (!named.ok()) return named.status();
    entry = *named;
    if (entry->provisioned.share() != 0 && (alias.version == kLatest || !alias.additional_version.empty())) {
      return absl::InvalidArgumentError(
          fmt::format("alias \"{}\" of function \"{}\" has provisioned concurrency, and can lead to one published "
                      "version alone",
                      alias.name, name));
    }
    SetCode(*entry, *std::move(code), &replaced);
  }
  Retire(replaced);
  Announce(*entry, !existing);
  Tell(existing ? Activity::Kind::kReplaced : Activity::Kind::kRegistered, *entry);
  // What was claimed for the code before may not be taken away from the code that is to run it.
  if (existing) w_.delivery.WakeAnew(*entry->lane);
  return absl::OkStatus();
}

absl::StatusOr<std::vector<std::string>> ControlPlane::ListVersions(std::string_view name) {
  if (absl::Status status = CheckFunctionName(name); !status.ok()) return status;
  MutexLock lock(&mu_);
  if (CodeOf(name) == nullptr) return Invoker::NotFound(name);
  std::vector<std::string> versions{std::string(kLatest)};
  for (const FunctionEntry* entry : w_.registry.Find(name)->qualified) {
    if (IsVersionNumber(entry->qualifier)) versions.emplace_back(entry->qualifier);
  }
  return versions;
}

absl::StatusOr<std::vector<Alias>> ControlPlane::ListAliases(std::string_view name) {
  if (absl::Status status = CheckFunctionName(name); !status.ok()) return status;
  MutexLock lock(&mu_);
  if (CodeOf(name) == nullptr) return Invoker::NotFound(name);
  std::vector<Alias> aliases;
  for (const FunctionEntry* entry : w_.registry.Find(name)->qualified) {
    if (!IsAlias(*entry)) continue;
    const Code* const code = LockedCode(*entry);
    Alias& alias = aliases.emplace_back();
    alias.name = entry->qualifier;
    alias.version = code->version;
    alias.description = code->config.description;
    if (code->additional == nullptr) continue;
    alias.additional_version = code->additional->version;
    alias.additional_weight = code->additional_weight;
  }
  return aliases;
}

// ---- removal ----

absl::Status ControlPlane::CheckUnused(const FunctionEntry& version) const {
  for (const FunctionEntry* entry : version.function.qualified) {
    if (!IsAlias(*entry)) continue;
    const Code* const code = LockedCode(*entry);
    if (code->version == version.qualifier ||
        (code->additional != nullptr && code->additional->version == version.qualifier)) {
      return absl::FailedPreconditionError(
          fmt::format("version {} of function \"{}\" cannot be removed: alias \"{}\" leads to it", version.qualifier,
                      version.function_name, entry->qualifier));
    }
  }
  return absl::OkStatus();
}

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
    for (FunctionEntry* each : entry.qualified) removed.push_back({each, LockedCode(*each), {}});
    removed.push_back({&entry, LockedCode(entry), {}});
    for (const Removed& each : removed) w_.admission.Provision(*each.entry, 0).IgnoreError();
    if (entry.qualifier.empty()) w_.admission.Reserve(entry, std::nullopt).IgnoreError();
    for (Removed& each : removed) {
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
