#include "runlet/observe/trace.h"

#include <absl/container/flat_hash_map.h>
#include <absl/container/flat_hash_set.h>
#include <absl/strings/string_view.h>
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

#include "observe/trace_records.h"
#include "runlet/base/sync.h"

namespace runlet {
namespace {

constexpr std::size_t kChunk = 4096;
constexpr std::size_t kErrorBytesMax = 1024;

}  // namespace

class ChromeTrace::Collector {
 public:
  explicit Collector(std::size_t max_records) : max_records_(max_records) {}

  void Add(const Activity& activity) RUNLET_EXCLUDES(mu_) {
    const std::thread::id here = std::this_thread::get_id();
    MutexLock lock(&mu_);
    latest_ns_ = std::max(latest_ns_, activity.at.ns);
    switch (activity.kind) {
      case Activity::Kind::kStarted: Start(activity, here); break;
      case Activity::Kind::kSucceeded:
      case Activity::Kind::kFailed:
      case Activity::Kind::kTimedOut: End(activity, here); break;
      default: Keep(RecordOf(activity, here), activity);
    }
  }

  std::size_t dropped() const RUNLET_EXCLUDES(mu_) {
    MutexLock lock(&mu_);
    return dropped_;
  }

  void Write(const std::function<void(std::string_view)>& write) const RUNLET_EXCLUDES(mu_) {
    TraceRecords trace;
    std::vector<std::shared_ptr<const Chunk>> chunks;
    std::vector<TraceRecord> running;
    std::size_t kept = 0;
    {
      MutexLock lock(&mu_);
      chunks.assign(chunks_.begin(), chunks_.end());
      kept = kept_;
      trace.functions = functions_;
      trace.max_records = max_records_;
      trace.dropped = dropped_;
      trace.first_dropped_ns = first_dropped_ns_;
      for (const auto& [key, record] : running_) {
        TraceRecord& copy = running.emplace_back(Copy(record));
        copy.duration_ns = std::max<std::int64_t>(latest_ns_ - copy.at_ns, 0);
      }
    }
    for (std::size_t i = 0; i < kept; ++i) trace.records.push_back(chunks[i / kChunk]->data() + i % kChunk);
    for (const TraceRecord& record : running) trace.records.push_back(&record);
    WriteTrace(trace, write);
  }

 private:
  using Attempt = std::pair<RequestId, int>;
  using Chunk = std::vector<TraceRecord>;

  void Start(const Activity& activity, std::thread::id here) RUNLET_REQUIRES(mu_) {
    const Attempt attempt(activity.request_id, activity.attempt);
    if (ended_early_.erase(attempt) == 0) running_.insert_or_assign(attempt, RecordOf(activity, here));
  }

  void End(const Activity& activity, std::thread::id here) RUNLET_REQUIRES(mu_) {
    // The end may be told on another thread, but the handler ran where it began.
    const Attempt attempt(activity.request_id, activity.attempt);
    const auto started = running_.find(attempt);
    TraceRecord record = RecordOf(activity, here);
    record.at_ns = activity.at.ns - activity.duration_ns;
    record.duration_ns = std::max<std::int64_t>(activity.duration_ns, 0);
    if (started != running_.end()) {
      record.thread = started->second.thread;
      running_.erase(started);
    } else {
      ended_early_.insert(attempt);
    }
    Keep(std::move(record), activity);
  }

  void Keep(TraceRecord record, const Activity& activity) RUNLET_REQUIRES(mu_) {
    if (kept_ == max_records_) {
      if (dropped_++ == 0) first_dropped_ns_ = activity.at.ns;
      return;
    }
    if (!activity.error_type.empty() || !activity.error_message.empty()) {
      record.error = std::make_unique<TraceRecord::Error>();
      record.error->type = activity.error_type.substr(0, kErrorBytesMax);
      record.error->message = activity.error_message.substr(0, kErrorBytesMax);
    }
    if (kept_ % kChunk == 0) {
      chunks_.push_back(std::make_shared<Chunk>());
      chunks_.back()->reserve(kChunk);
    }
    chunks_.back()->push_back(std::move(record));
    ++kept_;
  }

