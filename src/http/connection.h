// One client's connection: requests come in, one is answered at a time, in order.
#ifndef RUNLET_SRC_HTTP_CONNECTION_H_
#define RUNLET_SRC_HTTP_CONNECTION_H_

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "http/exchange.h"
#include "http/loop.h"
#include "http/request_reader.h"
#include "http/response_text.h"
#include "runlet/base/sync.h"
#include "runlet/base/timer_link.h"

namespace runlet::http {

// What it has in common over plain TCP and TLS. Reads on its loop's thread alone. An answer is written by whichever
// thread brings it, at once, where the socket takes it: no hop to the loop. What the socket does not take is left to
// the loop.
//
// While an answer is due, one read stands ready to notice a client that hangs up. It may take some bytes of the next
// request; then no more is read until the answer has gone.
class Connection : public Exchange, public TimerLink, public std::enable_shared_from_this<Connection> {
 public:
  Connection(std::shared_ptr<Loop> loop, std::string peer, bool encrypted);
  virtual ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // ---- on the loop's thread ----

  // Begins to serve; once the stream is ready (TLS) Serve() is called.
  virtual void Start() = 0;
  void TimeOut(Instant now);
  // Closes an idle connection; any other closes after its answer.
  void Quiesce();
  // Closes it now. True if a request was unanswered.
  bool Cut();

  std::size_t place = 0;  // among the loop's connections

  // ---- of the answer, from any thread ----

  void Send(const ResponseHead& head, std::string_view body) override;
  void Begin(const ResponseHead& head) override;
  Room Write(std::string_view piece) override;
  void End() override;
  void Abort() override;
  void Listen(std::function<void(Notice)> listener) override;
  void Drop() override;

 protected:
  enum class ReadEnd : std::uint8_t { kBytes, kEof, kBroken };

  // ---- what a stream does; on the loop's thread, unless it says otherwise ----

  // Then ReadDone().
  virtual void StartRead(std::span<char> room) = 0;
  // Writes some of it, then WriteDone().
  virtual void StartWrite(std::string_view bytes) = 0;
  // Writes what goes without waiting; how many bytes that was, -1 where the connection is broken. From any thread,
  // while the stream is open.
  virtual std::ptrdiff_t WriteNow(std::span<const iovec> parts) RUNLET_REQUIRES(mu_) = 0;
  // Says that no more comes, and waits for the client to have read it all, then LingerDone().
  virtual void StartLinger() = 0;
  // Pending operations end. `resets`: what has been sent may be lost, so that the client surely notices.
  virtual void CloseStream(bool resets) RUNLET_REQUIRES(mu_) = 0;

  void Serve();
  void ReadDone(std::size_t bytes, ReadEnd end);
  void WriteDone(std::size_t bytes, bool broken);
  void LingerDone() { Close(); }
  // Reads on, into nothing, until the client closes.
  void Discard();
  // What happens then is TimeOut()'s to tell.
  void ArmFor(absl::Duration time) RUNLET_EXCLUDES(mu_);
  bool open() const { return open_; }

  Loop& loop() { return *loop_; }
  const ServerLimits& limits() const { return loop_->state().limits; }

  Mutex mu_;

 private:
  enum class Answer : std::uint8_t { kNone, kDue, kBegun };

  // On the loop's thread.
  void Process();
  bool HandOver();
  void ReadMore();
  void SetPhaseDeadline();
  void Refuse(const Refusal& refusal);
  void Resume();
  bool Flush();
  void GoOn();
  void HangUp(bool broken);
  void Tell(Notice notice);
  void Linger();
  void Close();

  // From any thread.
  bool forked() const { return loop_->state().fork_guard.forked(); }
  Instant After(absl::Duration time) const { return loop_->state().clock.Now().After(Nanos(time)); }
  void FormatHead(const ResponseHead& head, Framing framing, std::uint64_t body_bytes) RUNLET_REQUIRES(mu_);
  void Put(std::span<const iovec> parts) RUNLET_REQUIRES(mu_);
  void WakeLoop() RUNLET_REQUIRES(mu_);
  [[nodiscard]] std::shared_ptr<Connection> Finish() RUNLET_REQUIRES(mu_);

  const std::shared_ptr<Loop> loop_;
  const std::string peer_;
  const bool encrypted_;

  // On the loop's thread.
  RequestReader reader_;
  RequestReader::Phase timed_phase_ = RequestReader::Phase::kRequest;
  bool handed_over_ = false;  // the reader's request was; Next() is due
  bool reading_ = false;
  bool lingering_ = false;
  bool open_ = true;
  std::string sending_;  // while flushing_, from sending_at_ on
  std::size_t sending_at_ = 0;

  Answer answer_ RUNLET_GUARDED_BY(mu_) = Answer::kNone;
  std::shared_ptr<Connection> self_ RUNLET_GUARDED_BY(mu_);  // while an answer is due
  bool handling_ RUNLET_GUARDED_BY(mu_) = false;  // the loop is inside Handle(), and sees to what is left afterwards
  bool armed_ RUNLET_GUARDED_BY(mu_) = false;     // a read is pending, and goes on with what comes
  bool woken_ RUNLET_GUARDED_BY(mu_) = false;     // Resume() will come
  bool closed_ RUNLET_GUARDED_BY(mu_) = false;    // for good: the loop may be gone
  bool hung_up_ RUNLET_GUARDED_BY(mu_) = false;   // the client sends no more
  bool broken_ RUNLET_GUARDED_BY(mu_) = false;    // nothing can be written any more
  // Of the answer that is due.
  bool is_head_ RUNLET_GUARDED_BY(mu_) = false;
  bool is_old_ RUNLET_GUARDED_BY(mu_) = false;  // HTTP/1.0
  bool closes_ RUNLET_GUARDED_BY(mu_) = false;  // the connection, afterwards
  bool resets_ RUNLET_GUARDED_BY(mu_) = false;
  bool full_ RUNLET_GUARDED_BY(mu_) = false;  // its writer was told to wait
  bool told_hang_up_ RUNLET_GUARDED_BY(mu_) = false;
  Framing framing_ RUNLET_GUARDED_BY(mu_) = Framing::kLength;
  std::shared_ptr<const std::function<void(Notice)>> listener_ RUNLET_GUARDED_BY(mu_);

  std::string head_ RUNLET_GUARDED_BY(mu_);         // not sent yet
  std::string out_ RUNLET_GUARDED_BY(mu_);          // what the socket would not take, behind sending_
  std::size_t backlog_ RUNLET_GUARDED_BY(mu_) = 0;  // bytes unsent, in both
  bool flushing_ RUNLET_GUARDED_BY(mu_) = false;
  DateText date_ RUNLET_GUARDED_BY(mu_);
  Instant deadline_ RUNLET_GUARDED_BY(mu_) = Instant::Never();
};

}  // namespace runlet::http

#endif  // RUNLET_SRC_HTTP_CONNECTION_H_
