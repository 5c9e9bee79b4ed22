#include "runlet/event/function_name.h"

#include <string>
#include <string_view>

#include "tests/catch.h"

namespace runlet {
namespace {

std::string MessageFor(std::string_view name) {
  const absl::Status status = CheckFunctionName(name);
  CHECK(status.code() == absl::StatusCode::kInvalidArgument);
  return std::string(status.message());
}

TEST_CASE("letters, digits, hyphens and underscores make a function name, and nothing else does") {
  int allowed = 0;
  for (int c = 0; c < 256; ++c) {
    const std::string name(1, static_cast<char>(c));
    CHECK(IsFunctionName(name) == CheckFunctionName(name).ok());
    allowed += IsFunctionName(name);
    CHECK(IsFunctionName("a" + name + "b") == IsFunctionName(name));
  }
  CHECK(allowed == 26 + 26 + 10 + 2);
  for (const char c : {'a', 'z', 'A', 'Z', '0', '9', '-', '_'}) CHECK(IsFunctionName(std::string(1, c)));
  // The neighbours of the ranges in ASCII.
  for (const char c : {'`', '{', '@', '[', '/', ':', '.', ',', '^'}) CHECK(!IsFunctionName(std::string(1, c)));
}

TEST_CASE("a function name has 1 to 64 characters") {
  CHECK(!IsFunctionName(""));
  CHECK(IsFunctionName("a"));
  CHECK(IsFunctionName(std::string(64, 'a')));
  CHECK(CheckFunctionName(std::string(64, 'a')).ok());
  CHECK(!IsFunctionName(std::string(65, 'a')));
}

TEST_CASE("a name may be checked where constants are made") {
  static_assert(IsFunctionName("resize"));
  static_assert(!IsFunctionName("re size"));
  static_assert(!IsFunctionName(""));
}

TEST_CASE("a refused name is quoted, with the rule that it breaks") {
  CHECK(MessageFor("") == "function name \"\" is empty: it needs 1 to 64 characters");
  CHECK(MessageFor("two words") ==
        "function name \"two words\" may hold only letters, digits, hyphens and underscores");
  CHECK(MessageFor(std::string(65, 'a')) ==
        "function name \"" + std::string(65, 'a') + "\" has 65 characters: the limit is 64");
}

TEST_CASE("of a long name only the beginning is quoted") {
  CHECK(MessageFor(std::string(80, 'a')) ==
        "function name \"" + std::string(80, 'a') + "\" has 80 characters: the limit is 64");
  CHECK(MessageFor(std::string(81, 'a')) ==
        "function name \"" + std::string(80, 'a') + "...\" has 81 characters: the limit is 64");
  CHECK(MessageFor(std::string(1'000'000, 'a')).size() < 200);
}

TEST_CASE("what cannot be printed is quoted in escapes") {
  const std::string message = MessageFor(std::string_view("a\0\n\x1b[31m\xff", 9));
  CHECK(message.find("a\\x00\\n\\x1b[31m\\xff") != std::string::npos);
  for (const char c : message) CHECK((c >= ' ' && c <= '~'));
}

}  // namespace
}  // namespace runlet
