// Whatever nlohmann/json converts travels as JSON.
#include "runlet/codec/json.h"

#include <absl/status/status.h>

#include <array>
#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <new>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runlet/event/codec.h"
#include "tests/catch.h"

namespace runlet {
namespace {

struct Size {
  int width = 0;
  int height = 0;
  friend bool operator==(const Size&, const Size&) = default;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Size, width, height)

struct Picture {
  std::string key;
  Size size;
  std::vector<std::string> tags;
  double quality = 0;
  bool grey = false;
  friend bool operator==(const Picture&, const Picture&) = default;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Picture, key, size, tags, quality, grey)

struct Lenient {
  int width = 1;
  int height = 2;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(Lenient, width, height)

struct Bare {};

template <typename T>
void CheckRoundTrip(const T& value, std::string_view text) {
  const absl::StatusOr<std::string> encoded = Codec<T>::Encode(value);
  REQUIRE(encoded.ok());
  CHECK(*encoded == text);
  const absl::StatusOr<T> decoded = Codec<T>::Decode(*encoded);
  REQUIRE(decoded.ok());
  CHECK(*decoded == value);
}

// OK unless the text is refused as JSON or as a T.
template <typename T>
absl::Status Read(std::string_view text) {
  return Codec<T>::Decode(text).status();
}
TEST_CASE("a struct goes to JSON and back") {
  CheckRoundTrip(Size{640, -480}, R"({"height":-480,"width":640})");
  CheckRoundTrip(Picture{"a \"b\"\n\xc3\xa9", {1, 2}, {"x", ""}, 0.1, true},
                 R"({"grey":true,"key":"a \"b\"\n)"
                 "\xc3\xa9"
                 R"(","quality":0.1,"size":{"height":2,"width":1},"tags":["x",""]})");
}

TEST_CASE("containers go to JSON and back") {
  CheckRoundTrip(std::vector<int>{}, "[]");
  CheckRoundTrip(std::vector<int>{1, -2, 3}, "[1,-2,3]");
  CheckRoundTrip(std::map<std::string, Size>{{"a", {1, 2}}, {"", {3, 4}}},
                 R"({"":{"height":4,"width":3},"a":{"height":2,"width":1}})");
  CheckRoundTrip(std::vector<std::vector<bool>>{{true}, {}, {false, true}}, "[[true],[],[false,true]]");
  CheckRoundTrip(std::pair<int, std::string>(1, "x"), R"([1,"x"])");
  CheckRoundTrip(std::array<int, 2>{1, 2}, "[1,2]");
}

TEST_CASE("whole numbers in JSON keep every bit, and doubles too") {
  CheckRoundTrip(
      std::vector<std::int64_t>{std::numeric_limits<std::int64_t>::min(), 0, std::numeric_limits<std::int64_t>::max()},
      "[-9223372036854775808,0,9223372036854775807]");
  CheckRoundTrip(std::vector<std::uint64_t>{std::numeric_limits<std::uint64_t>::max()}, "[18446744073709551615]");
  for (const double value : {0.1, 1.0 / 3, std::numeric_limits<double>::max(), std::numeric_limits<double>::min()}) {
    const absl::StatusOr<std::string> text = Codec<std::vector<double>>::Encode({value});
    REQUIRE(text.ok());
    CHECK(Codec<std::vector<double>>::Decode(*text).value() == std::vector<double>{value});
  }
}

TEST_CASE("a JSON value is any value") {
  const absl::StatusOr<nlohmann::json> json = Codec<nlohmann::json>::Decode(R"( {"a": [1, null, "x"]} )");
  REQUIRE(json.ok());
  CHECK((*json)["a"].size() == 3);
  CHECK(Codec<nlohmann::json>::Encode(*json).value() == R"({"a":[1,null,"x"]})");
}

TEST_CASE("space between the tokens and keys that nobody asked for are let pass") {
  CHECK(Codec<Size>::Decode(" { \"width\" : 1 ,\n\"height\":2, \"depth\":[3] } ").value() == Size{1, 2});
}

TEST_CASE("a type may have defaults for keys that are missing") {
  const absl::StatusOr<Lenient> read = Codec<Lenient>::Decode(R"({"height":7})");
  REQUIRE(read.ok());
  CHECK(read->width == 1);
  CHECK(read->height == 7);
  CHECK(Codec<Lenient>::Encode(*read).value() == R"({"height":7,"width":1})");
}

TEST_CASE("what is not JSON is refused") {
  for (const std::string_view text :
       {"", " ", "{", "{\"width\":1,}", "{\"width\":1}}", "nul", "{'width':1}", "[1,]", "\"\xff\"", "1 2", "NaN"}) {
    INFO(text);
    CHECK(Read<Size>(text).code() == absl::StatusCode::kInvalidArgument);
    CHECK(Read<nlohmann::json>(text).code() == absl::StatusCode::kInvalidArgument);
  }
}

#if defined(__cpp_exceptions)

bool Says(const absl::Status& status, std::string_view words) {
  INFO(status.ToString());
  CHECK(status.code() == absl::StatusCode::kInvalidArgument);
  return std::string(status.message()).find(words) != std::string::npos;
}

TEST_CASE("what is not JSON is refused in the parser's words, with the place") {
  CHECK(Says(Read<Size>("{\"width\":1,}"), "parse error at line 1, column 12"));
  CHECK(Says(Read<Size>("{\n\"width\" 1}"), "line 2"));
  CHECK(Says(Read<Size>(""), "unexpected end of input"));
}

TEST_CASE("JSON of another shape is refused, and the message says what is wrong with it") {
  CHECK(Says(Read<Size>(R"({"width":1})"), "key 'height' not found"));
  CHECK(Says(Read<Size>(R"({"width":1,"height":"2"})"), "type must be number, but is string"));
  CHECK(Says(Read<Size>("[1,2]"), "array"));
  CHECK(Says(Read<Size>("null"), "null"));
  CHECK(Says(Read<std::vector<int>>("{}"), "type must be array, but is object"));
  CHECK(Says(Read<Picture>(R"({"key":"k","size":{"width":1},"tags":[],"quality":1,"grey":false})"), "'height'"));
}

TEST_CASE("a number that is infinite or NaN has no JSON, however deep it is") {
  const double infinite = std::numeric_limits<double>::infinity();
  for (const double number : {infinite, -infinite, std::numeric_limits<double>::quiet_NaN()}) {
    CHECK(Says(Codec<std::vector<double>>::Encode({1, number}).status(), "infinite or NaN"));
    CHECK(Says(Codec<nlohmann::json>::Encode({{"deep", {{"deeper", {1, number}}}}}).status(), "infinite or NaN"));
  }
  CHECK(Codec<std::vector<double>>::Encode({1, std::numeric_limits<double>::max()}).ok());
}

TEST_CASE("text that is not UTF-8 has no JSON") {
  CHECK(Says(Codec<Picture>::Encode({"\xff", {}, {}, 0, false}).status(), "invalid UTF-8"));
  CHECK(Says(Codec<std::vector<std::string>>::Encode({"caf\xe9"}).status(), "UTF-8"));
  CHECK(Codec<std::vector<std::string>>::Encode({"caf\xc3\xa9"}).ok());
}

#endif  // __cpp_exceptions

std::string Nested(int depth, std::string_view open, std::string_view close, std::string_view inner) {
  std::string text;
  for (int i = 0; i < depth; ++i) text += open;
  text += inner;
  for (int i = 0; i < depth; ++i) text += close;
  return text;
}

TEST_CASE("JSON nested to a depth of 1,000 is read, deeper JSON is refused, and no depth ends the program") {
  for (const int depth : {1, 999, 1'000}) {
    CHECK(Read<nlohmann::json>(Nested(depth, "[", "]", "")).ok());
    CHECK(Read<nlohmann::json>(Nested(depth, "{\"a\":", "}", "1")).ok());
  }
  for (const int depth : {1'001, 10'000, 1'000'000}) {
    CHECK(Read<nlohmann::json>(Nested(depth, "[", "]", "")).message() == "JSON nested deeper than 1000");
    CHECK(!Read<nlohmann::json>(Nested(depth, "{\"a\":", "}", "1")).ok());
    CHECK(!Read<nlohmann::json>(Nested(depth, "[", "", "")).ok());
  }
}

TEST_CASE("brackets in the text of JSON, and brackets side by side, nest nothing") {
  const std::string brackets = "\"" + std::string(5'000, '[') + "\\\"" + std::string(5'000, '{') + "\"";
  CHECK(Read<std::vector<std::string>>("[" + brackets + "]").ok());
  std::string beside = "[[]";
  for (int i = 0; i < 5'000; ++i) beside += ",[]";
  CHECK(Read<nlohmann::json>(beside + "]").ok());
}

TEST_CASE("text and numbers keep their own codec") {
  CHECK(Codec<std::string>::Encode("a \"b\" \xff").value() == "a \"b\" \xff");
  CHECK(Codec<std::string>::Decode("no JSON").value() == "no JSON");
  CHECK(Codec<int>::Encode(42).value() == "42");
  CHECK(Read<int>("1.5").message() == "expected the JSON text of a number");
  CHECK(Codec<bool>::Encode(true).value() == "true");
  CHECK(Codec<double>::Decode("0.5").value() == 0.5);
}

TEST_CASE("a type has a JSON codec where the library can convert it, and only there") {
  CHECK(HasCodec<Size>);
  CHECK(HasCodec<std::map<std::string, std::vector<Size>>>);
  CHECK(HasCodec<std::string>);
  CHECK(HasCodec<int>);
  CHECK(!HasCodec<Bare>);
  CHECK(!HasCodec<std::unique_ptr<int>>);
  CHECK(CodecOf<Bare>() == nullptr);
}

TEST_CASE("JSON travels where the type is not known") {
  const CodecOps* const codec = CodecOf<Size>();
  REQUIRE(codec != nullptr);
  const Size size{3, 4};
  CHECK(codec->encode(&size).value() == R"({"height":4,"width":3})");
  alignas(Size) unsigned char place[sizeof(Size)];
  REQUIRE(codec->decode(R"({"width":5,"height":6})", place).ok());
  CHECK(*std::launder(reinterpret_cast<Size*>(place)) == Size{5, 6});
  CHECK(codec->decode("{", place).code() == absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace runlet