  TraceRecord RecordOf(const Activity& activity, std::thread::id here) RUNLET_REQUIRES(mu_) {
    TraceRecord record;
    record.kind = activity.kind;
    record.type = activity.type;
    record.condition = activity.condition;
    record.thread = threads_.try_emplace(here, static_cast<std::uint32_t>(threads_.size())).first->second;
    record.function = FunctionOf(activity.function);
    record.attempt = activity.attempt;
    record.at_ns = activity.at.ns;
    record.due_ns = activity.due.ns;
    record.request_id = activity.request_id;
    return record;
  }

  std::uint32_t FunctionOf(std::string_view name) RUNLET_REQUIRES(mu_) {
    const auto found = function_of_.find(absl::string_view(name.data(), name.size()));
    if (found != function_of_.end()) return found->second;
    const auto index = static_cast<std::uint32_t>(functions_.size());
    function_of_.emplace(name, index);
    functions_.emplace_back(name);
    return index;
  }

  static TraceRecord Copy(const TraceRecord& running) {
    TraceRecord copy;
    copy.kind = running.kind;
    copy.type = running.type;
    copy.thread = running.thread;
    copy.function = running.function;
    copy.attempt = running.attempt;
    copy.at_ns = running.at_ns;
    copy.request_id = running.request_id;
    return copy;
  }

  const std::size_t max_records_;
  mutable Mutex mu_;
  // A record that is kept stays where it is and does not change, so that it can be read without the lock.
  std::vector<std::shared_ptr<Chunk>> chunks_ RUNLET_GUARDED_BY(mu_);
  std::size_t kept_ RUNLET_GUARDED_BY(mu_) = 0;
  std::size_t dropped_ RUNLET_GUARDED_BY(mu_) = 0;
  std::int64_t first_dropped_ns_ RUNLET_GUARDED_BY(mu_) = 0;
  std::int64_t latest_ns_ RUNLET_GUARDED_BY(mu_) = 0;
  absl::flat_hash_map<Attempt, TraceRecord> running_ RUNLET_GUARDED_BY(mu_);
  absl::flat_hash_set<Attempt> ended_early_ RUNLET_GUARDED_BY(mu_);  // told before their starts, by another thread
  std::unordered_map<std::thread::id, std::uint32_t> threads_ RUNLET_GUARDED_BY(mu_);
  absl::flat_hash_map<std::string, std::uint32_t> function_of_ RUNLET_GUARDED_BY(mu_);
  std::vector<std::string> functions_ RUNLET_GUARDED_BY(mu_);
};

ChromeTrace::ChromeTrace(ChromeTraceOptions options) : collector_(std::make_unique<Collector>(options.max_records)) {}
ChromeTrace::~ChromeTrace() = default;

void ChromeTrace::OnActivity(const Activity& activity) { collector_->Add(activity); }
std::size_t ChromeTrace::dropped() const { return collector_->dropped(); }

std::string ChromeTrace::ToJson() const {
  std::string json;
  collector_->Write([&](std::string_view piece) { json += piece; });
  return json;
}

absl::Status ChromeTrace::WriteTo(std::string_view path) const {
  const std::string name(path);
  const auto failed = [&] {
    const int error = errno;
    return absl::ErrnoToStatus(error, fmt::format("cannot write the trace to {}", name));
  };
  std::FILE* file = std::fopen(name.c_str(), "wb");
  if (file == nullptr) return failed();
  absl::Status status;
  collector_->Write([&](std::string_view piece) {
    if (status.ok() && std::fwrite(piece.data(), 1, piece.size(), file) != piece.size()) status = failed();
  });
  if (std::fclose(file) != 0 && status.ok()) status = failed();
  return status;
}

}  // namespace runlet
