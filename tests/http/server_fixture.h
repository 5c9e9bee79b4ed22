// A server of the test's own, and handlers for it.
#ifndef RUNLET_TESTS_HTTP_SERVER_FIXTURE_H_
#define RUNLET_TESTS_HTTP_SERVER_FIXTURE_H_

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "http/exchange.h"
#include "http/server.h"
#include "runlet/base/sync.h"
#include "tests/catch.h"

namespace runlet::http {

// Answers with what `answer` makes of it.
class Answering final : public RequestHandler {
 public:
  explicit Answering(std::function<void(const Request&, Responder)> answer) : answer_(std::move(answer)) {}
  void Handle(const Request& request, Responder responder) override { answer_(request, std::move(responder)); }

 private:
  std::function<void(const Request&, Responder)> answer_;
};

inline void SendText(Responder responder, std::string_view text, int status = 200) {
  const Header type[] = {{"Content-Type", "text/plain"}};
  std::move(responder).Send({.status = status, .headers = type}, text);
}

// Answers every request with its own body.
inline void Echo(const Request& request, Responder responder) { SendText(std::move(responder), request.body); }

inline std::unique_ptr<Server> StartServer(RequestHandler& handler, ServerOptions options = {}) {
  absl::StatusOr<std::unique_ptr<Server>> server = Server::Start(options, &handler);
  INFO(server.status().ToString());
  REQUIRE(server.ok());
  return *std::move(server);
}

// Runs what is given to it on a thread of its own, in order: an engine's, to the server.
class Elsewhere {
 public:
  Elsewhere() : thread_([this] { Run(); }) {}
  ~Elsewhere() {
    Post(nullptr);
    thread_.join();
  }
  void Post(std::function<void()> work) {
    MutexLock lock(&mu_);
    work_.push_back(std::move(work));
    posted_.NotifyOne();
  }

 private:
  void Run() {
    while (true) {
      std::function<void()> work;
      {
        MutexLock lock(&mu_);
        while (work_.empty()) posted_.Wait(&mu_);
        work = std::move(work_.front());
        work_.pop_front();
      }
      if (!work) return;
      work();
    }
  }

  Mutex mu_;
  CondVar posted_;
  std::deque<std::function<void()>> work_ RUNLET_GUARDED_BY(mu_);
  std::thread thread_;
};

// Something that happens once.
class Event {
 public:
  void Set() {
    MutexLock lock(&mu_);
    set_ = true;
    changed_.NotifyAll();
  }
  void Wait() {
    MutexLock lock(&mu_);
    while (!set_) changed_.Wait(&mu_);
  }
  bool is_set() {
    MutexLock lock(&mu_);
    return set_;
  }

 private:
  Mutex mu_;
  CondVar changed_;
  bool set_ RUNLET_GUARDED_BY(mu_) = false;
};

// A responder, kept until someone takes it.
class Kept {
 public:
  void Put(Responder responder) {
    MutexLock lock(&mu_);
    responder_ = std::make_unique<Responder>(std::move(responder));
    changed_.NotifyAll();
  }
  Responder Take() {
    MutexLock lock(&mu_);
    while (responder_ == nullptr) changed_.Wait(&mu_);
    Responder taken = std::move(*responder_);
    responder_ = nullptr;
    return taken;
  }

 private:
  Mutex mu_;
  CondVar changed_;
  std::unique_ptr<Responder> responder_ RUNLET_GUARDED_BY(mu_);
};

}  // namespace runlet::http

#endif  // RUNLET_TESTS_HTTP_SERVER_FIXTURE_H_
