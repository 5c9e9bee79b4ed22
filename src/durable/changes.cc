#include "durable/changes.h"

#include <algorithm>
#include <utility>

namespace runlet::durable {

// ---- put ----

absl::Status PutChange::Write(Tables& tables) {
  keys_used_ = 0;
  for (NewEvent& event : events_) event.known.reset();
  return WriteAll(tables);
}

absl::Status PutChange::CountKeys(Tables& tables) {
  const auto keyed = static_cast<std::size_t>(
      std::count_if(events_.begin(), events_.end(), [](const NewEvent& event) { return !event.key.empty(); }));
  if (keyed == 0) return absl::OkStatus();
  const absl::StatusOr<std::int64_t> gone = tables.DeleteKeys(wall_);
  if (!gone.ok()) return gone.status();
  notes_.keys = std::max<std::int64_t>(0, notes_.keys - *gone);
  if (static_cast<std::size_t>(notes_.keys) + keyed <= keys_max_) return absl::OkStatus();
  // What was undone since has been counted too.
  const absl::StatusOr<std::int64_t> exactly = tables.Number("SELECT count(*) FROM runlet_key");
  if (!exactly.ok()) return exactly.status();
  notes_.keys = *exactly;
  if (static_cast<std::size_t>(*exactly) + keyed > keys_max_) keys_used_ = static_cast<std::size_t>(*exactly);
  return absl::OkStatus();
}

absl::Status PutChange::WriteAll(Tables& tables) {
  if (absl::Status counted = CountKeys(tables); !counted.ok() || keys_used_ != 0) return counted;
  left_to_loader_ = !notes_.loaded;
  for (NewEvent& event : events_) {
    if (!event.key.empty()) {
      const absl::StatusOr<std::optional<RequestId>> known = tables.FindKey(event.row.function, event.key);
      if (!known.ok()) return known.status();
      event.known = *known;
      if (event.known.has_value()) continue;
      absl::Status kept = tables.InsertKey(event.row.function, event.key, event.row.id, event.key_until);
      if (!kept.ok()) return kept;
      ++notes_.keys;
    }
    event.row.seq = ++notes_.last_seq;
    if (absl::Status put = tables.InsertEvent(event.row, event.payload); !put.ok()) return put;
  }
  return absl::OkStatus();
}

absl::Status RedriveChange::Write(Tables& tables) {
  const absl::StatusOr<std::optional<StoredLetter>> letter = tables.ReadLetter(letter_);
  if (!letter.ok()) return letter.status();
  found_ = letter->has_value();
  if (!found_) return absl::OkStatus();
  ord_ = (*letter)->row.ord;
  if (absl::Status gone = tables.DeleteLetter(ord_); !gone.ok()) return gone;
  return WriteAll(tables);
}

// ---- claim ----

absl::Status ClaimChange::Write(Tables& tables) {
  for (Item& item : items_) {
    item.payload = {};
    if (item.away) {
      absl::StatusOr<StoredPayload> payload = tables.ReadPayload(item.seq);
      if (!payload.ok()) return payload.status();
      item.payload = *std::move(payload);
    }
    if (!item.runs || !item.payload.damage.empty()) continue;
    if (absl::Status noted = tables.InsertRun(item.seq, item.marked); !noted.ok()) return noted;
  }
  return absl::OkStatus();
}

// ---- settle ----

bool SettleChange::needs_sync() const {
  return std::any_of(items_.begin(), items_.end(), [](const Item& item) {
    return item.kind == Settlement::Kind::kDone || item.kind == Settlement::Kind::kDead ||
           item.kind == Settlement::Kind::kParked;
  });
}

absl::Status SettleChange::Write(Tables& tables) {
  for (Item& item : items_) {
    if (absl::Status written = WriteItem(tables, item); !written.ok()) return written;
  }
  return absl::OkStatus();
}

absl::Status SettleChange::WriteItem(Tables& tables, Item& item) {
  absl::Status status;
  switch (item.kind) {
    case Settlement::Kind::kDone:
    case Settlement::Kind::kParked: status = tables.DeleteEvent(item.row.seq); break;
    case Settlement::Kind::kRetry:
    case Settlement::Kind::kThrottled: status = tables.UpdateEvent(item.row); break;
    case Settlement::Kind::kRelease: break;
    case Settlement::Kind::kDead:
      item.dead.ord = ++notes_.last_ord;
      status = tables.Bury(item.dead, item.row.seq);
      break;
  }
  if (status.ok()) status = tables.DeleteRun(item.row.seq);
  if (status.ok() && item.suspect) status = tables.DeleteSuspect(item.row.seq);
  return status;
}

// ---- load ----

absl::Status LoadChange::Write(Tables& tables) {
  events_.clear();
  absl::Status read =
      tables.ReadEvents(notes_.loaded_until, max_, [this](StoredEvent event) { events_.push_back(std::move(event)); });
  if (!read.ok()) return read;
  if (!events_.empty()) notes_.loaded_until = events_.back().row.seq;
  all_ = notes_.loaded = events_.size() < max_;
  return read;
}

}  // namespace runlet::durable
