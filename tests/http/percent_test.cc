#include "http/percent.h"

#include <string>

#include "tests/catch.h"

namespace runlet::http {
namespace {

TEST_CASE("percent-encoding is taken off once, and a plus sign stays") {
  CHECK(PercentDecoded("a%3Ab%2fc") == "a:b/c");
  CHECK(PercentDecoded("%2541+") == "%41+");
  CHECK(PercentDecoded("%00%ff") == std::string("\0\xff", 2));
  CHECK(PercentDecoded("").value().empty());
}

TEST_CASE("a percent sign without two hex digits is refused") {
  for (const char* text : {"%", "a%", "%1", "%g0", "%0g", "%%41"}) {
    INFO(text);
    CHECK_FALSE(PercentDecoded(text).has_value());
  }
}

TEST_CASE("what is encoded decodes to itself, and only unreserved characters stay") {
  std::string all;
  for (int byte = 0; byte < 256; ++byte) all += static_cast<char>(byte);
  CHECK(PercentDecoded(PercentEncoded(all)) == all);
  CHECK(PercentEncoded("aZ09-._~/ :$") == "aZ09-._~%2F%20%3A%24");
  CHECK(PercentEncoded("/a b", "/") == "/a%20b");
}

}  // namespace
}  // namespace runlet::http
