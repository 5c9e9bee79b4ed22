#include "durable/row_event.h"

#include <algorithm>
#include <string>
#include <utility>

#include "base/planted.h"

namespace runlet::durable {
namespace {

Extra ExtraOf(const Event& event, WallClock wall) {
  Extra extra;
  extra.throttles = event.throttles;
  if (event.details != nullptr && (event.attempts > 0 || event.throttles > 0)) {
    extra.spent = event.details->spent;
    extra.since = wall.Of(event.details->since);
    extra.errors = event.details->errors.List();
  }
  event.lineage.ForEach(
      [&](const FunctionIdentity& function, int times) { extra.lineage.emplace_back(function.name, times); });
  return extra;
}

}  // namespace

EventRow RowOf(const Event& event, std::int64_t function, WallClock wall) {
  EventRow row;
  row.seq = event.stored;
  row.function = function;
  row.id = event.id;
  row.accepted = wall.Of(event.accepted);
  if (!event.expires.never()) row.age = event.expires.Since(event.accepted);
  if (event.not_before > event.accepted) row.due = wall.Of(event.not_before);
  row.attempts = event.attempts;
  row.extra = EncodeExtra(ExtraOf(event, wall));
  return row;
}

DeadRow DeadRowOf(const Event& event, std::int64_t function, Condition condition, Instant now, WallClock wall) {
  DeadRow row;
  row.function = function;
  row.id = event.id;
  row.condition = condition;
  row.accepted = wall.Of(event.accepted);
  row.died = wall.Of(now);
  row.attempts = event.attempts;
  Extra extra = ExtraOf(event, wall);
  if (event.details != nullptr) {
    extra.spent = event.details->spent;
    extra.since = wall.Of(event.details->since);
    extra.errors = event.details->errors.List();
  }
  row.extra = EncodeExtra(extra);
  return row;
}

void FillFrom(const Extra& extra, std::int64_t shift, Event& event) {
  event.throttles = extra.throttles;
  if (extra.since == 0 && extra.errors.empty()) return;
  EventDetails& details = event.NeedDetails();
  details.spent = extra.spent;
  details.since = {extra.since + shift};
  for (const AttemptError& error : extra.errors) details.errors.Add(error);
}

EventRef EventOf(const StoredEvent& stored, const Extra& extra, Instant now, WallClock wall) {
  const EventRow& row = stored.row;
  const std::int64_t written = std::max(row.accepted, extra.since);
  const std::int64_t today = RUNLET_PLANTED("calendar-trusted") ? wall.Of(now) : std::max(wall.Of(now), written);
  const std::int64_t shift = now.ns - today;

  std::string nothing;
  EventRef event = Event::Make(TypeOf<std::string>(), &nothing);
  event->away = true;
  event->stored = row.seq;
  event->id = row.id;
  event->codec = CodecOf<std::string>();
  event->accepted = {row.accepted + shift};
  if (row.age.has_value()) event->expires = event->accepted.After(*row.age);
  if (row.due.has_value()) event->not_before = {*row.due + shift};
  event->attempts = row.attempts;
  event->payload_bytes = stored.payload_bytes;
  FillFrom(extra, shift, *event);
  return event;
}

}  // namespace runlet::durable
