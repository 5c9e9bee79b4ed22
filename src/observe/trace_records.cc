#include "observe/trace_records.h"

#include <absl/container/flat_hash_map.h>
#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <utility>

#include "base/planted.h"
#include "event/json_text.h"

namespace runlet {
namespace {

constexpr std::size_t kPieceBytes = 64 * 1024;

// Chrome counts in microseconds.
std::string Microseconds(std::int64_t ns) {
  ns = std::max<std::int64_t>(ns, 0);
  return fmt::format("{}.{:03}", ns / 1000, ns % 1000);
}

std::string_view NameOf(const TraceRecord& record) {
  if (record.kind != Activity::Kind::kEnded) return ActivityName(record.kind);
  switch (record.condition) {
    case Condition::kSuccess:
    case Condition::kCancelled:
    case Condition::kPurged:
    case Condition::kParked: return "ended";
    default: return "dead letter";
  }
}

class TraceWriter {
 public:
  TraceWriter(const TraceRecords& trace, const std::function<void(std::string_view)>& write)
      : trace_(trace), write_(write) {}

  void Write() {
    JoinFlows();
    std::vector<Placed> order;
    order.reserve(trace_.records.size());
    for (const TraceRecord* record : trace_.records) order.push_back({record, PlaceOf(*record)});
    std::stable_sort(order.begin(), order.end(), Before);
    LayOut(order);

    text_ = "[\n";
    WriteNames();
    for (const Placed& placed : order) {
      WriteRecord(*placed.record, placed.at_ns);
      if (text_.size() < kPieceBytes) continue;
      write_(text_);
      text_.clear();
    }
    if (trace_.dropped != 0) WriteDropped();
    text_ += "\n]\n";
    write_(text_);
  }

 private:
  struct Flows {
    std::uint64_t in = 0;
    std::uint64_t out = 0;
    std::int64_t out_ns = 0;  // no later than where it leads
  };
  struct Placed {
    const TraceRecord* record;
    std::int64_t at_ns;
  };
  // Slices on one track are nested in each other, or apart.
  struct Track {
    std::vector<std::int64_t> open_ends;
    bool Takes(const TraceRecord& slice) {
      while (!open_ends.empty() && open_ends.back() <= slice.at_ns) open_ends.pop_back();
      if (!open_ends.empty() && open_ends.back() < slice.end_ns()) return false;
      open_ends.push_back(slice.end_ns());
      return true;
    }
  };

  // Viewers read one record after the other. Where times are equal, causes come before what they lead to, so
  // acceptances first and then what takes no time; of slices the outer comes before the inner.
  static bool Before(const Placed& a, const Placed& b) {
    if (a.at_ns != b.at_ns) return a.at_ns < b.at_ns;
    const TraceRecord& first = *a.record;
    const TraceRecord& second = *b.record;
    if (first.IsAcceptance() != second.IsAcceptance()) return first.IsAcceptance();
    if ((first.duration_ns == 0) != (second.duration_ns == 0)) return first.duration_ns == 0;
    return first.duration_ns > second.duration_ns;
  }
  // An acceptance may be told after the attempt has begun, but that is not how one draws it.
  std::int64_t PlaceOf(const TraceRecord& record) const {
    if (!record.IsAcceptance()) return record.at_ns;
    const auto found = flows_.find(&record);
    return found == flows_.end() ? record.at_ns : found->second.out_ns;
  }

  // Each arrow leads to an attempt from what made it due. Both ends are known before either is written: records of
  // different threads come out of order, and those that were dropped leave no loose ends.
  void JoinFlows() {
    absl::flat_hash_map<std::pair<RequestId, int>, const TraceRecord*> causes;  // by the attempt that they lead to
    for (const TraceRecord* record : trace_.records) {
      if (record->IsAcceptance()) causes.emplace(std::pair(record->request_id, 1), record);
      if (IsAttempt(*record)) causes.emplace(std::pair(record->request_id, record->attempt + 1), record);
    }
    std::uint64_t last = 0;
    for (const TraceRecord* record : trace_.records) {
      if (!IsAttempt(*record)) continue;
      const auto cause = causes.find(std::pair(record->request_id, record->attempt));
      if (cause == causes.end()) continue;
      Flows& from = flows_[cause->second];
      from.out = ++last;
      from.out_ns = std::min(cause->second->at_ns, record->at_ns);
      if (!RUNLET_PLANTED("arrow-without-end")) flows_[record].in = last;
    }
  }
  static bool IsAttempt(const TraceRecord& record) {
    return record.IsExecution() && record.type == InvocationType::kEvent;
  }

  void LayOut(const std::vector<Placed>& order) {
    std::map<std::uint32_t, std::vector<Track>> threads;
    for (const Placed& placed : order) {
      const TraceRecord* record = placed.record;
      std::vector<Track>& tracks = threads[record->thread];
      if (tracks.empty()) tracks.emplace_back();
      if (!record->IsExecution()) continue;
      std::size_t index = 0;
      while (!tracks[index].Takes(*record)) {
        if (++index == tracks.size()) tracks.emplace_back();
      }
      if (index != 0) track_of_.emplace(record, index);
    }
    for (const auto& [thread, tracks] : threads) {
      first_track_[thread] = track_names_.size() + 1;
      for (std::size_t i = 0; i < tracks.size(); ++i) {
        track_names_.push_back(i == 0 ? fmt::format("thread {}", thread + 1)
                                      : fmt::format("thread {} ({})", thread + 1, i + 1));
      }
    }
  }
  std::size_t TrackOf(const TraceRecord& record) const {
    const auto found = track_of_.find(&record);
    return first_track_.at(record.thread) + (found == track_of_.end() ? 0 : found->second);
  }

