// A wire without a network: hands a request to a RequestHandler and keeps what it answers.
#ifndef RUNLET_TESTS_HTTP_RECORDED_EXCHANGE_H_
#define RUNLET_TESTS_HTTP_RECORDED_EXCHANGE_H_

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "http/exchange.h"
#include "runlet/base/sync.h"

namespace runlet::http {

// Outlives the answer. Thread-safe.
class RecordedExchange final : public Exchange {
 public:
  // `request`'s views must live until the answer has ended.
  explicit RecordedExchange(const Request& request) : request_(request) {}
  RecordedExchange(std::string_view method, std::string_view target, std::vector<Header> headers = {},
                   std::string_view body = {})
      : sent_headers_(std::move(headers)) {
    request_ = {.method = method,
                .target = target,
                .minor_version = 1,
                .headers = sent_headers_,
                .body = body,
                .oversized_bytes = 0,
                .peer = "127.0.0.1:50000",
                .encrypted = false,
                .time = absl::FromUnixSeconds(1'700'000'000)};
  }

  // Hands the request over; WaitEnded() says when the answer is there.
  void HandTo(RequestHandler& handler) { handler.Handle(request_, Responder(this)); }
  // ... and waits for it.
  void Run(RequestHandler& handler) {
    HandTo(handler);
    WaitEnded();
  }
  void WaitEnded() {
    MutexLock lock(&mu_);
    while (end_ == kOpen) changed_.Wait(&mu_);
  }
  // Until that many bytes of the body have been written, or the answer has ended.
  void WaitBody(std::size_t bytes) {
    MutexLock lock(&mu_);
    while (end_ == kOpen && body_.size() < bytes) changed_.Wait(&mu_);
  }

  // What Write() answers from now on.
  void SetRoom(Room room) {
    MutexLock lock(&mu_);
    room_ = room;
  }
  // Tells the listener, if there is one.
  void Tell(Notice notice) {
    std::function<void(Notice)> listener;
    {
      MutexLock lock(&mu_);
      listener = listener_;
    }
    if (listener) listener(notice);
  }

  int status() {
    MutexLock lock(&mu_);
    return status_;
  }
  std::string body() {
    MutexLock lock(&mu_);
    return body_;
  }
  // As they were passed to Write(); empty where the answer was sent whole.
  std::vector<std::string> pieces() {
    MutexLock lock(&mu_);
    return pieces_;
  }
  std::optional<std::string> header(std::string_view name) {
    MutexLock lock(&mu_);
    std::vector<Header> views;
    for (const auto& [key, value] : headers_) views.push_back({key, value});
    const std::optional<std::string_view> found = FindHeader(views, name);
    return found ? std::optional<std::string>(*found) : std::nullopt;
  }
  std::vector<std::pair<std::string, std::string>> headers() {
    MutexLock lock(&mu_);
    return headers_;
  }
  bool aborted() {
    MutexLock lock(&mu_);
    return end_ == kAborted;
  }
  // The Responder went without an answer.
  bool dropped() {
    MutexLock lock(&mu_);
    return end_ == kDropped;
  }

  void Send(const ResponseHead& head, std::string_view body) override {
    MutexLock lock(&mu_);
    Keep(head);
    body_ = body;
    Finish(kSent);
  }
  void Begin(const ResponseHead& head) override {
    MutexLock lock(&mu_);
    Keep(head);
  }
  Room Write(std::string_view piece) override {
    MutexLock lock(&mu_);
    if (room_ == Room::kGone) return room_;
    pieces_.emplace_back(piece);
    body_ += piece;
    changed_.NotifyAll();
    return room_;
  }
  void End() override {
    MutexLock lock(&mu_);
    Finish(kSent);
  }
  void Abort() override {
    MutexLock lock(&mu_);
    Finish(kAborted);
  }
  void Listen(std::function<void(Notice)> listener) override {
    MutexLock lock(&mu_);
    listener_ = std::move(listener);
  }
  void Drop() override {
    MutexLock lock(&mu_);
    Finish(kDropped);
  }

 private:
  enum EndOf { kOpen, kSent, kAborted, kDropped };

  void Keep(const ResponseHead& head) RUNLET_REQUIRES(mu_) {
    status_ = head.status;
    for (const Header& header : head.headers) headers_.emplace_back(header.name, header.value);
  }
  void Finish(EndOf end) RUNLET_REQUIRES(mu_) {
    end_ = end;
    listener_ = nullptr;
    changed_.NotifyAll();
  }

  std::vector<Header> sent_headers_;
  Request request_;
  Mutex mu_;
  CondVar changed_;
  EndOf end_ RUNLET_GUARDED_BY(mu_) = kOpen;
  Room room_ RUNLET_GUARDED_BY(mu_) = Room::kFree;
  int status_ RUNLET_GUARDED_BY(mu_) = 0;
  std::vector<std::pair<std::string, std::string>> headers_ RUNLET_GUARDED_BY(mu_);
  std::string body_ RUNLET_GUARDED_BY(mu_);
  std::vector<std::string> pieces_ RUNLET_GUARDED_BY(mu_);
  std::function<void(Notice)> listener_ RUNLET_GUARDED_BY(mu_);
};

}  // namespace runlet::http

#endif  // RUNLET_TESTS_HTTP_RECORDED_EXCHANGE_H_
