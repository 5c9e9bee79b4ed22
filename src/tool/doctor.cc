// runlet doctor: whether a file is sound, and what is stuck in it, and why.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "durable/tables.h"
#include "runlet/base/time.h"
#include "tool/command.h"
#include "tool/table.h"

namespace runlet::tool {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(2);      // for one transaction, while somebody owns the file
constexpr absl::Duration kStuckAfter = absl::Minutes(1);    // what is late for longer does not just take its turn
constexpr std::int64_t kLongLog = std::int64_t{128} << 20;  // twice to what an owner cuts it
constexpr std::size_t kDamageShown = 100;

struct Finding {
  const char* kind;  // for programs
  std::string function;
  std::string text;
};

// What is late of one function.
struct Late {
  std::int64_t ready = 0;
  absl::Duration ready_for;
  std::int64_t expired = 0;
  std::int64_t claimed = 0;
  std::int64_t suspects = 0;
  int deaths = 0;
  std::int64_t crashed = 0;
};

class Examination {
 public:
  explicit Examination(const QueueFile& file) : file_(file), now_(SystemClock().Calendar()) {}

  absl::Status Run() {
    const absl::StatusOr<FileFacts> facts = file_.Facts();
    if (!facts.ok()) return facts.status();
    facts_ = *facts;
    if (absl::Status checked = CheckStructure(); !checked.ok()) return checked;
    if (absl::Status checked = FindUnread(CheckEvents(), &QueueFile::ReadableEvents, &of_events_); !checked.ok()) {
      return checked;
    }
    if (absl::Status checked = FindUnread(CheckLetters(), &QueueFile::ReadableLetters, &of_letters_); !checked.ok()) {
      return checked;
    }
    for (const auto& [function, late] : late_) Explain(function, late);
    if (facts_.wal_bytes > kLongLog) {
      Find("longLog", "",
           fmt::format("the log is {} long: a reader that does not end its transaction keeps it from "
                       "being shortened, or the disk is too slow for the checkpoint",
                       Bytes(facts_.wal_bytes)));
    }
    return absl::OkStatus();
  }

  const FileFacts& facts() const { return facts_; }
  const std::vector<Finding>& findings() const { return findings_; }
  std::int64_t events() const { return events_; }
  std::int64_t letters() const { return letters_; }
  bool structure_checked() const { return structure_checked_; }
  // Of rows that cannot be read.
  const durable::Readable& of_events() const { return of_events_; }
  const durable::Readable& of_letters() const { return of_letters_; }

 private:
  bool owned() const { return !facts_.owner.empty(); }
  void Find(const char* kind, std::string function, std::string text) {
    findings_.push_back({kind, std::move(function), std::move(text)});
  }
  void FindDamage(const char* what, std::int64_t row, const std::string& function, const std::string& damage) {
    if (++damages_ > kDamageShown) return;
    Find("damage", function, fmt::format("the {} in row {}: {}", what, row, damage));
  }

  // Rows that cannot be read are a finding; whatever else keeps them from being read ends the examination.
  absl::Status FindUnread(const absl::Status& checked, absl::StatusOr<durable::Readable> (QueueFile::*look)() const,
                          durable::Readable* readable) {
    if (!absl::IsDataLoss(checked)) return checked;
    Find("unreadable", "", std::string(checked.message()));
    *readable = (file_.*look)().value_or(durable::Readable());
    return absl::OkStatus();
  }

  absl::Status CheckStructure() {
    const absl::StatusOr<std::optional<std::vector<std::string>>> problems =
        file_.CheckStructure(owned() ? kPatience : absl::InfiniteDuration());
    if (!problems.ok()) return problems.status();
    structure_checked_ = problems->has_value();
    if (structure_checked_) {
      for (const std::string& problem : **problems) Find("structure", "", problem);
    }
    return absl::OkStatus();
  }

  absl::Status CheckEvents() {
    ProgressLine progress("events checked");
    return file_.ForEachEvent(
        true,
        [&](const StoredEvent& event) {
          ++events_;
          if (!event.damage.empty()) return FindDamage("event", event.seq, event.function, event.damage);
          Look(event, &late_[event.function]);
        },
        [&](std::int64_t seen) { progress.Show(seen); });
  }

  absl::Status CheckLetters() {
    ProgressLine progress("dead letters checked");
    return file_.ForEachLetter(
        {},
        [&](const StoredLetter& stored) {
          ++letters_;
          if (!stored.damage.empty()) FindDamage("dead letter", stored.ord, stored.letter.function, stored.damage);
          return true;
        },
        [&](std::int64_t seen) { progress.Show(seen); });
  }

