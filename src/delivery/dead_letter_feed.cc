#include "delivery/dead_letter_feed.h"

#include <algorithm>

#if defined(__cpp_exceptions)
#include <cxxabi.h>
#endif

#include "delivery/backoff.h"

namespace runlet {
namespace {

// The host's code: what it throws counts as an error.
absl::Status PutGuarded(DeadLetterQueue& sink, const DeadLetter& letter) {
#if defined(__cpp_exceptions)
  try {
    return sink.Put({&letter, 1});
  } catch (abi::__forced_unwind&) {
    throw;
  } catch (...) {
    return absl::UnknownError("the DeadLetterQueue threw an exception");
  }
#else
  return sink.Put({&letter, 1});
#endif
}

}  // namespace

void DeadLetterFeed::Add(const FunctionEntry& entry, const RequestId& id, std::shared_ptr<DeadLetterQueue> sink) {
  awaited_.fetch_add(1, std::memory_order_seq_cst);
  const Instant now = invoker_.wiring().clock.Now();
  {
    MutexLock lock(&mu_);
    waiting_.push_back(Owed{.entry = &entry, .id = id, .sink = std::move(sink), .due = now});
  }
  Advance(now);
}

void DeadLetterFeed::Offer(Owed owed) {
  const Invoker::Wiring& w = invoker_.wiring();
  std::optional<DeadLetter> letter = queue_.GetDead(owed.id);
  absl::Status status = absl::OkStatus();
  // Not there any more when it was redriven or purged meanwhile.
  if (letter.has_value()) status = PutGuarded(*owed.sink, *letter);
  if (status.ok()) {
    if (letter.has_value()) queue_.TakeDead({&owed.id, 1});
    if (owed.awaited) StopAwaiting();
    return;
  }
  {
    SlotHold slot(w.slots);
    slot->meter(*owed.entry).dead_letter_errors.Add(1);
  }
  const Instant now = w.clock.Now();
  const std::int64_t wait = BackoffNs(owed.failures++);
  owed.due = now.After(wait);
  if (invoker_.observed()) {
    invoker_.Observe({.kind = Activity::Kind::kDeadLetterError,
                      .type = InvocationType::kEvent,
                      .condition = letter->condition,
                      .attempt = letter->attempts,
                      .at = now,
                      .due = owed.due,
                      .request_id = owed.id,
                      .function = owed.entry->name,
                      .error_message = {status.message().data(), status.message().size()}});
  }
  const Instant due = owed.due;
  const bool gives_up = owed.awaited && wait == kLongestBackoffNs;
  if (gives_up) owed.awaited = false;
  {
    MutexLock lock(&mu_);
    waiting_.push_back(std::move(owed));
  }
  w.executor.WakeAt(due);
  if (gives_up) StopAwaiting();
}

void DeadLetterFeed::StopAwaiting() {
  awaited_.fetch_sub(1, std::memory_order_seq_cst);
  invoker_.wiring().admission.TellOfQuiet();
}

Instant DeadLetterFeed::Advance(Instant now) {
  Instant next = Instant::Never();
  bool post = false;
  {
    MutexLock lock(&mu_);
    for (const Owed& owed : waiting_) {
      if (owed.due <= now) {
        post = post || !posted_;
      } else {
        next = std::min(next, owed.due);
      }
    }
    posted_ = posted_ || post;
  }
  if (post) invoker_.wiring().executor.Post(*this);
  return next;
}

void DeadLetterFeed::Run() {
  std::vector<Owed> due;
  const Instant now = invoker_.wiring().clock.Now();
  {
    MutexLock lock(&mu_);
    posted_ = false;
    const auto first_due =
        std::stable_partition(waiting_.begin(), waiting_.end(), [now](const Owed& owed) { return owed.due > now; });
    due.assign(std::make_move_iterator(first_due), std::make_move_iterator(waiting_.end()));
    waiting_.erase(first_due, waiting_.end());
  }
  for (Owed& owed : due) Offer(std::move(owed));
}

}  // namespace runlet
