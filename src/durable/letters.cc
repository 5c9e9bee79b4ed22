// Dead letters: always read from the file.
#include <absl/time/time.h>
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "durable/store.h"
#include "event/status_marks.h"
#include "queue/dead_letters.h"

namespace runlet::durable {
namespace {

// The calendar's range is wider than the file's.
std::int64_t Nanos(absl::Time time) {
  if (time == absl::InfinitePast()) return INT64_MIN;
  if (time == absl::InfiniteFuture()) return INT64_MAX;
  return absl::ToUnixNanos(time);
}

}  // namespace

LetterQuery Store::QueryOf(const DeadLetterFilter& filter, std::size_t max) const {
  LetterQuery query;
  query.condition = filter.condition;
  query.died_after = Nanos(filter.died_after);
  query.died_before = Nanos(filter.died_before);
  query.max = std::min<std::size_t>(max, INT64_MAX);
  if (filter.function.empty()) return query;
  query.functions.emplace();
  MutexLock lock(&mu_);
  for (const auto& known : functions_) {
    if (IsOfFunction(known->identity.name, filter.function)) query.functions->push_back(known->row);
  }
  return query;
}

void Store::RememberGone(const RequestId& id, std::int64_t ord) {
  if (gone_.size() < DeadLetters::kRemembered) {
    gone_.emplace_back(id, ord);
    return;
  }
  gone_[oldest_gone_] = {id, ord};
  oldest_gone_ = (oldest_gone_ + 1) % DeadLetters::kRemembered;
}

std::int64_t Store::OrderOf(const RequestId& id) {
  std::optional<std::int64_t> order;
  AnyChange find([&](Tables& tables) {
    const absl::StatusOr<std::optional<StoredLetter>> letter = tables.ReadLetter(id);
    if (letter.ok() && letter->has_value()) order = (*letter)->row.ord;
    return letter.status();
  });
  ReportUnread(committer_.Commit(find));
  if (order.has_value()) return *order;
  std::int64_t last = INT64_MIN;
  MutexLock lock(&mu_);
  for (const auto& [gone_id, ord] : gone_) {
    if (gone_id == id) last = std::max(last, ord);
  }
  return last;
}

void Store::ReportDamaged(std::vector<StoredLetter>* letters) {
  const auto whole = std::stable_partition(letters->begin(), letters->end(),
                                           [](const StoredLetter& letter) { return letter.damage.empty(); });
  for (auto letter = whole; letter != letters->end(); ++letter) {
    {
      MutexLock lock(&mu_);
      if (!damaged_letters_.insert(letter->row.ord).second) continue;
    }
    Report({"runlet_dead", letter->row.ord, FunctionName(letter->row.function), std::string(letter->damage)});
  }
  letters->erase(whole, letters->end());
}

void Store::ReportUnread(const absl::Status& read) {
  // A full disk, or one that cannot sync, is told of by storage().
  if (read.ok() || committer_.failed() || committer_.in_transaction() || !Reason(read).empty()) return;
  if (!absl::IsDataLoss(read)) {
    return Report(
        {"runlet_dead", 0, {}, fmt::format("the dead letters could not be read: {}", std::string(read.message()))}, 0);
  }
  {
    MutexLock lock(&mu_);
    if (std::exchange(letters_unreadable_, true)) return;
  }
  // Not in a transaction: SQLite would let it write nothing any more.
  absl::StatusOr<Readable> readable = Readable();
  {
    MutexLock lock(&reader_mu_);
    readable = ReadableLetters(file_.reader.get());
  }
  if (!readable.ok()) readable = Readable();  // nothing of them is known
  std::int64_t left = 0;
  {
    MutexLock lock(&mu_);
    left = std::max<std::int64_t>(1, dead_ - readable->before);
  }
  Report(
      {"runlet_dead",
       readable->last_before,
       {},
       fmt::format("the dead letters behind this row cannot be read, about {}: {}", left, std::string(read.message()))},
      static_cast<std::uint64_t>(left));
}

std::vector<StoredLetter> Store::ListDead(const DeadLetterFilter& filter, std::size_t max,
                                          std::optional<RequestId> after) {
  LetterQuery query = QueryOf(filter, max);
  if (after.has_value()) query.after = OrderOf(*after);
  std::vector<StoredLetter> letters;
  AnyChange read([&](Tables& tables) {
    letters.clear();
    return tables.ReadLetters(query, [&](StoredLetter letter) { letters.push_back(std::move(letter)); });
  });
  ReportUnread(committer_.Commit(read));
  ReportDamaged(&letters);
  return letters;
}

std::optional<StoredLetter> Store::GetDead(const RequestId& id) {
  std::vector<StoredLetter> letters;
  AnyChange read([&](Tables& tables) {
    letters.clear();
    absl::StatusOr<std::optional<StoredLetter>> letter = tables.ReadLetter(id);
    if (letter.ok() && letter->has_value()) letters.push_back(**std::move(letter));
    return letter.status();
  });
  ReportUnread(committer_.Commit(read));
  ReportDamaged(&letters);
  if (letters.empty()) return std::nullopt;
  return std::move(letters.front());
}

absl::StatusOr<std::vector<StoredLetter>> Store::TakeDead(std::span<const RequestId> ids) {
  std::vector<StoredLetter> letters;
  AnyChange take(
      [&](Tables& tables) {
        letters.clear();
        for (const RequestId& id : ids) {
          absl::StatusOr<std::optional<StoredLetter>> letter = tables.ReadLetter(id);
          if (!letter.ok()) return letter.status();
          if (!letter->has_value()) continue;
          // A damaged one stays, for whoever can mend it.
          if ((*letter)->damage.empty()) {
            if (absl::Status gone = tables.DeleteLetter((*letter)->row.ord); !gone.ok()) return gone;
          }
          letters.push_back(**std::move(letter));
        }
        return absl::OkStatus();
      },
      true);
  if (absl::Status taken = committer_.Commit(take); !taken.ok()) {
    ReportUnread(taken);
    return taken;
  }
  ReportDamaged(&letters);
  MutexLock lock(&mu_);
  dead_ -= static_cast<std::int64_t>(letters.size());
  for (const StoredLetter& letter : letters) RememberGone(letter.row.id, letter.row.ord);
  return letters;
}

absl::StatusOr<std::vector<RequestId>> Store::PurgeDead(const DeadLetterFilter& filter) {
  const LetterQuery query = QueryOf(filter, SIZE_MAX);
  std::vector<std::pair<RequestId, std::int64_t>> purged;
  AnyChange purge(
      [&](Tables& tables) {
        purged.clear();
        absl::Status found =
            tables.FindLetters(query, [&](std::int64_t ord, const RequestId& id) { purged.emplace_back(id, ord); });
        if (!found.ok()) return found;
        for (const auto& [id, ord] : purged) {
          if (absl::Status gone = tables.DeleteLetter(ord); !gone.ok()) return gone;
        }
        return absl::OkStatus();
      },
      true);
  if (absl::Status removed = committer_.Commit(purge); !removed.ok()) {
    ReportUnread(removed);
    return removed;
  }
  MutexLock lock(&mu_);
  dead_ -= static_cast<std::int64_t>(purged.size());
  std::vector<RequestId> ids;
  ids.reserve(purged.size());
  for (const auto& [id, ord] : purged) {
    RememberGone(id, ord);
    ids.push_back(id);
  }
  return ids;
}

absl::Status Store::Redrive(const RequestId& id, EventRef fresh, std::vector<NewEvent>& row, Known* known, Instant now,
                            WallClock wall) {
  RedriveChange change(id, row, notes_, wall.Of(now));
  const std::size_t bytes = fresh->payload_bytes;
  {
    MutexLock lock(&mu_);
    if (const Shortage shortage = ShortageFor(1, bytes); shortage.of != Shortage::Of::kNothing)
      return shortage.AsStatus();
    ++incoming_;
    incoming_bytes_ += bytes;
    committer_.Queue(change);
  }
  const absl::Status written = committer_.Finish(change);
  News news;
  {
    MutexLock lock(&mu_);
    --incoming_;
    incoming_bytes_ -= bytes;
    if (written.ok() && change.found()) {
      --dead_;
      RememberGone(id, change.ord());
      fresh->stored = row.front().row.seq;
      if (change.left_to_loader()) {
        ++unloaded_;
        unloaded_bytes_ += static_cast<std::int64_t>(bytes);
      } else {
        std::vector<EventRef> events;
        events.push_back(std::move(fresh));
        Schedule(events, {&known, 1}, now);
      }
      news = TakeNews();
    }
  }
  Tell(news);
  if (!written.ok()) return written;
  return change.found() ? absl::OkStatus() : absl::NotFoundError("no dead letter " + id.ToString());
}

}  // namespace runlet::durable
