// How events are delivered: retries, age and destinations of a function, a version or an alias.
#include <fmt/format.h>

#include <algorithm>

#include "http/function_reference.h"
#include "http/operations.h"
#include "http/timestamps.h"

namespace runlet::http {
namespace {

// The settings that a request has named.
struct Settings {
  std::optional<std::int64_t> retries;
  std::optional<std::int64_t> age_seconds;
  std::optional<Destination> on_success;  // not set: taken away
  std::optional<Destination> on_failure;

  bool none() const { return !retries && !age_seconds && !on_success && !on_failure; }
};

std::string NameOf(const FunctionReference& reference) {
  return reference.qualifier.empty() ? reference.name : reference.name + ":" + reference.qualifier;
}

// From an ARN, to a function of this engine.
std::optional<Destination> ReadDestination(const OperationCall& call, const Json& all, std::string_view which,
                                           const Target& target, JsonFields* fields) {
  JsonFields destinations(all);
  const std::optional<Json> one = destinations.Object(which);
  if (!one.has_value()) return std::nullopt;
  JsonFields settings(*one);
  const std::optional<std::string> arn = settings.Text("Destination", 350);
  if (settings.error()) fields->Fail(*settings.error());
  if (!arn.has_value() || arn->empty()) return Destination();
  const std::optional<FunctionReference> reference = ParseFunctionReference(*arn);
  const bool known = reference.has_value() && !reference->account.empty() &&
                     (reference->region.empty() || reference->region == call.engine.account().region) &&
                     reference->account == call.engine.account().id && call.engine.Describe(NameOf(*reference)).ok();
  if (!known) {
    fields->Fail(InvalidParameter(fmt::format("The destination ARN {} is invalid.", *arn)));
  } else if (reference->name == target.function) {
    fields->Fail(InvalidParameter("You can't specify the function as a destination for itself."));
  } else {
    return Destination::Function(NameOf(*reference));
  }
  return std::nullopt;
}

Settings ReadSettings(const OperationCall& call, const Target& target, JsonFields* fields) {
  Settings settings;
  settings.retries = fields->Integer("MaximumRetryAttempts", 0, 2);
  settings.age_seconds = fields->Integer("MaximumEventAgeInSeconds", 60, 21'600);
  if (const std::optional<Json> destinations = fields->Object("DestinationConfig")) {
    settings.on_success = ReadDestination(call, *destinations, "OnSuccess", target, fields);
    settings.on_failure = ReadDestination(call, *destinations, "OnFailure", target, fields);
  }
  return settings;
}

// A destination that is no function of the engine's has no ARN: it is the host's, and not seen here.
void TakeAway(Destination* destination) {
  if (destination->function() != nullptr) *destination = {};
}

// Everything back to its default, but for what the API cannot set.
void Reset(EventInvokeConfig* config) {
  const EventInvokeConfig defaults;
  config->maximum_retry_attempts = defaults.maximum_retry_attempts;
  config->maximum_event_age = defaults.maximum_event_age;
  TakeAway(&config->on_success);
  TakeAway(&config->on_failure);
}

void Apply(const std::optional<Destination>& wanted, Destination* destination) {
  if (!wanted.has_value()) return;
  if (wanted->is_set()) {
    *destination = *wanted;
  } else {
    TakeAway(destination);
  }
}

// What is set, through the API or by the host. Nothing where there is no configuration to show.
std::optional<EventInvokeNote> NoteOf(const OperationCall& call, const Target& target,
                                      const FunctionDescription& description) {
  const EventInvokeConfig defaults;
  const EventInvokeConfig& config = description.config.event_invoke;
  std::optional<EventInvokeNote> known = call.book.EventInvokeOf(target.name());
  EventInvokeNote note = known.value_or(EventInvokeNote{.modified = description.last_modified});
  note.retries = note.retries || config.maximum_retry_attempts != defaults.maximum_retry_attempts;
  note.age = note.age || config.maximum_event_age != defaults.maximum_event_age;
  const bool told = config.on_success.function() != nullptr || config.on_failure.function() != nullptr;
  if (!known.has_value() && !note.retries && !note.age && !told) return std::nullopt;
  return note;
}

Json View(const OperationCall& call, const Target& target, const EventInvokeConfig& config,
          const EventInvokeNote& note) {
  const Account& account = call.engine.account();
  const auto destination = [&](const Destination& to) {
    if (to.function() == nullptr) return Json::object();
    const QualifiedName name(to.function()->name);
    return Json{{"Destination", FunctionArn(account, name.function, name.qualifier)}};
  };
  Json json;
  json["LastModified"] = EpochSeconds(note.modified);
  json["FunctionArn"] = target.qualified_arn(account);
  if (note.retries) json["MaximumRetryAttempts"] = config.maximum_retry_attempts;
  if (note.age) json["MaximumEventAgeInSeconds"] = absl::ToInt64Seconds(config.maximum_event_age);
  json["DestinationConfig"] = {{"OnSuccess", destination(config.on_success)},
                               {"OnFailure", destination(config.on_failure)}};
  return json;
}

ServiceError NoFunction() { return NotFound("The function doesn't exist."); }

ServiceError NoConfig(const OperationCall& call, const Target& target) {
  return NotFound(
      fmt::format("The function {} doesn't have an EventInvokeConfig", target.qualified_arn(call.engine.account())));
}

Outcome Change(const OperationCall& call, bool replace) {
  std::variant<Target, ServiceError> found = call.FindTarget();
  if (auto* error = std::get_if<ServiceError>(&found)) return std::move(*error);
  const Target& target = std::get<Target>(found);
  const absl::StatusOr<FunctionDescription> description = call.engine.Describe(target.name());
  if (!description.ok()) return NoFunction();
  JsonFields fields(call.request.body);
  const Settings settings = ReadSettings(call, target, &fields);
  if (fields.error()) return *fields.error();
  if (settings.none()) {
    return InvalidParameter("You must specify at least one of error handling or destination setting.");
  }
  std::optional<EventInvokeNote> note = NoteOf(call, target, *description);
  if (!replace && !note.has_value()) return NoConfig(call, target);
  EventInvokeConfig config = description->config.event_invoke;
  if (replace) {
    Reset(&config);
    note = EventInvokeNote{};
  }
  if (settings.retries) config.maximum_retry_attempts = static_cast<int>(*settings.retries);
  if (settings.age_seconds) config.maximum_event_age = absl::Seconds(*settings.age_seconds);
  Apply(settings.on_success, &config.on_success);
  Apply(settings.on_failure, &config.on_failure);
  note->retries = note->retries || settings.retries.has_value();
  note->age = note->age || settings.age_seconds.has_value();
  note->modified = call.request.time;
  if (absl::Status set = call.engine.SetEventInvokeConfig(target.name(), config); !set.ok()) {
    return absl::IsNotFound(set) ? NoFunction() : InvalidParameter(std::string(set.message()));
  }
  call.book.SetEventInvoke(target.name(), note);
  return Ok(View(call, target, config, *note));
}

}  // namespace

Outcome PutFunctionEventInvokeConfig(const OperationCall& call) { return Change(call, true); }
Outcome UpdateFunctionEventInvokeConfig(const OperationCall& call) { return Change(call, false); }

Outcome GetFunctionEventInvokeConfig(const OperationCall& call) {
  std::variant<Target, ServiceError> found = call.FindTarget();
  if (auto* error = std::get_if<ServiceError>(&found)) return std::move(*error);
  const Target& target = std::get<Target>(found);
  const absl::StatusOr<FunctionDescription> description = call.engine.Describe(target.name());
  if (!description.ok()) return NoConfig(call, target);
  const std::optional<EventInvokeNote> note = NoteOf(call, target, *description);
  if (!note.has_value()) return NoConfig(call, target);
  return Ok(View(call, target, description->config.event_invoke, *note));
}

Outcome DeleteFunctionEventInvokeConfig(const OperationCall& call) {
  std::variant<Target, ServiceError> found = call.FindTarget();
  if (auto* error = std::get_if<ServiceError>(&found)) return std::move(*error);
  const Target& target = std::get<Target>(found);
  const absl::StatusOr<FunctionDescription> description = call.engine.Describe(target.name());
  if (!description.ok() || !NoteOf(call, target, *description).has_value()) return NoConfig(call, target);
  EventInvokeConfig config = description->config.event_invoke;
  Reset(&config);
  if (absl::Status set = call.engine.SetEventInvokeConfig(target.name(), config); !set.ok()) {
    return absl::IsNotFound(set) ? NoConfig(call, target) : InvalidParameter(std::string(set.message()));
  }
  call.book.SetEventInvoke(target.name(), std::nullopt);
  return NoContent();
}

Outcome ListFunctionEventInvokeConfigs(const OperationCall& call) {
  std::variant<Target, ServiceError> found = call.FindTarget();
  if (auto* error = std::get_if<ServiceError>(&found)) return std::move(*error);
  const std::string& function = std::get<Target>(found).function;
  const absl::StatusOr<std::vector<std::string>> versions = call.engine.ListVersions(function);
  const absl::StatusOr<std::vector<Alias>> aliases = call.engine.ListAliases(function);
  if (!versions.ok() || !aliases.ok()) return NoFunction();
  std::vector<Target> targets{{function, {}}};
  for (const std::string& version : *versions) {
    if (version != kLatest) targets.push_back({function, version});
  }
  for (const Alias& alias : *aliases) targets.push_back({function, alias.name});
  Listed items;
  for (const Target& target : targets) {
    const absl::StatusOr<FunctionDescription> description = call.engine.Describe(target.name());
    if (!description.ok()) continue;
    if (const std::optional<EventInvokeNote> note = NoteOf(call, target, *description)) {
      items.emplace_back(target.name(), View(call, target, description->config.event_invoke, *note));
    }
  }
  return Page(call, "FunctionEventInvokeConfigs", std::move(items));
}

}  // namespace runlet::http
