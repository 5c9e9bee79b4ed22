// One of a server's threads, and what it looks after.
#ifndef RUNLET_SRC_HTTP_LOOP_H_
#define RUNLET_SRC_HTTP_LOOP_H_

#include <array>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstddef>
#include <memory>
#include <span>
#include <thread>
#include <vector>

#include "base/timer_wheel.h"
#include "http/server_state.h"

namespace runlet::http {

class Connection;

// What says so may be called from any thread, the rest runs on the loop's own. A connection keeps its loop alive,
// because a request may be answered after the server is gone.
class Loop {
 public:
  explicit Loop(std::shared_ptr<ServerState> state);

  // From any thread.
  ServerState& state() const { return *state_; }
  boost::asio::io_context& context() { return context_; }

  // From the server's owner. Start() throws std::system_error; Join() returns when nothing is left to do.
  void Start();
  void Join();

  // The connection is looked after from now on.
  void Add(std::shared_ptr<Connection> connection);
  void Remove(Connection* connection);
  // Calls connection.TimeOut() at `due`, unless it is armed for earlier already.
  void Arm(Connection* connection, Instant due);
  void Disarm(Connection* connection);
  // Where bytes go that nobody reads.
  std::span<char> scrap() { return scrap_; }

  // No new requests: closes what is idle, and the rest after their answers.
  void Quiesce();
  // Closes everything. Returns how many requests were unanswered.
  int CloseAll();

 private:
  void Schedule(Instant due);
  void Tick();

  const std::shared_ptr<ServerState> state_;
  boost::asio::io_context context_{1};  // one thread runs it
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_{context_.get_executor()};
  std::thread thread_;
  boost::asio::steady_timer timer_{context_};
  Instant timer_due_ = Instant::Never();
  TimerWheel wheel_;
  std::vector<std::shared_ptr<Connection>> connections_;
  std::array<char, 16'384> scrap_;
};

}  // namespace runlet::http

#endif  // RUNLET_SRC_HTTP_LOOP_H_
