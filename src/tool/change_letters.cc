// runlet dlq redrive and purge: these take the file as its owner would, so that nobody else may have it.
#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "durable/port.h"
#include "durable/store.h"
#include "runlet/base/random.h"
#include "runlet/durable/queue.h"
#include "tool/command.h"
#include "tool/table.h"

namespace runlet::tool {
namespace {

class NobodyListens final : public QueueListener {
 public:
  void OnReady(const FunctionIdentity&) override {}
  void OnDue(Instant) override {}
};

// Says what keeps it from being opened, and which exit code that is.
absl::StatusOr<std::shared_ptr<durable::Store>> Take(const std::string& path, int* code) {
  // A name with a slip in it must not make a file.
  if (absl::StatusOr<QueueFile> file = QueueFile::Open(path); !file.ok()) {
    *code = Fail(file.status());
    return file.status();
  }
  durable::Options options;
  options.on_damage = [](const durable::Damage& damage) {
    Complain(fmt::format("{}, row {}: {}", damage.table, damage.row, damage.what));
  };
  absl::StatusOr<std::shared_ptr<durable::Store>> store = durable::Store::Open(path, options);
  if (store.ok()) return store;
  *code = Fail(store.status());
  if (absl::IsFailedPrecondition(store.status())) *code = kOwned;
  return store;
}

absl::StatusOr<std::vector<DeadLetter>> Selected(const CommandLine& line) {
  const absl::StatusOr<QueueFile> file = QueueFile::Open(line.file);
  if (!file.ok()) return file.status();
  std::vector<DeadLetter> letters;
  for (const RequestId& id : line.ids) {
    absl::StatusOr<StoredLetter> stored = file->FindLetter(id);
    if (absl::IsNotFound(stored.status())) {
      letters.emplace_back().request_id = id;
    } else if (!stored.ok()) {
      return stored.status();
    } else {
      letters.push_back(std::move(stored->letter));
    }
  }
  if (!line.ids.empty()) return letters;
  const absl::Status read = file->ForEachLetter(
      line.filter,
      [&](StoredLetter stored) {
        letters.push_back(std::move(stored.letter));
        return letters.size() < line.max.value_or(std::numeric_limits<std::size_t>::max());
      },
      nullptr);
  if (!read.ok()) return read;
  return letters;
}

// Accepts the events of letters anew.
class Redriver {
 public:
  Redriver(std::shared_ptr<durable::Store> store, absl::Duration age)
      : queue_(std::move(store), SystemClock()), age_(age), random_(RandomSeed()) {
    queue_.Attach(&listener_);
  }
  ~Redriver() { queue_.Attach(nullptr); }
  Redriver(const Redriver&) = delete;
  Redriver& operator=(const Redriver&) = delete;

  absl::StatusOr<RequestId> Redrive(const DeadLetter& letter) {
    absl::StatusOr<std::string> bytes = letter.Bytes();
    if (!bytes.ok()) return absl::DataLossError("its payload is lost");
    const Instant now = SystemClock().Now();
    EventRef fresh = Event::Make(TypeOf<std::string>(), &*bytes);
    fresh->id = RequestId::FromBits(random_.Next(), random_.Next());
    fresh->function = Identity(letter.function);
    fresh->codec = CodecOf<std::string>();
    fresh->payload_bytes = letter.event->payload_bytes;
    fresh->accepted = now;
    fresh->not_before = now;
    fresh->expires = now.After(Nanos(age_));
    const RequestId id = fresh->id;
    if (absl::Status redriven = queue_.Redrive(letter.request_id, std::move(fresh), now); !redriven.ok()) {
      return redriven;
    }
    return id;
  }

 private:
  const FunctionIdentity* Identity(const std::string& name) {
    std::unique_ptr<FunctionIdentity>& known = identities_[name];
    if (known == nullptr) {
      known = std::make_unique<FunctionIdentity>(
          FunctionIdentity{name, static_cast<std::uint32_t>(identities_.size() - 1)});
    }
    return known.get();
  }

