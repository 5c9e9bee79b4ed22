#include "runlet/event/codec.h"

#include <absl/status/status.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <string_view>

#include "tests/catch.h"

namespace runlet {

namespace {
struct Point {
  int x = 0;
  int y = 0;
};
struct Bare {};
struct Angry {};
}  // namespace

template <>
struct Codec<Point> {
  static absl::StatusOr<std::string> Encode(const Point& point) {
    return std::to_string(point.x) + "," + std::to_string(point.y);
  }
  static absl::StatusOr<Point> Decode(std::string_view bytes) {
    const std::size_t comma = bytes.find(',');
    if (comma == std::string_view::npos) return absl::InvalidArgumentError("no comma");
    return Point{static_cast<int>(comma), static_cast<int>(bytes.size())};
  }
};

#if defined(__cpp_exceptions)
template <>
struct Codec<Angry> {
  static absl::StatusOr<std::string> Encode(const Angry&) { throw std::runtime_error("cannot write"); }
  static absl::StatusOr<Angry> Decode(std::string_view bytes) {
    if (bytes == "int") throw 42;
    throw std::logic_error("cannot read");
  }
};
#endif

namespace {

template <typename T>
std::string TextOf(const T& value) {
  const absl::StatusOr<std::string> text = Codec<T>::Encode(value);
  return text.ok() ? *text : text.status().ToString();
}

template <typename T>
absl::StatusCode CodeOf(std::string_view text) {
  return Codec<T>::Decode(text).status().code();
}

template <typename T>
void CheckRoundTrip(T value) {
  const std::string text = TextOf(value);
  INFO(text);
  const absl::StatusOr<T> back = Codec<T>::Decode(text);
  REQUIRE(back.ok());
  CHECK(*back == value);
}

constexpr absl::StatusCode kOk = absl::StatusCode::kOk;
constexpr absl::StatusCode kInvalid = absl::StatusCode::kInvalidArgument;
constexpr absl::StatusCode kOutOfRange = absl::StatusCode::kOutOfRange;

TEMPLATE_TEST_CASE("a number comes back from its text, at its limits too", "", std::int16_t, std::uint16_t,
                   std::int32_t, std::uint32_t, std::int64_t, std::uint64_t, float, double) {
  using Limits = std::numeric_limits<TestType>;
  for (const TestType value : {Limits::lowest(), Limits::min(), Limits::max(), TestType{0}, TestType{1}}) {
    CheckRoundTrip(value);
  }
}

TEST_CASE("a floating-point number keeps every bit") {
  for (const double value : {0.1, 1.0 / 3, 5e-324, 2.2250738585072014e-308, 1e300, -123456.789}) CheckRoundTrip(value);
  const absl::StatusOr<double> zero = Codec<double>::Decode(TextOf(-0.0));
  REQUIRE(zero.ok());
  CHECK(std::signbit(*zero));
}

TEST_CASE("a whole number is written as JSON writes it") {
  CHECK(TextOf(42) == "42");
  CHECK(TextOf(-7) == "-7");
  CHECK(TextOf(std::numeric_limits<std::uint64_t>::max()) == "18446744073709551615");
  CHECK(TextOf(0.5) == "0.5");
}

TEST_CASE("a number beyond its type is out of range, on both sides") {
  CHECK(CodeOf<std::int32_t>("2147483647") == kOk);
  CHECK(CodeOf<std::int32_t>("2147483648") == kOutOfRange);
  CHECK(CodeOf<std::int32_t>("-2147483648") == kOk);
  CHECK(CodeOf<std::int32_t>("-2147483649") == kOutOfRange);
  CHECK(CodeOf<std::uint64_t>("18446744073709551615") == kOk);
  CHECK(CodeOf<std::uint64_t>("18446744073709551616") == kOutOfRange);
  CHECK(CodeOf<std::uint32_t>("-1") == kInvalid);
  CHECK(CodeOf<double>("1e308") == kOk);
  CHECK(CodeOf<double>("1e309") == kOutOfRange);
}

TEST_CASE("text that is no number is refused") {
  for (const std::string_view text : {"", " ", "one", "1 ", " 1", "1x", "+1", "--1", "1.5", "1e3", "\"1\"", "0x10"}) {
    INFO(text);
    CHECK(CodeOf<int>(text) == kInvalid);
  }
  for (const std::string_view text : {"", "one", "1 ", " 1", "1x", "+1", "--1", "\"1\""}) {
    INFO(text);
    CHECK(CodeOf<double>(text) == kInvalid);
  }
}

TEST_CASE("what JSON cannot hold is neither written nor read") {
  const double infinite = std::numeric_limits<double>::infinity();
  CHECK(!Codec<double>::Encode(std::numeric_limits<double>::quiet_NaN()).ok());
  CHECK(!Codec<double>::Encode(infinite).ok());
  CHECK(!Codec<double>::Encode(-infinite).ok());
  CHECK(!Codec<float>::Encode(std::numeric_limits<float>::infinity()).ok());
  for (const std::string_view text : {"nan", "NaN", "inf", "-inf", "infinity", "-Infinity", "nan(1)"}) {
    INFO(text);
    CHECK(CodeOf<double>(text) == kInvalid);
    CHECK(CodeOf<float>(text) == kInvalid);
  }
}

TEST_CASE("bool is true or false, and nothing else") {
  CheckRoundTrip(true);
  CheckRoundTrip(false);
  CHECK(TextOf(true) == "true");
  for (const std::string_view text : {"", "1", "0", "True", "true ", "null"}) CHECK(CodeOf<bool>(text) == kInvalid);
}

TEST_CASE("a character travels as a number or as a text, and comes back") {
  for (int c = -128; c < 128; ++c) CheckRoundTrip(static_cast<char>(c));
  CheckRoundTrip(std::numeric_limits<signed char>::lowest());
  CheckRoundTrip(std::numeric_limits<unsigned char>::max());
}

TEST_CASE("text is the payload unchanged, whatever its bytes") {
  const std::string all = [] {
    std::string bytes;
    for (int c = 0; c < 256; ++c) bytes.push_back(static_cast<char>(c));
    return bytes;
  }();
  CheckRoundTrip(all);
  CheckRoundTrip(std::string());
  CHECK(TextOf(std::string("\"quoted\"")) == "\"quoted\"");
}

TEST_CASE("a type has a codec where one is specialised, and only there") {
  static_assert(HasCodec<Point>);
  static_assert(HasCodec<int> && HasCodec<bool> && HasCodec<double> && HasCodec<std::string>);
  static_assert(!HasCodec<Bare>);
  static_assert(!HasCodec<std::unique_ptr<int>>);
  CHECK(CodecOf<Bare>() == nullptr);
  CHECK(CodecOf<Point>() != nullptr);
}

TEST_CASE("a codec works without its type being known") {
  const CodecOps& ops = *CodecOf<Point>();
  const Point point{3, -4};
  CHECK(ops.encode(&point).value() == "3,-4");
  alignas(Point) unsigned char storage[sizeof(Point)];
  REQUIRE(ops.decode("ab,c", storage).ok());
  const Point* decoded = std::launder(reinterpret_cast<Point*>(storage));
  CHECK(decoded->x == 2);
  CHECK(decoded->y == 4);
  CHECK(ops.decode("abc", storage).message() == "no comma");
}

TEST_CASE("decoding leaves nothing behind when it fails, and one value when it succeeds") {
  const CodecOps& ops = *CodecOf<std::string>();
  alignas(std::string) unsigned char storage[sizeof(std::string)];
  REQUIRE(ops.decode(std::string(1000, 'x'), storage).ok());
  std::launder(reinterpret_cast<std::string*>(storage))->~basic_string();  // and the leak check finds nothing
}

TEST_CASE("a function without a result answers null") {
  const CodecOps& ops = *CodecOf<void>();
  CHECK(ops.encode(nullptr).value() == "null");
  CHECK(ops.decode("anything", nullptr).ok());
}

#if defined(__cpp_exceptions)
TEST_CASE("what a codec throws comes back as InvalidArgument with its words") {
  const CodecOps& ops = *CodecOf<Angry>();
  const Angry angry;
  CHECK(ops.encode(&angry).status() == absl::InvalidArgumentError("cannot write"));
  char storage[sizeof(Angry)];
  CHECK(ops.decode("", storage) == absl::InvalidArgumentError("cannot read"));
  CHECK(ops.decode("int", storage) == absl::InvalidArgumentError("the codec threw an exception"));
}
#endif

}  // namespace
}  // namespace runlet
