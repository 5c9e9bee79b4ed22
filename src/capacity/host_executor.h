// The host's threads: work is posted to a function of the host's.
#ifndef RUNLET_SRC_CAPACITY_HOST_EXECUTOR_H_
#define RUNLET_SRC_CAPACITY_HOST_EXECUTOR_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <utility>

#include "capacity/watcher.h"
#include "runlet/base/executor.h"
#include "runlet/base/sync.h"

namespace runlet {

// Thread-safe, if the host's function is.
class HostExecutor final : public Executor, private Alarm {
 public:
  // `post` runs what it is given once, on any thread, and never inside the call. Where it throws, it has not taken the
  // work, and is asked again 10 ms later.
  HostExecutor(const Clock& clock, std::function<void(std::function<void()>)> post)
      : clock_(clock), post_(std::move(post)) {}
  ~HostExecutor() override { Detach(Instant::Never()); }

  // What work that Detach() had to leave behind still needs. Before any other call.
  void set_keep_alive(std::function<std::shared_ptr<void>()> keep_alive) { keep_alive_ = std::move(keep_alive); }

  void Attach(Alarm* alarm) override;
  // What the host runs later finds nothing to do.
  int Detach(Instant until) override;
  void Post(Work& work) override;
  void LookAtPosted(const std::function<void(Work&)>& look) override;
  void WakeAt(Instant when) override { watcher_->WakeAt(when); }
  void Block(const Wait& wait) override;
  void Unblock(const std::atomic<std::uint32_t>* word) override;

 private:
  // Shared with what was handed to the host, which may outlive this object.
  struct Inbox;

  const Clock& clock_;
  const std::function<void(std::function<void()>)> post_;
  std::function<std::shared_ptr<void>()> keep_alive_;
  const std::shared_ptr<Inbox> inbox_ = MakeInbox();
  std::unique_ptr<Watcher> watcher_;

  Instant Ring(Instant now) override;
  // False: `post` has thrown.
  bool AskHost();

  std::atomic<int> unasked_{0};  // pieces of work that the host has not taken
  Alarm* alarm_ = nullptr;

  static std::shared_ptr<Inbox> MakeInbox();
};

}  // namespace runlet

#endif  // RUNLET_SRC_CAPACITY_HOST_EXECUTOR_H_
