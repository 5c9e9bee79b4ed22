#include "http/loop.h"

#include <boost/asio/post.hpp>
#include <chrono>
#include <utility>

#include "http/connection.h"

namespace runlet::http {

Loop::Loop(std::shared_ptr<ServerState> state) : state_(std::move(state)), wheel_(state_->clock.Now()) {}

void Loop::Start() {
  thread_ = std::thread([this] { context_.run(); });
}

void Loop::Join() {
  if (!thread_.joinable()) return;
  boost::asio::post(context_, [this] {
    timer_.cancel();
    work_.reset();
  });
  thread_.join();
}

void Loop::Add(std::shared_ptr<Connection> connection) {
  connection->place = connections_.size();
  connections_.push_back(std::move(connection));
}

void Loop::Remove(Connection* connection) {
  const std::size_t place = connection->place;
  std::swap(connections_[place], connections_.back());
  connections_[place]->place = place;
  connections_.pop_back();
  state_->Closed();
}

void Loop::Arm(Connection* connection, Instant due) {
  if (connection->armed() && connection->due <= due) return;
  wheel_.Arm(connection, due);
  Schedule(due);
}

void Loop::Disarm(Connection* connection) { wheel_.Cancel(connection); }

void Loop::Schedule(Instant due) {
  if (due >= timer_due_) return;
  timer_due_ = due;
  timer_.expires_after(std::chrono::nanoseconds(due.Since(state_->clock.Now())));
  timer_.async_wait([this](const boost::system::error_code& ec) {
    if (!ec) Tick();
  });
}

void Loop::Tick() {
  timer_due_ = Instant::Never();
  const Instant now = state_->clock.Now();
  while (TimerLink* link = wheel_.PopDue(now)) {
    const std::shared_ptr<Connection> connection = static_cast<Connection*>(link)->shared_from_this();
    connection->TimeOut(now);
  }
  Schedule(wheel_.NextDue());
}

void Loop::Quiesce() {
  const std::vector<std::shared_ptr<Connection>> connections = connections_;
  for (const std::shared_ptr<Connection>& connection : connections) connection->Quiesce();
}

int Loop::CloseAll() {
  const std::vector<std::shared_ptr<Connection>> connections = connections_;
  int unanswered = 0;
  for (const std::shared_ptr<Connection>& connection : connections) unanswered += connection->Cut() ? 1 : 0;
  return unanswered;
}

}  // namespace runlet::http
