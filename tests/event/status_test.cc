#include "runlet/event/status.h"

#include <absl/status/status.h>
#include <absl/strings/cord.h>

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "event/status_marks.h"
#include "tests/catch.h"

namespace runlet {
namespace {

TEST_CASE("what came out of a handler is a function error with the name of its code") {
  const auto type_of = [](absl::StatusCode code) {
    const std::optional<FunctionError> error = FunctionErrorOf(AsFunctionError(absl::Status(code, "why")));
    REQUIRE(error.has_value());
    CHECK(error->message == "why");
    return error->type;
  };
  CHECK(type_of(absl::StatusCode::kCancelled) == "Cancelled");
  CHECK(type_of(absl::StatusCode::kUnknown) == "Unknown");
  CHECK(type_of(absl::StatusCode::kInvalidArgument) == "InvalidArgument");
  CHECK(type_of(absl::StatusCode::kDeadlineExceeded) == "DeadlineExceeded");
  CHECK(type_of(absl::StatusCode::kNotFound) == "NotFound");
  CHECK(type_of(absl::StatusCode::kAlreadyExists) == "AlreadyExists");
  CHECK(type_of(absl::StatusCode::kPermissionDenied) == "PermissionDenied");
  CHECK(type_of(absl::StatusCode::kResourceExhausted) == "ResourceExhausted");
  CHECK(type_of(absl::StatusCode::kFailedPrecondition) == "FailedPrecondition");
  CHECK(type_of(absl::StatusCode::kAborted) == "Aborted");
  CHECK(type_of(absl::StatusCode::kOutOfRange) == "OutOfRange");
  CHECK(type_of(absl::StatusCode::kUnimplemented) == "Unimplemented");
  CHECK(type_of(absl::StatusCode::kInternal) == "Internal");
  CHECK(type_of(absl::StatusCode::kUnavailable) == "Unavailable");
  CHECK(type_of(absl::StatusCode::kDataLoss) == "DataLoss");
  CHECK(type_of(absl::StatusCode::kUnauthenticated) == "Unauthenticated");
}

TEST_CASE("a function error keeps the code and the message of the Status") {
  const absl::Status error = AsFunctionError(absl::NotFoundError("no such file"));
  CHECK(error.code() == absl::StatusCode::kNotFound);
  CHECK(error.message() == "no such file");
}

TEST_CASE("a Status that the engine did not mark is no function error, has no reason and is not permanent") {
  for (const absl::Status& status : {absl::OkStatus(), absl::InternalError("x"), absl::ResourceExhaustedError("")}) {
    CHECK(!FunctionErrorOf(status).has_value());
    CHECK(Reason(status).empty());
    CHECK(!IsPermanent(status));
    CHECK(!AcceptanceUnknown(status));
  }
}

TEST_CASE("the type of what was thrown is kept until the engine stamps it, and is no function error before") {
  const absl::Status thrown = Thrown("std::runtime_error", "disk on fire");
  CHECK(!FunctionErrorOf(thrown).has_value());
  const absl::Status error = AsFunctionError(thrown);
  CHECK(error.code() == absl::StatusCode::kUnknown);
  CHECK(FunctionErrorOf(error) == FunctionError{"std::runtime_error", "disk on fire"});
}

TEST_CASE("a type may be long and hold anything") {
  const std::string type = "std::map<std::string, Own<" + std::string(10'000, 'x') + ">>";
  CHECK(FunctionErrorOf(AsFunctionError(Thrown(type, "m")))->type == type);
  CHECK(FunctionErrorOf(AsFunctionError(absl::InternalError("m"), "Sandbox.Timedout"))->type == "Sandbox.Timedout");
}

TEST_CASE("an error that a handler passes on becomes its own") {
  // Of a function that threw: the caller's handler returned a Status, it threw nothing.
  const absl::Status inner = AsFunctionError(Thrown("Own", "inner"));
  CHECK(FunctionErrorOf(AsFunctionError(inner)) == FunctionError{"Unknown", "inner"});
  // Of a function that timed out.
  const absl::Status timed_out = AsFunctionError(absl::DeadlineExceededError("late"), "Sandbox.Timedout");
  CHECK(FunctionErrorOf(AsFunctionError(timed_out)) == FunctionError{"DeadlineExceeded", "late"});
}

TEST_CASE("a refusal that a handler passes on is no refusal any more") {
  const absl::Status refused =
      Refused(absl::StatusCode::kResourceExhausted, reason::kConcurrentInvocationLimitExceeded, "full");
  CHECK(Reason(refused) == "ConcurrentInvocationLimitExceeded");
  CHECK(!FunctionErrorOf(refused).has_value());
  const absl::Status error = AsFunctionError(refused);
  CHECK(Reason(error).empty());
  CHECK(FunctionErrorOf(error) == FunctionError{"ResourceExhausted", "full"});
}

TEST_CASE("every reason comes back by its name") {
  for (const std::string_view name :
       {reason::kConcurrentInvocationLimitExceeded, reason::kReservedFunctionConcurrentInvocationLimitExceeded,
        reason::kAbandonedExecutionLimitExceeded, reason::kEventQueueFull, reason::kDeadLetterQueueFull,
        reason::kRecursiveInvocation, reason::kEngineClosed, reason::kNoThreadInTime}) {
    const absl::Status refused = Refused(absl::StatusCode::kUnavailable, name, "m");
    CHECK(Reason(refused) == name);
    CHECK(refused.code() == absl::StatusCode::kUnavailable);
    CHECK(refused.message() == "m");
    CHECK(!IsPermanent(refused));
  }
}

TEST_CASE("the name of a reason outlives the Status") {
  std::string_view name;
  {
    const absl::Status refused = Refused(absl::StatusCode::kUnavailable, std::string("EngineClosed"), "m");
    name = Reason(refused);
  }
  CHECK(name == "EngineClosed");
}

TEST_CASE("a reason that is none of ours is no reason") {
  CHECK(Reason(Refused(absl::StatusCode::kUnavailable, "SomethingElse", "m")).empty());
}

TEST_CASE("Permanent keeps code, message and payloads, and leaves success alone") {
  absl::Status status = absl::DataLossError("gone");
  status.SetPayload("mine", absl::Cord("kept"));
  const absl::Status permanent = Permanent(status);
  CHECK(IsPermanent(permanent));
  CHECK(permanent.code() == absl::StatusCode::kDataLoss);
  CHECK(permanent.message() == "gone");
  CHECK(permanent.GetPayload("mine") == absl::Cord("kept"));
  CHECK(!IsPermanent(status));
  CHECK(Permanent(absl::OkStatus()).ok());
  CHECK(!IsPermanent(Permanent(absl::OkStatus())));
}

TEST_CASE("a permanent error stays permanent as a function error, and not when another handler passes it on") {
  const absl::Status error = AsFunctionError(Permanent(absl::InvalidArgumentError("width")));
  CHECK(IsPermanent(error));
  CHECK(FunctionErrorOf(error) == FunctionError{"InvalidArgument", "width"});
  const absl::Status passed_on = AsFunctionError(error);
  CHECK(!IsPermanent(passed_on));
  CHECK(IsPermanent(AsFunctionError(Permanent(error))));
}

TEST_CASE("payloads of the host's travel with a function error") {
  absl::Status status = absl::InternalError("x");
  status.SetPayload("host/trace", absl::Cord("abc"));
  CHECK(AsFunctionError(status).GetPayload("host/trace") == absl::Cord("abc"));
}

}  // namespace
}  // namespace runlet
