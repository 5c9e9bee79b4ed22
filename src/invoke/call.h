// A call on its way to a thread, and its result on the way back.
#ifndef RUNLET_SRC_INVOKE_CALL_H_
#define RUNLET_SRC_INVOKE_CALL_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "invoke/call_port.h"
#include "invoke/invoker.h"
#include "invoke/unbegun_calls.h"
#include "runlet/base/executor.h"

namespace runlet {

// One allocation holds the call, its event and its result. Two hold it: the executor until it has run, and the caller
// (a Future, or Invoker::Invoke) until it lets go. A call completes once: by the thread that ran it, by the watcher at
// its deadline, or without having run.
class Call final : public Work, public Execution, public StartedCall, public UnbegunCall {
 public:
  // Moves *ask.event in.
  static Call* Make(Invoker& its_invoker, FunctionEntry& its_entry, const Ask& ask, std::shared_ptr<void> keep_alive);

  void set_client_context(std::string_view text) {
    client_context_ = text;
    invocation.client_context = client_context_;
  }
  void set_lineage(Lineage of_its_caller) {
    lineage_ = std::move(of_its_caller);
    lineage = &lineage_;
  }
  // Runs the other version of a weighted alias.
  void set_runs_additional(bool yes) { runs_additional_ = yes; }
  // Whoever waits runs the call, on any thread.
  void set_runs_on_waiter(bool yes) { runs_on_waiter_ = yes; }
  bool runs_on_waiter() const { return runs_on_waiter_; }

  // The caller reads what is streamed, or wants the end of the log.
  void set_port(std::unique_ptr<CallPort> for_its_caller);

  // Work
  void Run() override;
  void Drop() override;
  Call* call() override { return this; }
  // StartedCall
  const RequestId& request_id() const override { return invocation.request_id; }
  bool WaitUntil(absl::Time until) override;
  absl::Status Take(void* storage) override;
  void Cancel() override;
  void Release() override;
  void Listen(CallListener& listener) override;
  StreamState ReadNow(std::string* bytes) override;
  StreamState Read(std::string* bytes) override;
  void WhenReadable(std::function<void()> callback) override;
  std::string executed_version() const override;
  std::string log_tail() const override;
  std::string stream_content_type() const override;
  // UnbegunCall
  bool unbegun() const override { return phase() == kQueued; }
  // Held until LetGo().
  void LetGo() { Unref(); }
  void Hold() override { references_.fetch_add(1, std::memory_order_relaxed); }
  void OnDeadlineUnbegun() override;
  // Execution
  void OnOverrun(Instant now) override;
  void OnForcedUnwind() override;
  void OnStopAsked() override;
  Instant Since() const override { return invocation.deadline.After(-timeout_ns); }
  TimeSplit SpentBefore() const override;

 private:
  enum Phase : std::uint32_t { kQueued, kStarting, kRunning, kStopping, kFinishing, kDone };
  static constexpr std::uint32_t kPhase = 0xFF;
  static constexpr std::uint32_t kAwaited = 0x100;
  static constexpr std::uint32_t kListened = 0x200;

  Call(const Ask& ask, std::shared_ptr<void> keep_alive);
  ~Call();
  void Unref();

  Phase phase() const { return static_cast<Phase>(state_.load(std::memory_order_acquire) & kPhase); }
  bool Move(Phase from, Phase to);
  // Ends its being queued: whoever gets true must begin or complete it.
  bool Begin(Phase as);
  void Execute();
  void Complete(absl::Status status);
  // The last step: whoever waits may destroy all but what others hold.
  void Finish(absl::Status status);
  void CompleteUnrun(absl::Status status);
  bool AwaitDone(Instant until);
  void EndInChild();
  void AwaitResult();
  // What the handler answered and nobody has read; only once the call has ended.
  StreamState ReadResult(std::string* bytes);
  StreamPipe* pipe() const { return port_ == nullptr ? nullptr : port_->pipe(); }
  bool MayRunHere() const;
  Ask RunAsk();

  std::atomic<std::uint32_t> state_{kQueued};
  std::atomic<int> references_{2};
  std::atomic<bool> cancelled_{false};
  bool runs_on_waiter_ = false;
  bool runs_additional_ = false;
  bool run_by_waiter_ = false;
  bool holds_result_ = false;
  const Type* const in_;
  const Type* const out_;
  void* event_;
  void* result_;
  const bool bytes_;       // the event is a std::string
  std::string_view view_;  // of it
  absl::Status status_;
  std::string client_context_;
  Lineage lineage_;
  CallListener* listener_ = nullptr;  // published by kListened
  std::unique_ptr<CallPort> port_;
  const std::shared_ptr<void> keep_alive_;
};

}  // namespace runlet

#endif  // RUNLET_SRC_INVOKE_CALL_H_
