// Passes on what a function streams as it comes, no faster than the client reads.
#ifndef RUNLET_SRC_HTTP_STREAM_REPLY_H_
#define RUNLET_SRC_HTTP_STREAM_REPLY_H_

#include <absl/status/statusor.h>

#include <atomic>
#include <memory>
#include <string>
#include <string_view>

#include "http/exchange.h"
#include "runlet/event/future.h"

namespace runlet::http {

// Made with std::make_shared; keeps itself alive until the answer has ended. Whoever brings the next piece or the next
// room, a thread of the engine's or of the server's, goes on where the last has stopped: one at a time.
class StreamReply : public std::enable_shared_from_this<StreamReply> {
 public:
  virtual ~StreamReply() = default;
  StreamReply(const StreamReply&) = delete;
  StreamReply& operator=(const StreamReply&) = delete;

  void Start();

 protected:
  // A call with InvokeOptions::read_stream.
  StreamReply(Future<std::string> call, Responder responder)
      : call_(std::move(call)), responder_(std::move(responder)) {}

  // Before the first piece: begins the answer.
  virtual void Begin() = 0;
  // Room::kGone: no more is written. The answer is cut, unless this has ended it.
  virtual Room Write(std::string_view bytes) = 0;
  // The call has ended: what it was can be asked now, its result follows.
  virtual void OnEnded(const Future<std::string>& ended) = 0;
  // It has ended so, after Begin() and its pieces.
  virtual void End(const absl::Status& status, std::string_view log) = 0;
  // ... or without a piece.
  virtual void EndUnbegun(const absl::Status& status, std::string_view log) = 0;

  const Future<std::string>& call() const { return call_; }
  Responder& responder() { return responder_; }

 private:
  enum Turn : int { kPumping, kAwaitingRoom, kRoomCame };

  void Pump();
  void OnNotice(Notice notice);
  // False: the client has to read first, or is gone.
  bool PassOn(std::string_view bytes);
  bool WaitForRoom();
  void Finish();

  Future<std::string> call_;
  Responder responder_;
  std::atomic<int> turn_{kPumping};
  bool begun_ = false;
};

}  // namespace runlet::http

#endif  // RUNLET_SRC_HTTP_STREAM_REPLY_H_
