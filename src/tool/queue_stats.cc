// runlet queue stats: what a file holds, function by function.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "runlet/base/time.h"
#include "tool/command.h"
#include "tool/table.h"

namespace runlet::tool {
namespace {

struct Counts {
  std::int64_t ready = 0;
  std::int64_t delayed = 0;
  std::int64_t running = 0;
  std::int64_t dead = 0;
  std::int64_t bytes = 0;
  absl::Time oldest = absl::InfiniteFuture();  // of what waits

  void Add(const Counts& other) {
    ready += other.ready;
    delayed += other.delayed;
    running += other.running;
    dead += other.dead;
    bytes += other.bytes;
    oldest = std::min(oldest, other.oldest);
  }
};

void Add(const StoredEvent& event, absl::Time now, Counts* counts) {
  counts->bytes += event.bytes;
  if (event.claimed) {
    ++counts->running;
    return;
  }
  ++(event.due && *event.due > now ? counts->delayed : counts->ready);
  counts->oldest = std::min(counts->oldest, event.accepted);
}

std::string OldestAge(const Counts& counts, absl::Time now) {
  return counts.oldest == absl::InfiniteFuture() ? "" : Age(std::max(now - counts.oldest, absl::ZeroDuration()));
}

nlohmann::ordered_json Json(const Counts& counts, absl::Time now) {
  nlohmann::ordered_json json = {{"ready", counts.ready}, {"delayed", counts.delayed}, {"running", counts.running},
                                 {"dead", counts.dead},   {"bytes", counts.bytes},     {"oldestSeconds", nullptr}};
  if (counts.oldest != absl::InfiniteFuture()) json["oldestSeconds"] = absl::ToDoubleSeconds(now - counts.oldest);
  return json;
}

}  // namespace

int QueueStats(const CommandLine& line) {
  const absl::StatusOr<QueueFile> file = QueueFile::Open(line.file);
  if (!file.ok()) return Fail(file.status());
  const absl::StatusOr<FileFacts> facts = file->Facts();
  if (!facts.ok()) return Fail(facts.status());

  const absl::Time now = SystemClock().Calendar();
  std::map<std::string, Counts> functions;
  ProgressLine progress("events read");
  const absl::Status read = file->ForEachEvent(
      false, [&](const StoredEvent& event) { Add(event, now, &functions[event.function]); },
      [&](std::int64_t seen) { progress.Show(seen); });
  if (!read.ok()) return Fail(read);
  const absl::StatusOr<std::map<std::string, std::int64_t>> letters = file->CountLetters();
  if (!letters.ok()) return Fail(letters.status());
  for (const auto& [name, count] : *letters) functions[name].dead = count;
  Counts all;
  for (const auto& [name, counts] : functions) all.Add(counts);

  if (line.json) {
    nlohmann::ordered_json json = {{"file", line.file},
                                   {"schemaVersion", facts->schema_version},
                                   {"owner", nullptr},
                                   {"fileBytes", facts->file_bytes},
                                   {"walBytes", facts->wal_bytes},
                                   {"total", Json(all, now)},
                                   {"functions", nlohmann::ordered_json::object()}};
    if (!facts->owner.empty()) json["owner"] = facts->owner;
    for (const auto& [name, counts] : functions) json["functions"][name] = Json(counts, now);
    return Print(json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n") ? kDone : kUnreadable;
  }
  std::string text = fmt::format("{}: {}, log {}, {}\n\n", line.file, Bytes(facts->file_bytes), Bytes(facts->wal_bytes),
                                 facts->owner.empty() ? "in use by nobody" : "in use by " + facts->owner);
  Table table({"FUNCTION", ">READY", ">DELAYED", ">RUNNING", ">DEAD", ">BYTES", ">OLDEST"});
  const auto add = [&](const std::string& name, const Counts& counts) {
    table.Add({name, Count(counts.ready), Count(counts.delayed), Count(counts.running), Count(counts.dead),
               Bytes(counts.bytes), OldestAge(counts, now)});
  };
  for (const auto& [name, counts] : functions) add(name, counts);
  add("(all)", all);
  return Print(text + table.ToString()) ? kDone : kUnreadable;
}

}  // namespace runlet::tool