  template <typename... Args>
  void Append(fmt::format_string<Args...> format, Args&&... args) {
    fmt::format_to(std::back_inserter(text_), format, std::forward<Args>(args)...);
  }
  void Begin() {
    if (!std::exchange(first_, false)) text_ += ",\n";
  }

  void WriteNames() {
    Begin();
    text_ += R"({"name":"process_name","ph":"M","pid":1,"tid":0,"args":{"name":"runlet"}})";
    for (std::size_t i = 0; i < track_names_.size(); ++i) {
      Begin();
      Append(R"({{"name":"thread_name","ph":"M","pid":1,"tid":{},"args":{{"name":"{}"}}}})", i + 1, track_names_[i]);
      Begin();
      Append(R"({{"name":"thread_sort_index","ph":"M","pid":1,"tid":{},"args":{{"sort_index":{}}}}})", i + 1, i + 1);
    }
  }

  void WriteRecord(const TraceRecord& record, std::int64_t at_ns) {
    const std::size_t track = TrackOf(record);
    const auto found = flows_.find(&record);
    const Flows flows = found == flows_.end() ? Flows{} : found->second;
    const std::string_view category = record.type == InvocationType::kEvent ? "event" : "call";

    Begin();
    text_ += R"({"name":)";
    AppendJsonString(record.IsExecution() ? std::string_view(trace_.functions[record.function]) : NameOf(record),
                     &text_);
    Append(R"(,"cat":"{}","pid":1,"tid":{})", category, track);
    if (record.IsExecution()) {
      Append(R"(,"ph":"X","ts":{},"dur":{})", Microseconds(at_ns), Microseconds(record.duration_ns));
    } else if (flows.out != 0) {
      // An arrow begins in a slice.
      Append(R"(,"ph":"X","ts":{},"dur":0)", Microseconds(at_ns));
    } else {
      Append(R"(,"ph":"i","s":"t","ts":{})", Microseconds(at_ns));
    }
    WriteArguments(record);
    text_ += "}";
    if (flows.in != 0) WriteFlow(R"("ph":"f","bp":"e")", flows.in, track, at_ns);
    if (flows.out != 0) WriteFlow(R"("ph":"s")", flows.out, track, at_ns);
  }

  void WriteFlow(std::string_view phase, std::uint64_t id, std::size_t track, std::int64_t at_ns) {
    Begin();
    Append(R"({{"name":"event","cat":"event",{},"id":{},"pid":1,"tid":{},"ts":{}}})", phase, id, track,
           Microseconds(at_ns));
  }

  void WriteArguments(const TraceRecord& record) {
    text_ += R"(,"args":{"function":)";
    AppendJsonString(trace_.functions[record.function], &text_);
    if (record.request_id != RequestId()) Append(R"(,"request_id":"{}")", record.request_id.ToString());
    if (record.attempt != 0) Append(R"(,"attempt":{})", record.attempt);
    if (record.IsExecution()) {
      Append(R"(,"outcome":"{}")", record.kind == Activity::Kind::kStarted ? "running" : ActivityName(record.kind));
    }
    if (record.kind == Activity::Kind::kEnded) Append(R"(,"condition":"{}")", ConditionName(record.condition));
    if (!record.IsExecution() && record.due_ns != 0) {
      Append(R"(,"next_try_in_ms":{})", static_cast<double>(record.due_ns - record.at_ns) / 1e6);
    }
    if (record.error != nullptr) {
      text_ += R"(,"error_type":)";
      AppendJsonString(record.error->type, &text_);
      text_ += R"(,"error_message":)";
      AppendJsonString(record.error->message, &text_);
    }
    text_ += "}";
  }

  void WriteDropped() {
    Begin();
    Append(R"({{"name":"{} records dropped from here on","cat":"trace","ph":"i","s":"g","pid":1,"tid":0,"ts":{},)",
           trace_.dropped, Microseconds(trace_.first_dropped_ns));
    Append(R"("args":{{"dropped":{},"max_records":{}}}}})", trace_.dropped, trace_.max_records);
  }

  const TraceRecords& trace_;
  const std::function<void(std::string_view)>& write_;
  absl::flat_hash_map<const TraceRecord*, Flows> flows_;
  absl::flat_hash_map<const TraceRecord*, std::size_t> track_of_;  // of those that are not on their thread's first
  std::map<std::uint32_t, std::size_t> first_track_;               // of each thread; tracks count from 1
  std::vector<std::string> track_names_;
  std::string text_;
  bool first_ = true;
};

}  // namespace

void WriteTrace(const TraceRecords& trace, const std::function<void(std::string_view)>& write) {
  TraceWriter(trace, write).Write();
}

}  // namespace runlet
