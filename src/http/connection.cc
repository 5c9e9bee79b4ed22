#include "http/connection.h"

#include <array>
#include <boost/asio/post.hpp>
#include <utility>

namespace runlet::http {
namespace {

// How long a client may take to read the last answer before the connection is cut.
constexpr absl::Duration kLingerTime = absl::Seconds(2);
constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
constexpr std::size_t kKeptCapacity = 65'536;
// Up to here a body is copied behind its head: one piece costs the kernel less than two.
constexpr std::size_t kCopiedBody = 1024;

iovec Part(std::string_view text) { return {const_cast<char*>(text.data()), text.size()}; }

}  // namespace

Connection::Connection(std::shared_ptr<Loop> loop, std::string peer, bool encrypted)
    : loop_(std::move(loop)),
      peer_(std::move(peer)),
      encrypted_(encrypted),
      reader_(loop_->state().limits, loop_->state().hashes_dropped) {}

Connection::~Connection() = default;

// ---- reading ----

void Connection::Serve() {
  if (loop_->state().stopping.load(std::memory_order_relaxed)) return Close();
  Process();
}

void Connection::Process() {
  while (true) {
    if (std::exchange(handed_over_, false)) reader_.Next();
    switch (reader_.Advance()) {
      case RequestReader::Progress::kNeedMore: SetPhaseDeadline(); return ReadMore();
      case RequestReader::Progress::kContinue: {
        MutexLock lock(&mu_);
        const iovec part = Part(kContinue);
        Put({&part, 1});
        break;
      }
      case RequestReader::Progress::kRefused: return Refuse(reader_.refusal());
      case RequestReader::Progress::kRequest:
        if (!HandOver()) return;
    }
  }
}

// True when the answer has gone already, and the next request may come.
bool Connection::HandOver() {
  Request& request = reader_.request();
  request.peer = peer_;
  request.encrypted = encrypted_;
  request.time = loop_->state().clock.Calendar();
  handed_over_ = true;
  timed_phase_ = RequestReader::Phase::kRequest;
  {
    MutexLock lock(&mu_);
    answer_ = Answer::kDue;
    self_ = shared_from_this();
    handling_ = true;
    is_head_ = request.method == "HEAD";
    is_old_ = request.minor_version == 0;
    closes_ = !reader_.keeps_alive();
    resets_ = false;
    full_ = false;
    told_hang_up_ = false;
    deadline_ = Instant::Never();
  }
  loop_->state().handler->Handle(request, Responder(this));

  bool due;
  bool has_backlog;
  bool goes_on;
  bool watches;
  {
    MutexLock lock(&mu_);
    handling_ = false;
    due = answer_ != Answer::kNone;
    has_backlog = backlog_ > 0;
    goes_on = !due && !has_backlog && !closes_ && !broken_;
    watches = due && !reader_.has_rest();
    armed_ = watches;
  }
  if (watches) ReadMore();
  if (!goes_on && (!due || has_backlog)) Resume();
  return goes_on;
}

void Connection::ReadMore() {
  {
    MutexLock lock(&mu_);
    armed_ = true;
  }
  if (std::exchange(reading_, true)) return;
  StartRead(reader_.Room());
}

void Connection::ReadDone(std::size_t bytes, ReadEnd end) {
  reading_ = false;
  if (!open_) return;
  if (lingering_) return end == ReadEnd::kBytes ? Discard() : Close();
  if (end != ReadEnd::kBytes) return HangUp(end == ReadEnd::kBroken);
  reader_.Commit(bytes);
  {
    MutexLock lock(&mu_);
    armed_ = false;
    if (answer_ != Answer::kNone || backlog_ > 0) return;
  }
  Process();
}

void Connection::HangUp(bool broken) {
  {
    MutexLock lock(&mu_);
    armed_ = false;
    hung_up_ = true;
    if (answer_ == Answer::kNone && backlog_ == 0) broken = true;
  }
  if (broken) return Close();
  Tell(Notice::kHangUp);
}

void Connection::Refuse(const Refusal& refusal) {
  const std::string body = ErrorBody(refusal);
  const std::array<Header, 2> headers = {
      {{"Content-Type", "application/json"}, {"x-amzn-ErrorType", ErrorType(refusal.status)}}};
  {
    MutexLock lock(&mu_);
    closes_ = true;
    is_old_ = false;
    FormatHead({.status = refusal.status, .headers = headers}, Framing::kLength, body.size());
    const std::array<iovec, 2> parts = {Part(head_), Part(body)};
    Put(parts);
    head_.clear();
  }
  Resume();
}

// ---- time ----

void Connection::ArmFor(absl::Duration time) {
  const Instant due = After(time);
  {
    MutexLock lock(&mu_);
    deadline_ = due;
  }
  loop_->Arm(this, due);
}

void Connection::SetPhaseDeadline() {
  const RequestReader::Phase phase = reader_.phase();
  if (phase == timed_phase_ && phase != RequestReader::Phase::kIdle) return;
  timed_phase_ = phase;
  switch (phase) {
    case RequestReader::Phase::kHead: return ArmFor(limits().head_time);
    case RequestReader::Phase::kBody: return ArmFor(limits().body_time);
    default: return ArmFor(limits().idle_time);
  }
}

void Connection::TimeOut(Instant now) {
  bool unread;
  {
    MutexLock lock(&mu_);
    // What is due is not re-armed by whoever sets a later deadline, or none, but here.
    if (deadline_ > now) {
      return loop_->Arm(this, deadline_.never() ? After(limits().idle_time) : deadline_);
    }
    unread = backlog_ > 0;
  }
  const RequestReader::Phase phase = reader_.phase();
  if (!unread && !lingering_ && phase == RequestReader::Phase::kHead) {
    return Refuse({408, "the head of the request took too long"});
  }
  if (!unread && !lingering_ && phase == RequestReader::Phase::kBody) {
    return Refuse({408, "the body of the request took too long"});
  }
  Close();
}

// ---- the end ----

void Connection::Quiesce() {
  {
    MutexLock lock(&mu_);
    if (answer_ != Answer::kNone || backlog_ > 0) {
      closes_ = true;
      return;
    }
  }
  if (!lingering_ && reader_.phase() != RequestReader::Phase::kBody) Close();
}

bool Connection::Cut() {
  bool due;
  {
    MutexLock lock(&mu_);
    due = answer_ != Answer::kNone;
  }
  Close();
  return due;
}

void Connection::Linger() {
  lingering_ = true;
  ArmFor(kLingerTime);
  StartLinger();
}

void Connection::Discard() {
  if (!std::exchange(reading_, true)) StartRead(loop_->scrap());
}

void Connection::Close() {
  if (!std::exchange(open_, false)) return;
  loop_->Disarm(this);
  bool due;
  {
    MutexLock lock(&mu_);
    closed_ = true;
    broken_ = true;
    due = answer_ != Answer::kNone;
    CloseStream(resets_);
  }
  if (due) Tell(Notice::kHangUp);
  loop_->Remove(this);
}

void Connection::Tell(Notice notice) {
  std::shared_ptr<const std::function<void(Notice)>> listener;
  {
    MutexLock lock(&mu_);
    if (listener_ == nullptr) return;
    if (notice == Notice::kHangUp && std::exchange(told_hang_up_, true)) return;
    listener = listener_;
  }
  (*listener)(notice);
}

// ---- writing, on the loop's thread ----

void Connection::Resume() {
  {
    MutexLock lock(&mu_);
    woken_ = false;
  }
  if (open_ && !Flush()) GoOn();
}

// False when there is nothing to write.
bool Connection::Flush() {
  {
    MutexLock lock(&mu_);
    if (flushing_) return true;
    if (broken_ || out_.empty()) return false;
    flushing_ = true;
    sending_.swap(out_);
    sending_at_ = 0;
  }
  ArmFor(limits().write_time);
  StartWrite(sending_);
  return true;
}

void Connection::WriteDone(std::size_t bytes, bool broken) {
  if (!open_) return;
  if (broken) return Close();
  sending_at_ += bytes;
  const bool sent = sending_at_ == sending_.size();
  if (sent) {
    sending_.clear();
    if (sending_.capacity() > kKeptCapacity) sending_ = std::string();
  }
  bool has_room;
  {
    MutexLock lock(&mu_);
    backlog_ -= bytes;
    if (sent) flushing_ = false;
    if (backlog_ == 0 && answer_ != Answer::kNone) deadline_ = Instant::Never();
    has_room = full_ && backlog_ <= limits().unread_bytes_max / 2;
    if (has_room) full_ = false;
  }
  if (has_room) Tell(Notice::kRoom);
  if (sent) return Resume();
  ArmFor(limits().write_time);
  StartWrite(std::string_view(sending_).substr(sending_at_));
}

// Everything is written. If that was an answer's end, the next request may come.
void Connection::GoOn() {
  bool gone;
  bool closes;
  {
    MutexLock lock(&mu_);
    if (answer_ != Answer::kNone) return;
    gone = broken_ || hung_up_;
    closes = closes_;
    if (!gone && !closes && reading_) {
      armed_ = true;
      deadline_ = After(limits().idle_time);
      return;
    }
  }
  if (gone) return Close();
  if (!closes) return Process();
  if (!lingering_) Linger();
}

// ---- the answer, from any thread ----

void Connection::FormatHead(const ResponseHead& head, Framing framing, std::uint64_t body_bytes) {
  if (loop_->state().stopping.load(std::memory_order_relaxed)) closes_ = true;
  framing_ = framing;
  if (framing == Framing::kClose) closes_ = true;
  head_.clear();
  AppendHead(head,
             {.framing = framing,
              .body_bytes = body_bytes,
              .closes = closes_,
              .keeps_alive_1_0 = is_old_,
              .date = date_.At(loop_->state().clock.Calendar())},
             &head_);
}

// Sends what the socket takes, and keeps the rest.
void Connection::Put(std::span<const iovec> parts) {
  if (broken_) return;
  std::size_t sent = 0;
  if (backlog_ == 0) {
    const std::ptrdiff_t taken = WriteNow(parts);
    if (taken < 0) {
      broken_ = true;
      return;
    }
    sent = static_cast<std::size_t>(taken);
  }
  for (const iovec& part : parts) {
    const std::size_t skipped = std::min(sent, part.iov_len);
    sent -= skipped;
    out_.append(static_cast<const char*>(part.iov_base) + skipped, part.iov_len - skipped);
    backlog_ += part.iov_len - skipped;
  }
}

void Connection::WakeLoop() {
  if (closed_ || std::exchange(woken_, true)) return;
  boost::asio::post(loop_->context(), [self = shared_from_this()] { self->Resume(); });
}

// The caller lets go of what is returned when it has let go of the lock.
std::shared_ptr<Connection> Connection::Finish() {
  answer_ = Answer::kNone;
  listener_ = nullptr;
  head_.clear();
  if (backlog_ == 0) deadline_ = After(limits().idle_time);
  if (!handling_ && (!armed_ || backlog_ > 0 || closes_ || broken_ || hung_up_)) WakeLoop();
  return std::move(self_);
}

void Connection::Send(const ResponseHead& head, std::string_view body) {
  if (forked()) return;
  std::shared_ptr<Connection> self;
  MutexLock lock(&mu_);
  const bool may_have_body = MayHaveBody(head.status);
  FormatHead(head, may_have_body ? Framing::kLength : Framing::kNone, body.size());
  if (is_head_ || !may_have_body) body = {};
  if (body.size() <= kCopiedBody) head_.append(std::exchange(body, {}));
  const std::array<iovec, 2> parts = {Part(head_), Part(body)};
  Put(std::span(parts).first(body.empty() ? 1 : 2));
  self = Finish();
}

void Connection::Begin(const ResponseHead& head) {
  if (forked()) return;
  MutexLock lock(&mu_);
  answer_ = Answer::kBegun;
  const Framing framing = !MayHaveBody(head.status) ? Framing::kNone : is_old_ ? Framing::kClose : Framing::kChunks;
  FormatHead(head, framing, 0);
}

Room Connection::Write(std::string_view piece) {
  if (forked()) return Room::kGone;
  MutexLock lock(&mu_);
  if (broken_) return Room::kGone;
  if (is_head_ || framing_ == Framing::kNone) piece = {};
  const bool chunked = framing_ == Framing::kChunks && !piece.empty();
  std::array<char, 20> space;
  const std::array<iovec, 4> parts = {Part(head_),
                                      Part(chunked ? ChunkHeader(piece.size(), &space) : std::string_view()),
                                      Part(piece), Part(chunked ? kChunkEnd : std::string_view())};
  Put(parts);
  head_.clear();
  if (broken_) return Room::kGone;
  if (backlog_ > 0 && !handling_ && !flushing_) WakeLoop();
  if (backlog_ <= limits().unread_bytes_max) return Room::kFree;
  full_ = true;
  return Room::kFull;
}

void Connection::End() {
  if (forked()) return;
  std::shared_ptr<Connection> self;
  MutexLock lock(&mu_);
  const bool chunked = framing_ == Framing::kChunks && !is_head_;
  const std::array<iovec, 2> parts = {Part(head_), Part(chunked ? kLastChunk : std::string_view())};
  Put(parts);
  self = Finish();
}

void Connection::Abort() {
  if (forked()) return;
  std::shared_ptr<Connection> self;
  MutexLock lock(&mu_);
  // Without chunks the end of the connection would look like the end of the body.
  resets_ = answer_ == Answer::kBegun && framing_ == Framing::kClose;
  broken_ = true;
  self = Finish();
}

void Connection::Listen(std::function<void(Notice)> listener) {
  if (forked()) return;
  {
    MutexLock lock(&mu_);
    listener_ = std::make_shared<const std::function<void(Notice)>>(std::move(listener));
    if (!hung_up_ && !closed_) return;
  }
  Tell(Notice::kHangUp);
}

void Connection::Drop() {
  if (forked()) return;
  bool begun;
  {
    MutexLock lock(&mu_);
    begun = answer_ == Answer::kBegun;
  }
  if (begun) return Abort();
  const std::array<Header, 2> headers = {{{"Content-Type", "application/json"}, {"x-amzn-ErrorType", ErrorType(500)}}};
  Send({.status = 500, .headers = headers}, ErrorBody({500, "the request was left without an answer"}));
}

}  // namespace runlet::http
