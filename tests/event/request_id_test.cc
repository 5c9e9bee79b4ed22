#include "runlet/event/request_id.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "runlet/base/random.h"
#include "tests/catch.h"

namespace runlet {
namespace {

constexpr std::string_view kText = "01234567-89ab-4cde-8f01-23456789abcd";

TEST_CASE("a request id comes back from its text") {
  Random random(7);
  for (int i = 0; i < 1000; ++i) {
    const RequestId id = RequestId::FromBits(random.Next(), random.Next());
    const std::string text = id.ToString();
    INFO(text);
    CHECK(text.size() == 36);
    CHECK(RequestId::Parse(text) == id);
  }
}

TEST_CASE("the text of a request id comes back from the id") {
  const std::optional<RequestId> id = RequestId::Parse(kText);
  REQUIRE(id.has_value());
  CHECK(id->ToString() == kText);
}

TEST_CASE("upper-case text is the same id, and is written in lower case") {
  const std::optional<RequestId> id = RequestId::Parse("01234567-89AB-4CDE-8F01-23456789ABCD");
  REQUIRE(id.has_value());
  CHECK(id->ToString() == kText);
}

TEST_CASE("a request id made from bits is a version 4 UUID of variant 1, whatever the bits") {
  for (const std::uint64_t bits : {std::uint64_t{0}, ~std::uint64_t{0}, std::uint64_t{0x0123456789abcdef}}) {
    const std::string text = RequestId::FromBits(bits, bits).ToString();
    INFO(text);
    CHECK(text[14] == '4');
    CHECK(std::string_view("89ab").find(text[19]) != std::string_view::npos);
  }
  CHECK(RequestId::FromBits(0, 0).ToString() == "00000000-0000-4000-8000-000000000000");
  CHECK(RequestId::FromBits(~std::uint64_t{0}, ~std::uint64_t{0}).ToString() == "ffffffff-ffff-4fff-bfff-ffffffffffff");
}

TEST_CASE("the other 122 bits of a request id are its maker's") {
  int differ = 0;
  for (int bit = 0; bit < 64; ++bit) {
    differ += RequestId::FromBits(std::uint64_t{1} << bit, 0) != RequestId::FromBits(0, 0);
    differ += RequestId::FromBits(0, std::uint64_t{1} << bit) != RequestId::FromBits(0, 0);
  }
  CHECK(differ == 122);
}

TEST_CASE("the nil id names no invocation, and no made id is nil") {
  CHECK(RequestId().ToString() == "00000000-0000-0000-0000-000000000000");
  CHECK(RequestId::Parse("00000000-0000-0000-0000-000000000000") == RequestId());
  CHECK(RequestId::FromBits(0, 0) != RequestId());
}

TEST_CASE("request ids are ordered as their texts are") {
  const RequestId low = RequestId::FromBits(1, 0);
  const RequestId high = RequestId::FromBits(std::uint64_t{1} << 63, 0);
  CHECK(low < high);
  CHECK(low.ToString() < high.ToString());
  CHECK(RequestId::FromBits(0, 1) < RequestId::FromBits(0, 2));
}

TEST_CASE("text that is no request id is refused") {
  const std::string good(kText);
  REQUIRE(RequestId::Parse(good).has_value());
  CHECK(!RequestId::Parse("").has_value());
  CHECK(!RequestId::Parse(good.substr(0, 35)).has_value());
  CHECK(!RequestId::Parse(good + "0").has_value());
  CHECK(!RequestId::Parse(" " + good.substr(0, 35)).has_value());
  CHECK(!RequestId::Parse("{" + good + "}").has_value());
  CHECK(!RequestId::Parse("0123456789ab4cde8f0123456789abcd").has_value());
  CHECK(!RequestId::Parse(std::string(36, '-')).has_value());
  CHECK(!RequestId::Parse(std::string(36, '0')).has_value());
  // Every place of the text, with what does not belong there.
  for (std::size_t i = 0; i < good.size(); ++i) {
    for (const char wrong : {'g', '/', ':', '@', '`', ' ', '\0', good[i] == '-' ? '0' : '-'}) {
      std::string bad = good;
      bad[i] = wrong;
      INFO(i << " " << static_cast<int>(wrong));
      CHECK(!RequestId::Parse(bad).has_value());
    }
  }
}

}  // namespace
}  // namespace runlet
