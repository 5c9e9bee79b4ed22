#include "runlet/function/handler.h"

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <memory>
#include <new>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "tests/catch.h"
#include "tests/function/bare_context.h"

namespace runlet {
namespace {

// Runs `handler` with `event`, as the engine would, and gives its result.
template <typename Out, typename E>
absl::StatusOr<Out> Call(const Handler& handler, E& event, bool last_use = true) {
  BareContext context;
  alignas(Out) unsigned char storage[sizeof(Out)];
  absl::Status status = handler.Call({&event, last_use, context.context(), storage});
  if (!status.ok()) return status;
  Out* out = std::launder(reinterpret_cast<Out*>(storage));
  absl::StatusOr<Out> result(std::move(*out));
  out->~Out();
  return result;
}

template <typename E>
absl::Status CallVoid(const Handler& handler, E& event) {
  BareContext context;
  return handler.Call({&event, true, context.context(), nullptr});
}

struct In {
  int value = 0;
};

// What a function of bytes called with "text" answers.
template <typename F>
std::string AnswerTo(std::string_view text, F handler) {
  const absl::StatusOr<std::string> answer =
      Call<std::string>(Handler::Make<std::string, std::string>(std::move(handler)), text);
  return answer.ok() ? *answer : answer.status().ToString();
}

TEST_CASE("bytes are taken as a string_view, a string, or not at all") {
  CHECK(AnswerTo("text", [](std::string_view event) { return std::string(event); }) == "text");
  CHECK(AnswerTo("text", [](const std::string& event) { return event; }) == "text");
  CHECK(AnswerTo("text", [](std::string event) { return event + "!"; }) == "text!");
  CHECK(AnswerTo("text", [](std::string&& event) { return std::move(event); }) == "text");
  CHECK(AnswerTo("text", [](const std::string_view& event) { return std::string(event); }) == "text");
  CHECK(AnswerTo("text", [](std::string_view&& event) { return std::string(event); }) == "text");
  CHECK(AnswerTo("text", [] { return "nothing taken"; }) == "nothing taken");
}

TEST_CASE("whatever takes the event may also take the Context") {
  CHECK(AnswerTo("t", [](std::string_view e, Context& c) { return std::string(e) + std::string(c.function_name()); }) ==
        "tbare");
  CHECK(AnswerTo("t", [](std::string e, Context& c) { return e + std::string(c.function_name()); }) == "tbare");
  CHECK(AnswerTo("t", [](Context& c) { return std::string(c.function_name()); }) == "bare");
  CHECK(AnswerTo("t", [](const std::string& e, const Context& c) { return e + std::string(c.function_name()); }) ==
        "tbare");
}

TEST_CASE("a generic handler gets the event as it comes") {
  CHECK(AnswerTo("text", [](auto event) { return std::string(event); }) == "text");
  CHECK(AnswerTo("text", [](const auto& event, auto& context) {
          static_assert(std::is_same_v<std::decay_t<decltype(context)>, Context>);
          return std::string(event);
        }) == "text");
}

TEST_CASE("whatever makes a string may be returned as bytes") {
  CHECK(AnswerTo("", [](std::string_view) { return "literal"; }) == "literal");
  CHECK(AnswerTo("", [](std::string_view) -> const char* { return "pointer"; }) == "pointer");
  CHECK(AnswerTo("", [](std::string_view) { return std::string_view("view"); }) == "view");
  CHECK(AnswerTo("", [](std::string_view) -> absl::StatusOr<std::string> { return "or"; }) == "or");
  CHECK(AnswerTo("", [](std::string_view) -> absl::StatusOr<const char*> { return "or pointer"; }) == "or pointer");
  const std::string kept = "reference";
  CHECK(AnswerTo("", [&](std::string_view) -> const std::string& { return kept; }) == "reference");
  CHECK(kept == "reference");
}

TEST_CASE("a handler of bytes that returns no value answers null") {
  CHECK(AnswerTo("", [](std::string_view) {}) == "null");
  CHECK(AnswerTo("", [] {}) == "null");
  CHECK(AnswerTo("", [](std::string_view) { return absl::OkStatus(); }) == "null");
}

TEST_CASE("an error that is returned is the answer, and leaves no result behind") {
  CHECK(AnswerTo("", [](std::string_view) { return absl::NotFoundError("no"); }) == "NOT_FOUND: no");
  CHECK(AnswerTo("", [](std::string_view) -> absl::StatusOr<std::string> { return absl::InternalError("no"); }) ==
        "INTERNAL: no");
}

TEST_CASE("a function without a result answers OK or the error") {
  In event{1};
  CHECK(CallVoid(Handler::Make<In, void>([](const In&) {}), event).ok());
  CHECK(CallVoid(Handler::Make<In, void>([](const In&) { return absl::OkStatus(); }), event).ok());
  CHECK(CallVoid(Handler::Make<In, void>([](const In&) { return absl::AbortedError("no"); }), event) ==
        absl::AbortedError("no"));
  CHECK(CallVoid(Handler::Make<In, void>([] {}), event).ok());
}

TEST_CASE("a typed event is taken by value, by reference, as a const value or not at all") {
  In event{20};
  CHECK(Call<int>(Handler::Make<In, int>([](In e) { return e.value; }), event).value() == 20);
  CHECK(Call<int>(Handler::Make<In, int>([](const In& e) { return e.value; }), event).value() == 20);
  CHECK(Call<int>(Handler::Make<In, int>([](const In e) { return e.value; }), event).value() == 20);
  CHECK(Call<int>(Handler::Make<In, int>([](In&& e) { return e.value; }), event).value() == 20);
  CHECK(Call<int>(Handler::Make<In, int>([](const In& e, Context&) { return e.value; }), event).value() == 20);
  CHECK(Call<int>(Handler::Make<In, int>([](Context& c) { return c.attempt(); }), event).value() == 1);
  CHECK(Call<int>(Handler::Make<In, int>([] { return 3; }), event).value() == 3);
}

TEST_CASE("a result that the function's type can be made of may be returned") {
  In event{2};
  CHECK(Call<double>(Handler::Make<In, double>([](const In& e) { return e.value; }), event).value() == 2.0);
  CHECK(Call<std::string>(Handler::Make<In, std::string>([](const In&) { return "text"; }), event).value() == "text");
  CHECK(Call<std::optional<int>>(Handler::Make<In, std::optional<int>>([](const In& e) { return e.value; }), event)
            .value() == 2);
}

TEST_CASE("what can only be moved goes in and comes out") {
  using Owner = std::unique_ptr<int>;
  const Handler by_value = Handler::Make<Owner, Owner>([](Owner event) { return event; });
  Owner event = std::make_unique<int>(5);
  absl::StatusOr<Owner> result = Call<Owner>(by_value, event);
  REQUIRE(result.ok());
  CHECK(**result == 5);
  CHECK(event == nullptr);
  CHECK(by_value.ops().needs_last_use);

  const Handler by_reference = Handler::Make<Owner, Owner>(
      [](const Owner& e) -> absl::StatusOr<Owner> { return std::make_unique<int>(*e + 1); });
  event = std::make_unique<int>(5);
  CHECK(**Call<Owner>(by_reference, event, false) == 6);
  CHECK(event != nullptr);
  CHECK(!by_reference.ops().needs_last_use);
}

// Says how it was made.
struct Traced {
  Traced() = default;
  Traced(const Traced& other) : copies(other.copies + 1), moves(other.moves) {}
  Traced(Traced&& other) noexcept : copies(other.copies), moves(other.moves + 1) { other.gone = true; }
  Traced& operator=(const Traced&) = delete;
  int copies = 0;
  int moves = 0;
  bool gone = false;
};

TEST_CASE("a handler by value gets a copy while the event is still needed, and the event itself at its last use") {
  const Handler handler = Handler::Make<Traced, std::string>(
      [](Traced event) { return std::to_string(event.copies) + " copies, " + std::to_string(event.moves) + " moves"; });
  Traced event;
  CHECK(Call<std::string>(handler, event, false).value() == "1 copies, 0 moves");
  CHECK(!event.gone);
  CHECK(Call<std::string>(handler, event, true).value() == "0 copies, 1 moves");
  CHECK(event.gone);
  CHECK(!handler.ops().needs_last_use);
}

TEST_CASE("a handler by const reference sees the event itself, and nothing is copied or moved") {
  const Traced* seen = nullptr;
  const Handler handler = Handler::Make<Traced, void>([&](const Traced& event) { seen = &event; });
  Traced event;
  CHECK(CallVoid(handler, event).ok());
  CHECK(seen == &event);
  CHECK(event.copies == 0);
  CHECK(!event.gone);
}

TEST_CASE("a result is moved into its place, never copied") {
  In event;
  const Handler handler = Handler::Make<In, Traced>([](const In&) -> absl::StatusOr<Traced> { return Traced(); });
  const absl::StatusOr<Traced> result = Call<Traced>(handler, event);
  REQUIRE(result.ok());
  CHECK(result->copies == 0);
}

int Double(const In& event) { return 2 * event.value; }

struct Callable {
  int operator()(const In& event) const { return event.value + offset; }
  int offset = 0;
};

TEST_CASE("function pointers, function references and objects are handlers") {
  In event{21};
  CHECK(Call<int>(Handler::Make<In, int>(&Double), event).value() == 42);
  CHECK(Call<int>(Handler::Make<In, int>(Double), event).value() == 42);
  Callable callable{4};
  const Handler kept = Handler::Make<In, int>(callable);
  callable.offset = 0;  // the handler has its own
  CHECK(Call<int>(kept, event).value() == 25);
}

TEST_CASE("a handler may own what cannot be copied") {
  In event{1};
  const Handler handler =
      Handler::Make<In, int>([owned = std::make_unique<int>(41)](const In& e) { return e.value + *owned; });
  CHECK(Call<int>(handler, event).value() == 42);
}

TEST_CASE("what a handler captured ends with it, once, also when it was moved") {
  const auto captured = std::make_shared<int>(0);
  {
    Handler first = Handler::Make<In, void>([captured](const In&) {});
    CHECK(captured.use_count() == 2);
    const Handler second = std::move(first);
    CHECK(captured.use_count() == 2);
  }
  CHECK(captured.use_count() == 1);
}

TEST_CASE("a handler tells the types and codecs of its function") {
  struct NoCodec {};
  const Handler typed = Handler::Make<NoCodec, int>([](const NoCodec&) { return 1; });
  CHECK(SameType(typed.ops().in, TypeOf<NoCodec>()));
  CHECK(SameType(typed.ops().out, TypeOf<int>()));
  CHECK(typed.ops().in_codec == nullptr);
  CHECK(typed.ops().out_codec != nullptr);
  CHECK(!typed.ops().event_is_view);
  const Handler bytes = Handler::Make<std::string, std::string>([](std::string_view e) { return std::string(e); });
  CHECK(bytes.ops().event_is_view);
  CHECK(bytes.ops().in_codec != nullptr);
}

}  // namespace
}  // namespace runlet
