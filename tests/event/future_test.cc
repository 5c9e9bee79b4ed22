#include "runlet/event/future.h"

#include <absl/status/status.h>
#include <absl/time/time.h>

#include <functional>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <utility>

#include "tests/catch.h"

namespace runlet {
namespace {

// An engine's side that has its answer ready.
template <typename Out>
class Answered final : public StartedCall {
 public:
  explicit Answered(Out value) : value_(std::move(value)) {}
  explicit Answered(absl::Status error) : error_(std::move(error)) {}

  const RequestId& request_id() const override { return id; }
  bool WaitUntil(absl::Time until) override {
    asked = until;
    return done;
  }
  absl::Status Take(void* storage) override {
    ++takes;
    if (!error_.ok()) return error_;
    ::new (storage) Out(*std::move(value_));
    return absl::OkStatus();
  }
  std::string executed_version() const override { return "7"; }
  std::string log_tail() const override { return "END\n"; }
  std::string stream_content_type() const override { return {}; }
  void Listen(CallListener& listener) override { listener.OnEnded(); }
  StreamState ReadNow(std::string*) override { return StreamState::kEnd; }
  StreamState Read(std::string*) override { return StreamState::kEnd; }
  void WhenReadable(std::function<void()> callback) override { callback(); }
  void Cancel() override { ++cancels; }
  void Release() override { ++releases; }

  const RequestId id = RequestId::FromBits(3, 4);
  absl::Time asked;
  bool done = false;
  int takes = 0;
  int cancels = 0;
  int releases = 0;

 private:
  std::optional<Out> value_;
  absl::Status error_;
};

TEST_CASE("a future gives its result once, and lets go of the call") {
  Answered<std::string> call(std::string(100, 'x'));
  {
    Future<std::string> future(&call);
    CHECK(future.request_id() == call.id);
    CHECK(std::move(future).Get().value() == std::string(100, 'x'));
    CHECK(call.releases == 1);
  }
  CHECK(call.takes == 1);
  CHECK(call.releases == 1);
  CHECK(call.cancels == 0);
}

TEST_CASE("a future gives what can only be moved") {
  Answered<std::unique_ptr<int>> call(std::make_unique<int>(7));
  Future<std::unique_ptr<int>> future(&call);
  absl::StatusOr<std::unique_ptr<int>> result = std::move(future).Get();
  REQUIRE(result.ok());
  CHECK(**result == 7);
}

TEST_CASE("a future gives the error") {
  Answered<int> call(absl::NotFoundError("no"));
  Future<int> future(&call);
  CHECK(std::move(future).Get().status() == absl::NotFoundError("no"));
  CHECK(call.releases == 1);
}

TEST_CASE("the future of a function without a result gives a Status") {
  Answered<char> call('x');
  CHECK(Future<void>(&call).Get().ok());
  Answered<char> failed(absl::InternalError("no"));
  CHECK(Future<void>(&failed).Get() == absl::InternalError("no"));
}

TEST_CASE("a future that is dropped neither waits nor cancels") {
  Answered<int> call(1);
  { const Future<int> future(&call); }
  CHECK(call.takes == 0);
  CHECK(call.cancels == 0);
  CHECK(call.releases == 1);
}

TEST_CASE("a future that is moved goes with its call") {
  Answered<int> first(1), second(2);
  {
    Future<int> future(&first);
    Future<int> moved(std::move(future));
    CHECK(first.releases == 0);
    Future<int> other(&second);
    moved = std::move(other);  // lets go of the first
    CHECK(first.releases == 1);
    CHECK(second.releases == 0);
    CHECK(std::move(moved).Get().value() == 2);
  }
  CHECK(first.releases == 1);
  CHECK(second.releases == 1);
}

TEST_CASE("a future passes on waits and cancellations") {
  Answered<int> call(1);
  Future<int> future(&call);
  const absl::Time until = absl::FromUnixSeconds(5);
  CHECK(!future.WaitUntil(until));
  CHECK(call.asked == until);
  call.done = true;
  CHECK(future.WaitUntil(until));
  future.Cancel();
  CHECK(call.cancels == 1);
}

TEST_CASE("the future of a refused call is ready with the refusal and has no id") {
  Future<std::string> future(absl::ResourceExhaustedError("full"));
  CHECK(future.request_id() == RequestId());
  CHECK(future.WaitUntil(absl::InfinitePast()));
  future.Cancel();
  CHECK(std::move(future).Get().status() == absl::ResourceExhaustedError("full"));
  CHECK(Future<void>(absl::UnavailableError("closed")).Get() == absl::UnavailableError("closed"));
}

TEST_CASE("a refused future that is moved keeps the refusal") {
  Future<int> future(absl::UnavailableError("closed"));
  Future<int> moved(std::move(future));
  CHECK(std::move(moved).Get().status() == absl::UnavailableError("closed"));
}

}  // namespace
}  // namespace runlet
