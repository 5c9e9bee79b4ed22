#include "delivery/sink_feed.h"

#include <absl/container/flat_hash_set.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "base/host_call.h"
#include "base/planted.h"
#include "delivery/backoff.h"

namespace runlet {
namespace {

constexpr int kTurn = 32;

// What it throws counts as an error.
template <typename F>
absl::Status AskSink(F call) {
  return CallHost(call, [] { return absl::UnknownError("the sink threw an exception"); });
}

}  // namespace

void SinkFeed::Add(const FunctionEntry& entry, Letter letter) {
  Add(Owed{.entry = &entry, .what = std::move(letter), .due = invoker_.wiring().clock.Now()});
}

void SinkFeed::Add(const FunctionEntry& entry, InvocationRecord record, Destination destination) {
  records_.fetch_add(1, std::memory_order_relaxed);
  Add(Owed{.entry = &entry,
           .what = Record{std::move(record), std::move(destination)},
           .due = invoker_.wiring().clock.Now()});
}

void SinkFeed::Add(Owed owed) {
  owed_.fetch_add(1, std::memory_order_relaxed);
  awaited_.fetch_add(1, std::memory_order_seq_cst);
  const Instant now = owed.due;
  {
    MutexLock lock(&mu_);
    waiting_.emplace(now, std::move(owed));
  }
  Advance(now);
}

absl::Status SinkFeed::OfferLetter(const Owed& owed, const Letter& letter) {
  // Not there any more when it was redriven or purged meanwhile.
  const std::optional<DeadLetter> found = queue_.GetDead(letter.id);
  if (!found.has_value()) return absl::OkStatus();
  absl::Status status = AskSink([&] { return letter.sink->Put({&*found, 1}); });
  if (status.ok() && !queue_.TakeDead({&letter.id, 1}).empty()) Tell(owed, Activity::Kind::kDeadLetterTaken);
  return status;
}

absl::Status SinkFeed::OfferRecord(const Owed& owed, const Record& record) {
  struct Offered {
    absl::Status operator()(std::monostate) const { return absl::OkStatus(); }
    absl::Status operator()(const Destination::FunctionName& function) const {
      return feed.post_(function.name, record);
    }
    absl::Status operator()(const std::function<absl::Status(const InvocationRecord&)>& callback) const {
      return AskSink([&] { return callback(record); });
    }
    absl::Status operator()(const std::shared_ptr<DestinationSink>& sink) const {
      return AskSink([&] { return sink->Put({&record, 1}); });
    }
    const SinkFeed& feed;
    const InvocationRecord& record;
  };
  absl::Status status = std::visit(Offered{*this, record.record}, record.destination.target());
  if (!status.ok()) return status;
  records_.fetch_sub(1, std::memory_order_relaxed);
  Tell(owed, Activity::Kind::kDestinationTold);
  return status;
}

void SinkFeed::Offer(Owed owed) {
  // Also where the sink ends the thread (pthread_exit): the stack is unwound through here.
  struct Concluded {
    ~Concluded() { feed.Conclude(std::move(owed), status); }
    SinkFeed& feed;
    Owed owed;
    absl::Status status = absl::AbortedError("the sink ended its thread");
  } offered{*this, std::move(owed)};
  const auto* letter = std::get_if<Letter>(&offered.owed.what);
  offered.status = letter != nullptr ? OfferLetter(offered.owed, *letter)
                                     : OfferRecord(offered.owed, std::get<Record>(offered.owed.what));
}

void SinkFeed::Conclude(Owed owed, const absl::Status& status) {
  if (status.ok()) return Settle(owed);
  if (absl::IsOutOfRange(status) && IsForFunction(owed)) {
    // No event may be so large, now or later.
    owed.due = Instant::Never();
    TellFailure(owed, status);
    records_.fetch_sub(1, std::memory_order_relaxed);
    return Settle(owed);
  }
  const Invoker::Wiring& w = invoker_.wiring();
  const Instant now = w.clock.Now();
  const std::int64_t wait = BackoffNs(RUNLET_PLANTED("sink-asked-steadily") ? 0 : owed.failures++);
  const Instant due = owed.due = now.After(wait);
  TellFailure(owed, status);
  const bool gives_up = owed.awaited && wait == kLongestBackoffNs;
  if (gives_up) owed.awaited = false;
  {
    MutexLock lock(&mu_);
    waiting_.emplace(due, std::move(owed));
  }
  w.executor.WakeAt(due);
  if (gives_up) StopAwaiting();
}

void SinkFeed::Tell(const Owed& owed, Activity::Kind kind, const absl::Status& status) {
  if (!invoker_.observed()) return;
  Activity activity{.kind = kind,
                    .type = InvocationType::kEvent,
                    .at = invoker_.wiring().clock.Now(),
                    .function = owed.entry->name,
                    .error_message = {status.message().data(), status.message().size()}};
  if (!status.ok()) activity.due = owed.due;
  if (const auto* letter = std::get_if<Letter>(&owed.what)) {
    activity.request_id = letter->id;
    activity.condition = letter->condition;
    activity.attempt = letter->attempts;
  } else {
    const InvocationRecord& record = std::get<Record>(owed.what).record;
    activity.request_id = record.request_id;
    activity.condition = record.condition;
    activity.attempt = record.approximate_invoke_count;
  }
  invoker_.Observe(activity);
}

void SinkFeed::TellFailure(const Owed& owed, const absl::Status& status) {
  const bool letter = std::holds_alternative<Letter>(owed.what);
  {
    SlotHold slot(invoker_.wiring().slots);
    Meter& meter = slot->meter(*owed.entry);
    (letter ? meter.dead_letter_errors : meter.destination_delivery_failures).Add(1);
  }
  Tell(owed, letter ? Activity::Kind::kDeadLetterError : Activity::Kind::kDestinationError, status);
}

void SinkFeed::Settle(const Owed& owed) {
  owed_.fetch_sub(1, std::memory_order_relaxed);
  if (owed.awaited) StopAwaiting();
}

void SinkFeed::StopAwaiting() {
  awaited_.fetch_sub(1, std::memory_order_seq_cst);
  invoker_.wiring().admission.TellOfQuiet();
}

void SinkFeed::Forget(std::span<const RequestId> letters) {
  const absl::flat_hash_set<RequestId> gone(letters.begin(), letters.end());
  std::vector<Owed> forgotten;  // let go after the lock
  {
    MutexLock lock(&mu_);
    std::erase_if(waiting_, [&](auto& waits) {
      const auto* letter = std::get_if<Letter>(&waits.second.what);
      if (letter == nullptr || !gone.contains(letter->id)) return false;
      forgotten.push_back(std::move(waits.second));
      return true;
    });
  }
  for (const Owed& owed : forgotten) Settle(owed);
}

void SinkFeed::Forget() {
  std::multimap<Instant, Owed> forgotten;  // let go after the lock
  MutexLock lock(&mu_);
  forgotten.swap(waiting_);
}

Instant SinkFeed::Advance(Instant now) {
  Instant next = Instant::Never();
  bool post = false;
  {
    MutexLock lock(&mu_);
    post = !waiting_.empty() && waiting_.begin()->first <= now && !std::exchange(posted_, true);
    if (const auto later = waiting_.upper_bound(now); later != waiting_.end()) next = later->first;
  }
  if (post) invoker_.wiring().executor.Post(*this);
  return next;
}

std::optional<SinkFeed::Owed> SinkFeed::TakeDue() {
  const Invoker::Wiring& w = invoker_.wiring();
  std::optional<Owed> due;
  bool post = false;
  {
    MutexLock lock(&mu_);
    // Read under the lock: what came before has been left to this turn.
    const Instant now = w.clock.Now();
    if (waiting_.empty() || waiting_.begin()->first > now) return due;
    due = std::move(waiting_.extract(waiting_.begin()).mapped());
    post = !waiting_.empty() && waiting_.begin()->first <= now && !std::exchange(posted_, true);
  }
  // A sink that takes its time holds up none of the others.
  if (post) w.executor.Post(*this);
  return due;
}

void SinkFeed::Run() {
  {
    MutexLock lock(&mu_);
    posted_ = false;
  }
  // As many as an event turn takes, or events would end faster than they are told of.
  for (int turn = std::min(invoker_.wiring().executor.batch(), kTurn); turn > 0; --turn) {
    std::optional<Owed> due = TakeDue();
    if (!due.has_value()) return;
    Offer(*std::move(due));
  }
}

}  // namespace runlet
