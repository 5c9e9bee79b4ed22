// A picture of a run: who ran when, on which thread, and why.
#ifndef RUNLET_OBSERVE_TRACE_H_
#define RUNLET_OBSERVE_TRACE_H_

#include <absl/status/status.h>

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "runlet/observe/observer.h"

namespace runlet {

struct ChromeTraceOptions {
  // Records kept, some 100 bytes each; an execution is one, and so is every other Activity. Those beyond are dropped
  // and counted, and the trace says where that begins.
  std::size_t max_records = 1'000'000;
};

// Collects what happens into a trace in Chrome's trace-event format (a JSON array), to be opened in ui.perfetto.dev or
// chrome://tracing. In it are
//   a slice for every attempt, from its start to its end; one that has not ended lasts until the latest record,
//   an arrow from a post or a redrive to the event's first attempt, and from each attempt to the next,
//   a mark for every other Activity: throttles, scheduled retries, ends, dead letters, refusals, registrations.
// Their arguments tell request id, function, attempt, and type and message of the error, cut at 1,024 bytes.
//
// A track is a thread, numbered in order of appearance; one that begins when another has ended may get its number.
// Slices that overlap without being nested, as in a simulation, whose handlers take turns on one thread, are spread
// over several tracks of the thread. Times are those of the engine's clock.
//
// Thread-safe. An Activity takes a lock for less than a microsecond, as a rule.
class ChromeTrace final : public Observer {
 public:
  explicit ChromeTrace(ChromeTraceOptions options = {});
  ~ChromeTrace() override;
  ChromeTrace(const ChromeTrace&) = delete;
  ChromeTrace& operator=(const ChromeTrace&) = delete;

  void OnActivity(const Activity& activity) override;

  // Records that found no room.
  std::size_t dropped() const;
  // The trace so far. Collecting goes on meanwhile.
  std::string ToJson() const;
  // Writes ToJson() to a file, replacing what is there. The system's error, with the path.
  [[nodiscard]] absl::Status WriteTo(std::string_view path) const;

 private:
  class Collector;
  const std::unique_ptr<Collector> collector_;
};

}  // namespace runlet

#endif  // RUNLET_OBSERVE_TRACE_H_
