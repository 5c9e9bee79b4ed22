#include "http/server.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/post.hpp>
#include <exception>
#include <thread>
#include <utility>
#include <vector>

#include "http/check_options.h"
#include "http/listener.h"
#include "http/loop.h"
#include "http/server_state.h"
#include "http/tls.h"
#include "runlet/base/sync.h"

namespace runlet::http {
namespace {

int Threads(const ServerOptions& options) {
  if (options.threads > 0) return options.threads;
  return std::clamp(static_cast<int>(std::thread::hardware_concurrency()) / 2, 1, 4);
}

}  // namespace

struct Server::Parts {
  std::shared_ptr<ServerState> state;
  std::vector<std::shared_ptr<Loop>> loops;
  std::unique_ptr<Listener> listener;
  std::string endpoint;

  // Visits each loop on its thread, and returns the sum of what `visit` did.
  template <typename F>
  int OnEachLoop(F visit) {
    Mutex mu;
    CondVar visited;
    int sum = 0;
    std::size_t left = loops.size();
    for (const std::shared_ptr<Loop>& loop : loops) {
      boost::asio::post(loop->context(), [&, loop = loop.get()] {
        const int result = visit(*loop);
        MutexLock lock(&mu);
        sum += result;
        if (--left == 0) visited.NotifyAll();
      });
    }
    MutexLock lock(&mu);
    while (left > 0) visited.Wait(&mu);
    return sum;
  }
};

absl::StatusOr<std::unique_ptr<Server>> Server::Start(const ServerOptions& options, RequestHandler* handler) {
  if (absl::Status status = CheckServerOptions(options); !status.ok()) return status;
  std::shared_ptr<boost::asio::ssl::context> tls;
  if (options.tls.chosen()) {
    absl::StatusOr<std::shared_ptr<boost::asio::ssl::context>> made = TlsContext(options.tls);
    if (!made.ok()) return made.status();
    tls = *std::move(made);
  }

  auto parts = std::make_unique<Parts>();
  try {
    parts->state = std::make_shared<ServerState>(options, handler);
    for (int i = 0; i < Threads(options); ++i) parts->loops.push_back(std::make_shared<Loop>(parts->state));
    parts->listener = std::make_unique<Listener>(parts->loops, tls);
    const boost::asio::ip::address address = boost::asio::ip::make_address(options.address);
    if (absl::Status status = parts->listener->Listen({address, options.port}); !status.ok()) return status;
    parts->endpoint = fmt::format("{}://{}{}{}:{}", tls ? "https" : "http", address.is_v6() ? "[" : "",
                                  address.to_string(), address.is_v6() ? "]" : "", parts->listener->port());
    parts->listener->Accept();
    for (const std::shared_ptr<Loop>& loop : parts->loops) loop->Start();
  } catch (const std::exception& error) {  // no descriptors, no threads
    for (const std::shared_ptr<Loop>& loop : parts->loops) loop->context().stop();
    for (const std::shared_ptr<Loop>& loop : parts->loops) loop->Join();
    return absl::UnavailableError(fmt::format("cannot start a server: {}", error.what()));
  }
  return std::unique_ptr<Server>(new Server(std::move(parts)));
}

Server::Server(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}

Server::~Server() { Stop(absl::ZeroDuration()); }

std::uint16_t Server::port() const { return parts_ ? parts_->listener->port() : 0; }
std::string Server::endpoint() const { return parts_ ? parts_->endpoint : std::string(); }
std::size_t Server::connections() const { return parts_ ? parts_->state->open() : 0; }

int Server::Stop(absl::Duration grace) {
  std::unique_ptr<Parts> parts = std::move(parts_);
  if (parts == nullptr) return 0;
  if (parts->state->fork_guard.forked()) {
    // The threads are the parent's, and what is closed here could be closed there.
    [[maybe_unused]] const Parts* const left_alone = parts.release();
    return 0;
  }
  parts->state->stopping = true;
  parts->OnEachLoop([&](Loop& loop) {
    if (&loop == parts->loops.front().get()) parts->listener->Close();
    loop.Quiesce();
    return 0;
  });
  int unanswered = 0;
  if (!parts->state->WaitAllClosed(Nanos(grace))) {
    unanswered = parts->OnEachLoop([](Loop& loop) { return loop.CloseAll(); });
  }
  for (const std::shared_ptr<Loop>& loop : parts->loops) loop->Join();
  return unanswered;
}

}  // namespace runlet::http
