#include "runlet/observe/log_lines.h"

#include <absl/time/time.h>
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/planted.h"
#include "event/json_text.h"

namespace runlet {
namespace {

constexpr int kMaxMemoryUsed = 0;

std::int64_t DurationNs(const Activity& activity) { return std::max<std::int64_t>(activity.duration_ns, 0); }

std::int64_t BilledMs(const Activity& activity) {
  const std::int64_t begun = RUNLET_PLANTED("report-rounds-down") ? 0 : 999'999;
  return std::max<std::int64_t>((DurationNs(activity) + begun) / 1'000'000, 1);
}

// "5000.0", "13.74", "1.056": to the microsecond, as Lambda has it in JSON.
std::string JsonMilliseconds(std::int64_t ns) {
  const std::int64_t us = (ns + 500) / 1000;
  std::string text = fmt::format("{}.{:03}", us / 1000, us % 1000);
  while (text.back() == '0' && text[text.size() - 2] != '.') text.pop_back();
  return text;
}

// "Task timed out after 3.00 seconds": what the caller is told, less the id before it.
std::string_view TimeoutSentence(std::string_view error_message) {
  const std::size_t begin = error_message.find("Task timed out");
  return begin == std::string_view::npos ? error_message : error_message.substr(begin);
}

std::string OnOneLine(std::string_view text) {
  std::string line(text);
  std::replace_if(
      line.begin(), line.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20; }, ' ');
  return line;
}

}  // namespace

LogLines::LogLines(Sink sink, LogFormat format, const Clock& clock)
    : sink_(std::move(sink)), format_(format), clock_(clock) {}

void LogLines::OnActivity(const Activity& activity) {
  switch (activity.kind) {
    case Activity::Kind::kStarted:
    case Activity::Kind::kSucceeded:
    case Activity::Kind::kFailed:
    case Activity::Kind::kTimedOut: return format_ == LogFormat::kText ? WriteText(activity) : WriteJson(activity);
    default: return;
  }
}

void LogLines::WriteText(const Activity& activity) const {
  const std::string id = activity.request_id.ToString();
  if (activity.kind == Activity::Kind::kStarted) {
    return sink_(fmt::format("START RequestId: {} Version: {}", id, activity.version));
  }
  std::string failure;
  if (activity.kind == Activity::Kind::kTimedOut) {
    sink_(fmt::format("{} {} {}", TimeOf(activity.at), id, OnOneLine(TimeoutSentence(activity.error_message))));
    failure = "Status: timeout";
  } else if (activity.kind == Activity::Kind::kFailed) {
    failure = fmt::format("Status: error\tError Type: {}", OnOneLine(activity.error_type));
  }
  sink_(fmt::format("END RequestId: {}", id));
  sink_(
      fmt::format("REPORT RequestId: {}\tDuration: {:.2f} ms\tBilled Duration: {} ms\tMemory Size: {} MB\tMax Memory "
                  "Used: {} MB\t{}",
                  id, static_cast<double>(DurationNs(activity)) / 1e6, BilledMs(activity), activity.memory_size,
                  kMaxMemoryUsed, failure));
}

void LogLines::WriteJson(const Activity& activity) const {
  const std::string id = activity.request_id.ToString();
  const auto write = [&](std::string_view type, std::string_view rest) {
    sink_(fmt::format(R"({{"time":"{}","type":"{}","record":{{"requestId":"{}",{}}}}})", TimeOf(activity.at), type, id,
                      rest));
  };
  if (activity.kind == Activity::Kind::kStarted) {
    return write("platform.start", fmt::format(R"("version":"{}")", activity.version));
  }
  std::string status = R"("status":"success")";
  if (activity.kind == Activity::Kind::kTimedOut) {
    status = R"("status":"timeout")";
  } else if (activity.kind == Activity::Kind::kFailed) {
    status = R"("status":"error","errorType":)";
    if (RUNLET_PLANTED("json-log-unquoted")) {
      status += fmt::format("\"{}\"", activity.error_type);
    } else {
      AppendJsonString(activity.error_type, &status);
    }
  }
  const std::string duration = JsonMilliseconds(DurationNs(activity));
  write("platform.runtimeDone", fmt::format(R"({},"metrics":{{"durationMs":{}}})", status, duration));
  write("platform.report",
        fmt::format(R"({},"metrics":{{"durationMs":{},"billedDurationMs":{},"memorySizeMB":{},"maxMemoryUsedMB":{}}})",
                    status, duration, BilledMs(activity), activity.memory_size, kMaxMemoryUsed));
}

std::string LogLines::TimeOf(Instant at) const {
  const absl::Time time = clock_.Calendar() - absl::Nanoseconds(clock_.Now().Since(at));
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", time, absl::UTCTimeZone());
}

}  // namespace runlet
