// Versions, and the aliases that lead to them.
#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <utility>

#include "base/planted.h"
#include "engine/control_plane.h"
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

std::vector<FunctionEntry*> ControlPlane::AliasesOfLatest(const FunctionEntry& function) const {
  std::vector<FunctionEntry*> aliases = function.qualified;
  std::erase_if(aliases, [](const FunctionEntry* entry) {
    return CodeOf(*entry)->version != kLatest || RUNLET_PLANTED("alias-stays-behind");
  });
  return aliases;
}

absl::Status ControlPlane::CheckFollowers(const FunctionEntry& function, const Handler& handler) const {
  for (const FunctionEntry* alias : AliasesOfLatest(function)) {
    absl::Status told = CheckEventInvoke(alias->name, CodeOf(*alias)->config.event_invoke, handler);
    if (!told.ok()) return told;
  }
  return absl::OkStatus();
}

void ControlPlane::FollowLatest(const FunctionEntry& function, Replaced* replaced) {
  for (FunctionEntry* entry : AliasesOfLatest(function)) {
    const Alias alias{.name = std::string(entry->qualifier),
                      .version = std::string(kLatest),
                      .description = CodeOf(*entry)->config.description};
    SetCode(*entry, *AliasCode(function.name, alias, CodeOf(*entry)), replaced);
  }
}

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
    const Code* const code = CodeOf(*entry);
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

absl::Status ControlPlane::CheckUnused(const FunctionEntry& version) const {
  for (const FunctionEntry* entry : version.function.qualified) {
    if (!IsAlias(*entry)) continue;
    const Code* const code = CodeOf(*entry);
    if (code->version == version.qualifier ||
        (code->additional != nullptr && code->additional->version == version.qualifier)) {
      return absl::FailedPreconditionError(
          fmt::format("version {} of function \"{}\" cannot be removed: alias \"{}\" leads to it", version.qualifier,
                      version.function_name, entry->qualifier));
    }
  }
  return absl::OkStatus();
}

}  // namespace runlet
