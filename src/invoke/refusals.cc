// What is wrong with a call, in the words that its caller reads.
#include <fmt/format.h>

#include <string>

#include "base/planted.h"
#include "event/status_marks.h"
#include "invoke/invoker.h"

namespace runlet {

absl::Status Invoker::NotFound(std::string_view function) {
  if (absl::Status name = CheckQualifiedName(function); !name.ok()) return name;
  return absl::NotFoundError(fmt::format("function \"{}\" is not registered", function));
}

absl::Status Invoker::WrongType(const FunctionEntry& entry, const Code& code, const Type* in, const Type* out) {
  const HandlerOps& ops = code.handler.ops();
  return absl::InvalidArgumentError(fmt::format("function \"{}\" takes {} and returns {}, not {} and {}", entry.name,
                                                ops.in->name, ops.out->name, in->name, out->name));
}

absl::Status Invoker::Decode(const FunctionEntry& entry, const Code& code, std::string_view bytes, void* value) {
  const HandlerOps& ops = code.handler.ops();
  if (ops.in_codec == nullptr) {
    return absl::FailedPreconditionError(fmt::format(
        "function \"{}\" takes {}, which had no codec where the function was registered, so it cannot be given "
        "bytes: specialise runlet::Codec or include <runlet/codec/json.h> there",
        entry.name, ops.in->name));
  }
  absl::Status status = ops.in_codec->decode(bytes, value);
  if (status.ok()) return status;
  return absl::InvalidArgumentError(fmt::format("function \"{}\": cannot read its {} bytes as {}: {}", entry.name,
                                                bytes.size(), ops.in->name, std::string(status.message())));
}

absl::Status Invoker::TimedOut(const Execution& x) const {
  const double seconds = static_cast<double>(x.timeout_ns) / 1e9;
  return AsFunctionError(
      absl::DeadlineExceededError(fmt::format("RequestId: {} Error: Task timed out after {:.2f} seconds",
                                              x.invocation.request_id.ToString(), seconds)),
      "Sandbox.Timedout");
}

absl::Status Invoker::Closed(std::string_view function) {
  return Refused(absl::StatusCode::kUnavailable, reason::kEngineClosed,
                 fmt::format("function \"{}\": the engine is closed", function));
}

absl::Status Invoker::Forked(std::string_view function) {
  return absl::FailedPreconditionError(fmt::format(
      "function \"{}\": this process was forked from the one that owns the engine, whose threads are not here",
      function));
}

absl::Status Invoker::TooLate(const FunctionEntry& entry) {
  return Refused(absl::StatusCode::kDeadlineExceeded, reason::kNoThreadInTime,
                 fmt::format("function \"{}\": the deadline passed before the call could begin", entry.name));
}

absl::Status Invoker::RuntimeExited(const Execution& x) {
  return Thrown("Runtime.ExitError", fmt::format("RequestId: {} Error: Runtime exited without providing a reason",
                                                 x.invocation.request_id.ToString()));
}

absl::Status Invoker::CheckCall(const FunctionEntry& entry, const Code& code, const Ask& ask,
                                const InvokeOptions& options) const {
  const HandlerOps& ops = code.handler.ops();
  const bool same = SameType(ops.in, ask.in) && SameType(ops.out, ask.out);
  if (!same && !(IsBytes(ask.in) && IsBytes(ask.out))) return WrongType(entry, code, ask.in, ask.out);
  if (IsBytes(ask.in)) {
    const std::size_t size = static_cast<const std::string_view*>(ask.event)->size();
    if (size > w_.limits.request && !RUNLET_PLANTED("oversize-accepted")) {
      return absl::OutOfRangeError(
          fmt::format("function \"{}\": payload of {} bytes: Request must be smaller than {} bytes for the "
                      "InvokeFunction operation",
                      entry.name, size, w_.limits.request));
    }
  }
  if (options.client_context.size() > kClientContextMax) {
    return absl::InvalidArgumentError(fmt::format("function \"{}\": client_context has {} bytes: the limit is {}",
                                                  entry.name, options.client_context.size(), kClientContextMax));
  }
  return absl::OkStatus();
}

absl::Status Invoker::CheckRecursion(const FunctionEntry& entry, const Code& code, const Execution* parent,
                                     Slot& slot) const {
  if (parent == nullptr) return absl::OkStatus();
  if (parent->invocation.depth >= kDepthMax) {
    slot.meter(entry).recursive_invocations_dropped.Add(1);
    return Refused(absl::StatusCode::kFailedPrecondition, reason::kRecursiveInvocation,
                   fmt::format("function \"{}\": call {} levels deep: the limit is {}", entry.name,
                               parent->invocation.depth + 1, kDepthMax));
  }
  const bool allowed = code.config.recursive_loop == RecursiveLoop::kAllow && !RUNLET_PLANTED("allowed-loop-ended");
  if (parent->lineage == nullptr || allowed) return absl::OkStatus();
  const int before = LineageOf(parent).CountOf(entry.function);
  if (before < kRecursionMax) return absl::OkStatus();
  slot.meter(entry).recursive_invocations_dropped.Add(1);
  return Refused(absl::StatusCode::kFailedPrecondition, reason::kRecursiveInvocation,
                 fmt::format("function \"{}\": invoked {} times on the way to this call: recursive_loop = kTerminate "
                             "allows {}",
                             entry.name, before, kRecursionMax));
}

}  // namespace runlet
