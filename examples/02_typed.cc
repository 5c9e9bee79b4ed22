// Typed functions: a contract that callers and handlers share, the shapes of handlers, the three verbs, the three kinds
// of error.
#include <fmt/format.h>
#include <runlet/runlet.h>

#include <atomic>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "expect.h"

// [contract]
// In a header of its own: what callers and the handler agree on. A bad name does not compile.
struct Resize {
  std::string path;
  int width = 0;
};
struct Thumb {
  std::string path;
};
inline constexpr runlet::Function<Resize, Thumb> kResize{"resize"};
// [/contract]

struct Visit {
  std::string page;
};
inline constexpr runlet::Function<Visit> kCountVisit{"count-visit"};  // no result: succeeds or fails
inline constexpr runlet::Function<std::string, std::string> kShout{"shout"};
inline constexpr runlet::Function<int, std::string> kGreet{"greet"};
inline constexpr runlet::Function<int> kThrow{"throw"};

namespace {

// [handler]
// Any callable is a handler. This one needs no engine to be called in a unit test.
absl::StatusOr<Thumb> MakeThumb(const Resize& event, runlet::Context& context) {
  // No retry can mend the event, so none is made.
  if (event.width <= 0) return runlet::Permanent(absl::InvalidArgumentError("width must be positive"));
  context.Log(fmt::format("attempt {} of {}", context.attempt(), event.path));
  return Thumb{fmt::format("{}.{}", event.path, event.width)};
}
// [/handler]

// Handlers take the event by value, by const reference or not at all; then, optionally, the Context. They run in
// parallel: what they share must be safe to share.
void RegisterMore(runlet::Engine& engine, std::atomic<int>& visits) {
  ExpectOk(engine.Register(kCountVisit, [&visits](const Visit&) { ++visits; }));
  ExpectOk(engine.Register(kShout, [](std::string text) { return std::move(text) + "!"; }));
  ExpectOk(engine.Register(kGreet, [] { return "good day"; }));
  ExpectOk(engine.Register(kThrow, [](int) -> absl::Status {
#if defined(__cpp_exceptions)
    throw std::runtime_error("out of paper");
#else
    return absl::UnknownError("out of paper");
#endif
  }));
}

void RegisterAndCall(runlet::Engine& engine) {
  // [verbs]
  absl::Status registered =
      engine.Register(kResize, MakeThumb, {.timeout = absl::Seconds(2), .reserved_concurrency = 4});

  absl::StatusOr<Thumb> now = engine.Invoke(kResize, {"a.png", 64});           // waits; answers by the deadline
  runlet::Future<Thumb> later = engine.Start(kResize, {"b.png", 64});          // does not wait
  absl::StatusOr<runlet::RequestId> id = engine.Post(kResize, {"c.png", 64});  // accepted; retried when it fails
  absl::StatusOr<Thumb> got = std::move(later).Get();
  // [/verbs]
  ExpectOk(registered);
  Expect(now.ok() && now->path == "a.png.64", "Invoke gives the handler's result");
  Expect(got.ok() && got->path == "b.png.64", "Get gives the handler's result");
  ExpectOk(id.status());

  // Spares the look-up by name in every call.
  const absl::StatusOr<runlet::BoundFunction<Resize, Thumb>> resize = engine.Bind(kResize);
  ExpectOk(resize.status());
  now = resize->Invoke({"d.png", 32});
  Expect(now.ok() && now->path == "d.png.32", "a bound function is the same function");

  Expect(engine.Invoke(kShout, "hey").value_or("") == "hey!", "a handler may take its event by value");
  Expect(engine.Invoke(kGreet, 0).value_or("") == "good day", "a handler may take no event");
}

// The three kinds of error, told apart without reading text.
std::string Explain(const absl::Status& status) {
  // [errors]
  if (std::optional<runlet::FunctionError> error = runlet::FunctionErrorOf(status)) {
    return fmt::format("it ran and failed: {}: {}", error->type, error->message);
  }
  if (absl::IsResourceExhausted(status)) {
    return fmt::format("it never ran, for lack of capacity or room: try later ({})", runlet::Reason(status));
  }
  return fmt::format("it never ran, and will not: {}", status.ToString());
  // [/errors]
}

void ExpectError(const absl::Status& status, std::string_view beginning) {
  const std::string text = Explain(status);
  fmt::print("{}\n", text);
  Expect(text.starts_with(beginning), beginning);
}

void Fail(runlet::Engine& engine) {
  ExpectError(engine.Invoke(kResize, {"a.png", 0}).status(), "it ran and failed: InvalidArgument");
  ExpectError(engine.Invoke("resise", "").status(), "it never ran, and will not");
  ExpectError(engine.Invoke("resize", "bytes").status(), "it never ran, and will not");  // no codec: see 03_json.cc

  const std::optional<runlet::FunctionError> thrown = runlet::FunctionErrorOf(engine.Invoke(kThrow, 1));
  Expect(thrown.has_value() && thrown->message == "out of paper", "an exception is a function error");

  // Reserved concurrency 0 switches a function off.
  ExpectOk(engine.Replace(kGreet, [] { return "not now"; }, {.reserved_concurrency = 0}));
  ExpectError(engine.Invoke(kGreet, 0).status(), "it never ran, for lack of capacity");
}

void PostBatch(runlet::Engine& engine, const std::atomic<int>& visits) {
  ExpectOk(engine.PostAll(kCountVisit, {{"/"}, {"/docs"}, {"/about"}}));  // one acceptance for all, or none
  ExpectOk(engine.Post(kResize, {"e.png", -1}).status());
  ExpectOk(engine.WaitIdle());
  Expect(visits == 3, "every event of the batch has run");

  // The bad event ended at its first attempt, and is kept.
  const std::vector<runlet::DeadLetter> letters = engine.dead_letters().List();
  Expect(letters.size() == 1 && letters[0].condition == runlet::Condition::kNotRetryable && letters[0].attempts == 1,
         "Permanent ends an event at once");
  Expect(letters[0].As<Resize>() != nullptr && letters[0].As<Resize>()->path == "e.png",
         "a dead letter carries what was posted");
  fmt::print("dead: {} because {} ({})\n", letters[0].As<Resize>()->path, runlet::ConditionName(letters[0].condition),
             letters[0].ErrorText());
}

}  // namespace

int main() {
  std::atomic<int> visits{0};
  runlet::Engine engine;
  RegisterMore(engine, visits);
  RegisterAndCall(engine);
  Fail(engine);
  PostBatch(engine, visits);
}
