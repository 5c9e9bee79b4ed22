#include "http/stream_reply.h"

#include <utility>

namespace runlet::http {

void StreamReply::Start() {
  responder_.Listen([self = shared_from_this()](Notice notice) { self->OnNotice(notice); });
  Pump();
}

void StreamReply::OnNotice(Notice notice) {
  if (notice != Notice::kRoom) return;  // who writes on learns that the client is gone
  int turn = kPumping;
  if (turn_.compare_exchange_strong(turn, kRoomCame)) return;
  turn = kAwaitingRoom;
  if (turn_.compare_exchange_strong(turn, kPumping)) Pump();
}

bool StreamReply::WaitForRoom() {
  int turn = kPumping;
  if (turn_.compare_exchange_strong(turn, kAwaitingRoom)) return true;
  turn_.store(kPumping);  // there is room again already
  return false;
}

bool StreamReply::PassOn(std::string_view bytes) {
  if (!std::exchange(begun_, true)) Begin();
  switch (Write(bytes)) {
    case Room::kFree: return true;
    case Room::kFull: return !WaitForRoom();
    case Room::kGone: break;
  }
  // The handler learns from its next Write() that nobody reads.
  const Future<std::string> dropped = std::move(call_);
  if (responder_) std::move(responder_).Abort();
  return false;
}

void StreamReply::Pump() {
  const std::shared_ptr<StreamReply> self = shared_from_this();
  std::string bytes;
  for (;;) {
    switch (call_.ReadNow(&bytes)) {
      case StreamState::kBytes:
        if (!PassOn(bytes)) return;
        break;
      case StreamState::kNothingYet: return call_.WhenReadable([self] { self->Pump(); });
      case StreamState::kEnd: return Finish();
    }
  }
}

void StreamReply::Finish() {
  const std::string log = call_.log_tail();
  OnEnded(call_);
  const absl::Status status = std::move(call_).Get().status();
  begun_ ? End(status, log) : EndUnbegun(status, log);
}

}  // namespace runlet::http
