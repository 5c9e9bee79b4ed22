#include "runlet/testing/ledger.h"

#include <fmt/format.h>

namespace runlet::testing {
namespace {

// FNV-1a: the same on every machine, which absl::Hash is not.
void Mix(std::uint64_t& hash, std::string_view text) {
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3ULL;
}

}  // namespace

std::string LedgerEntry::ToString() const {
  std::string line = fmt::format("{} {} {}", absl::FormatDuration(at), function, ActivityName(kind));
  if (kind == Activity::Kind::kEnded) line += fmt::format(" {}", ConditionName(condition));
  if (attempt != 0) line += fmt::format(" attempt {}", attempt);
  if (kind == Activity::Kind::kRetryScheduled || kind == Activity::Kind::kThrottled) {
    line += fmt::format(" due {}", absl::FormatDuration(due));
  }
  if (!error_type.empty()) line += fmt::format(" {}: {}", error_type, error_message);
  line += fmt::format(" {}", request_id.ToString());
  return line;
}

void Ledger::Add(const Activity& activity) {
  LedgerEntry entry;
  entry.kind = activity.kind;
  entry.type = activity.type;
  entry.condition = activity.condition;
  entry.attempt = activity.attempt;
  entry.at = absl::Nanoseconds(activity.at.ns);
  entry.due = absl::Nanoseconds(activity.due.ns);
  entry.request_id = activity.request_id;
  entry.function = activity.function;
  entry.error_type = activity.error_type;
  entry.error_message = activity.error_message;
  Mix(hash_, entry.ToString());
  entries_.push_back(std::move(entry));
}

std::vector<LedgerEntry> Ledger::Of(Activity::Kind kind, std::string_view function) const {
  std::vector<LedgerEntry> found;
  for (const LedgerEntry& entry : entries_) {
    if (entry.kind == kind && (function.empty() || entry.function == function)) found.push_back(entry);
  }
  return found;
}

std::string Ledger::ToString() const {
  std::string text;
  for (const LedgerEntry& entry : entries_) text += entry.ToString() + '\n';
  return text;
}

}  // namespace runlet::testing
