// Handlers that get an event of their own: it is theirs to take, and lives as long as they may speak of it.
#include <absl/status/statusor.h>

#include <memory>
#include <new>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runlet/function/handler.h"
#include "tests/catch.h"
#include "tests/function/bare_context.h"

namespace runlet {
namespace {

using Words = std::vector<std::string>;

template <typename Out, typename E>
absl::StatusOr<Out> Call(const Handler& handler, E& event, bool last_use) {
  BareContext context;
  alignas(Out) unsigned char storage[sizeof(Out)];
  absl::Status status = handler.Call({&event, last_use, context.context(), storage});
  if (!status.ok()) return status;
  Out* out = std::launder(reinterpret_cast<Out*>(storage));
  absl::StatusOr<Out> result(std::move(*out));
  out->~Out();
  return result;
}

TEST_CASE("a handler by rvalue reference takes a copy while the event is still needed, and the event at its last use") {
  const Handler handler = Handler::Make<Words, Words>([](Words&& words) { return std::exchange(words, {}); });
  const Words sent = {"a", std::string(100, 'b')};
  Words event = sent;
  for (int attempt = 0; attempt < 2; ++attempt) {
    CHECK(Call<Words>(handler, event, false).value() == sent);
    CHECK(event == sent);
  }
  CHECK(Call<Words>(handler, event, true).value() == sent);
  CHECK(event.empty());
  CHECK(!handler.ops().needs_last_use);
}

TEST_CASE("a handler by rvalue reference of what cannot be copied needs the last use, as one by value does") {
  using Parcel = std::unique_ptr<int>;
  CHECK(Handler::Make<Parcel, int>([](Parcel&& p) { return *p; }).ops().needs_last_use);
  CHECK(Handler::Make<Parcel, int>([](Parcel p) { return *p; }).ops().needs_last_use);
  CHECK(!Handler::Make<Parcel, int>([](const Parcel& p) { return *p; }).ops().needs_last_use);
  CHECK(!Handler::Make<Parcel, int>([] { return 1; }).ops().needs_last_use);
  const Handler handler = Handler::Make<Parcel, int>([](Parcel&& p) { return *Parcel(std::move(p)); });
  Parcel event = std::make_unique<int>(7);
  CHECK(Call<int>(handler, event, true).value() == 7);
  CHECK(event == nullptr);
}

TEST_CASE("a handler may answer with a view of the string that it was lent") {
  const std::string text(100, 'x');
  std::string_view event = text;
  const auto answer = [&](auto f) {
    return Call<std::string>(Handler::Make<std::string, std::string>(f), event, false).value();
  };
  CHECK(answer([](const std::string& s) { return std::string_view(s).substr(1); }) == text.substr(1));
  CHECK(answer([](const std::string& s) { return s.c_str() + 2; }) == text.substr(2));
  CHECK(answer([](const std::string& s) -> const std::string& { return s; }) == text);
  CHECK(answer([](const std::string& s) -> absl::StatusOr<std::string_view> { return s; }) == text);
  CHECK(answer([](std::string&& s) -> std::string&& { return std::move(s); }) == text);
  CHECK(event == text);
}

TEST_CASE("a handler may pass on the event that it was given to take") {
  const Handler handler = Handler::Make<Words, Words>([](Words&& words) -> Words&& { return std::move(words); });
  const Words sent = {std::string(100, 'a')};
  Words event = sent;
  CHECK(Call<Words>(handler, event, false).value() == sent);
  CHECK(event == sent);
  CHECK(Call<Words>(handler, event, true).value() == sent);
}

TEST_CASE("a string that a handler takes is its own, even at the last use of the event") {
  const std::string text(100, 'x');
  std::string_view event = text;
  const Handler handler =
      Handler::Make<std::string, std::string>([](std::string s) { return std::exchange(s, "gone"); });
  for (const bool last_use : {false, true}) CHECK(Call<std::string>(handler, event, last_use).value() == text);
  CHECK(event == text);
  CHECK(text == std::string(100, 'x'));
  const std::string nul("a\0b", 3);
  event = nul;
  CHECK(Call<std::string>(handler, event, true).value() == nul);
}

TEST_CASE("a generic handler is asked only for what it is called with") {
  const std::string text = "text";
  std::string_view view = text;
  const auto tail = [](auto event) {
    event.remove_prefix(1);  // no std::string has it, nor a Context
    return std::string(event);
  };
  CHECK(Call<std::string>(Handler::Make<std::string, std::string>(tail), view, false).value() == "ext");
  Words words = {"a", "b"};
  const auto fits = [](const auto& event, auto&) { return event.capacity() >= event.size(); };
  CHECK(Call<bool>(Handler::Make<Words, bool>(fits), words, false).value());
  const auto last = [](auto event) { return event.back(); };
  CHECK(Call<std::string>(Handler::Make<Words, std::string>(last), words, false).value() == "b");
}

}  // namespace
}  // namespace runlet
