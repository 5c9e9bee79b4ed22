// From events to rows and back.
#ifndef RUNLET_SRC_DURABLE_ROW_EVENT_H_
#define RUNLET_SRC_DURABLE_ROW_EVENT_H_

#include <cstdint>

#include "durable/row.h"
#include "durable/tables.h"
#include "runlet/base/time.h"
#include "runlet/event/event.h"

namespace runlet::durable {

// Wall-clock times of the file, as instants of an engine's clock and back, for the length of one call.
struct WallClock {
  explicit WallClock(const Clock& clock) : offset(absl::ToUnixNanos(clock.Calendar()) - clock.Now().ns) {}
  std::int64_t Of(Instant instant) const { return instant.ns + offset; }
  std::int64_t offset;
};

// `function`: runlet_function.id.
EventRow RowOf(const Event& event, std::int64_t function, WallClock wall);
DeadRow DeadRowOf(const Event& event, std::int64_t function, Condition condition, Instant now, WallClock wall);

// The event of a row, with its payload left in the file and without its lineage. Whoever has put the row, or
// tried the event last, did so at some time: where the calendar shows an earlier one now, it was set back, and that
// time is taken for now. So no event waits longer than it was to wait from the start.
EventRef EventOf(const StoredEvent& stored, const Extra& extra, Instant now, WallClock wall);

// What of it is in `extra`.
void FillFrom(const Extra& extra, std::int64_t shift, Event& event);

}  // namespace runlet::durable

#endif  // RUNLET_SRC_DURABLE_ROW_EVENT_H_