  durable::Port queue_;
  const absl::Duration age_;
  Random random_;
  NobodyListens listener_;
  std::map<std::string, std::unique_ptr<FunctionIdentity>> identities_;
};

absl::StatusOr<std::size_t> CountSelected(const CommandLine& line) {
  const absl::StatusOr<std::vector<DeadLetter>> letters = Selected(line);
  if (!letters.ok()) return letters.status();
  return static_cast<std::size_t>(std::count_if(letters->begin(), letters->end(),
                                                [](const DeadLetter& letter) { return !letter.function.empty(); }));
}

absl::StatusOr<std::size_t> Purge(durable::Store& store, const CommandLine& line) {
  if (!line.ids.empty()) {
    const absl::StatusOr<std::vector<durable::StoredLetter>> taken = store.TakeDead(line.ids);
    if (!taken.ok()) return taken.status();
    return taken->size();
  }
  const absl::StatusOr<std::vector<RequestId>> purged = store.PurgeDead(line.filter);
  if (!purged.ok()) return purged.status();
  return purged->size();
}

}  // namespace

int RedriveLetters(const CommandLine& line) {
  int code = kDone;
  const absl::StatusOr<std::shared_ptr<durable::Store>> store = Take(line.file, &code);
  if (!store.ok()) return code;
  const absl::StatusOr<std::vector<DeadLetter>> letters = Selected(line);
  if (!letters.ok()) return Fail(letters.status());

  Redriver redriver(*store, line.age);
  ProgressLine progress("dead letters redriven");
  Table table({"LETTER", "FUNCTION", "EVENT"});
  std::int64_t redriven = 0;
  std::int64_t refused = 0;
  bool written = true;
  for (const DeadLetter& letter : *letters) {
    absl::StatusOr<RequestId> event = RequestId();
    if (letter.function.empty()) {
      event = absl::NotFoundError("no dead letter has this request id");
    } else if (!line.dry_run) {
      event = redriver.Redrive(letter);
    }
    ++(event.ok() ? redriven : refused);
    progress.Show(redriven);
    const std::string answer = !event.ok()    ? std::string(event.status().message())
                               : line.dry_run ? "(dry run)"
                                              : event->ToString();
    if (line.json) {
      const nlohmann::ordered_json json = {{"letter", letter.request_id.ToString()},
                                           {"function", letter.function},
                                           {event.ok() ? "event" : "error", answer}};
      written = Print(json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n") && written;
    } else {
      table.Add({letter.request_id.ToString(), letter.function, answer});
    }
  }
  if (!line.json) {
    written = Print(fmt::format("{}{} redriven{}, {} refused\n", letters->empty() ? "" : table.ToString() + "\n",
                                Count(redriven), line.dry_run ? " in a dry run" : "", Count(refused)));
  }
  return !written ? kUnreadable : refused > 0 ? kFound : kDone;
}

int PurgeLetters(const CommandLine& line) {
  int code = kDone;
  const absl::StatusOr<std::shared_ptr<durable::Store>> store = Take(line.file, &code);
  if (!store.ok()) return code;
  const absl::StatusOr<std::size_t> purged = line.dry_run ? CountSelected(line) : Purge(**store, line);
  if (!purged.ok()) {
    return Fail(absl::Status(purged.status().code(), fmt::format("{}: nothing was purged: {}", line.file,
                                                                 std::string(purged.status().message()))));
  }
  const auto count = static_cast<std::int64_t>(*purged);
  const std::string answer = line.json
                                 ? nlohmann::ordered_json({{"purged", count}, {"dryRun", line.dry_run}}).dump() + "\n"
                                 : fmt::format("{} purged{}\n", Count(count), line.dry_run ? " in a dry run" : "");
  if (!Print(answer)) return kUnreadable;
  if (*purged >= line.ids.size()) return kDone;
  Complain(fmt::format("{} of {} dead letters are not there, or damaged and kept",
                       Count(static_cast<std::int64_t>(line.ids.size() - *purged)),
                       Count(static_cast<std::int64_t>(line.ids.size()))));
  return kFound;
}

}  // namespace runlet::tool