  void Look(const StoredEvent& event, Late* late) const {
    const int marked_deaths = event.marked && !owned() ? 1 : 0;  // counted when the file is opened
    if (event.deaths.value_or(0) + marked_deaths >= durable::kDeathsMax) {
      ++late->crashed;
      return;
    }
    if (event.deaths) {
      ++late->suspects;
      late->deaths = std::max(late->deaths, *event.deaths);
    }
    if (event.claimed) {
      ++late->claimed;
    } else if (event.expires && *event.expires <= now_ - kStuckAfter) {
      ++late->expired;
    } else if (const absl::Time since = event.due.value_or(event.accepted); since <= now_ - kStuckAfter) {
      ++late->ready;
      late->ready_for = std::max(late->ready_for, now_ - since);
    }
  }

  void Explain(const std::string& function, const Late& late) {
    const std::string nobody = "nobody has opened the file";
    if (late.claimed > 0 && !owned()) {
      Find("interrupted", function,
           fmt::format("{} ran when the last owner died: they will run one at a time when the file is opened",
                       Events(late.claimed)));
    }
    if (late.suspects > 0) {
      Find("suspect", function,
           fmt::format("{} ran when a process died, and run one at a time; the worst of them alone has seen {} deaths, "
                       "and is a dead letter after {}",
                       Events(late.suspects), late.deaths, durable::kDeathsMax));
    }
    if (late.crashed > 0) {
      Find("crashed", function,
           fmt::format("{} ran alone when {} processes died, are run no more, and become dead letters (HostCrashed) as "
                       "soon as they are looked at: {}",
                       Events(late.crashed), durable::kDeathsMax,
                       owned() ? "the function is not registered, or the owner hangs" : nobody));
    }
    if (late.expired > 0) {
      Find("expired", function,
           fmt::format("{} are older than they may be, and become dead letters as soon as they are looked at: {}",
                       Events(late.expired), owned() ? "the function is not registered, or the owner hangs" : nobody));
    }
    if (late.ready > 0) {
      Find("waiting", function,
           fmt::format(
               "{} could run, the oldest for {}: {}", Events(late.ready), Age(late.ready_for),
               owned() ? "the function is not registered, or has not enough executions for what is posted" : nobody));
    }
  }

  static std::string Events(std::int64_t n) { return fmt::format("{} event{}", Count(n), n == 1 ? "" : "s"); }

  const QueueFile& file_;
  const absl::Time now_;
  FileFacts facts_;
  bool structure_checked_ = false;
  std::int64_t events_ = 0;
  std::int64_t letters_ = 0;
  durable::Readable of_events_{.whole = true};
  durable::Readable of_letters_{.whole = true};
  std::size_t damages_ = 0;
  std::map<std::string, Late> late_;
  std::vector<Finding> findings_;
};

std::string AsJson(const std::string& path, const Examination& examination) {
  nlohmann::ordered_json json = {{"file", path},
                                 {"owner", nullptr},
                                 {"eventsChecked", examination.events()},
                                 {"deadLettersChecked", examination.letters()},
                                 {"eventsLost", examination.of_events().lost()},
                                 {"eventsBehindThem", examination.of_events().behind},
                                 {"deadLettersLost", examination.of_letters().lost()},
                                 {"deadLettersBehindThem", examination.of_letters().behind},
                                 {"structureChecked", examination.structure_checked()},
                                 {"findings", nlohmann::ordered_json::array()}};
  if (!examination.facts().owner.empty()) json["owner"] = examination.facts().owner;
  for (const Finding& finding : examination.findings()) {
    json["findings"].push_back({{"kind", finding.kind}, {"function", finding.function}, {"text", finding.text}});
  }
  return json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

std::string AsText(const std::string& path, const Examination& examination) {
  std::string text =
      fmt::format("{}: {}; {} events and {} dead letters checked\n", path,
                  examination.facts().owner.empty() ? "in use by nobody" : "in use by " + examination.facts().owner,
                  Count(examination.events()), Count(examination.letters()));
  if (!examination.structure_checked()) {
    text += fmt::format(
        "the structure was not checked: that takes longer than {}, for which the log of a file in use "
        "may grow\n",
        Age(kPatience));
  }
  for (const Finding& finding : examination.findings()) {
    text += fmt::format("{:<12} {}{}\n", finding.kind, finding.function.empty() ? "" : finding.function + ": ",
                        finding.text);
  }
  if (examination.findings().empty()) text += "nothing is wrong\n";
  return text;
}

}  // namespace

int Doctor(const CommandLine& line) {
  const absl::StatusOr<QueueFile> file = QueueFile::Open(line.file);
  if (!file.ok()) return Fail(file.status());
  Examination examination(*file);
  if (absl::Status examined = examination.Run(); !examined.ok()) return Fail(examined);
  if (!Print(line.json ? AsJson(line.file, examination) : AsText(line.file, examination))) return kUnreadable;
  return examination.findings().empty() ? kDone : kFound;
}

}  // namespace runlet::tool
