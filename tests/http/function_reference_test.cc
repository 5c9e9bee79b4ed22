#include "http/function_reference.h"

#include <optional>
#include <random>
#include <regex>
#include <string>
#include <vector>

#include "tests/catch.h"

namespace runlet::http {
namespace {

// region, account, name and qualifier with strokes between; "none" where the text is no reference.
std::string Parts(std::string_view text) {
  const std::optional<FunctionReference> parsed = ParseFunctionReference(text);
  if (!parsed) return "none";
  return parsed->region + "|" + parsed->account + "|" + parsed->name + "|" + parsed->qualifier;
}

TEST_CASE("a function is named by its name, a partial or a full ARN, each with or without a qualifier") {
  CHECK(Parts("resize") == "||resize|");
  CHECK(Parts("resize:live") == "||resize|live");
  CHECK(Parts("resize:$LATEST") == "||resize|$LATEST");
  CHECK(Parts("resize:3") == "||resize|3");
  CHECK(Parts("function:resize") == "||resize|");
  CHECK(Parts("123456789012:resize") == "|123456789012|resize|");
  CHECK(Parts("123456789012:function:resize") == "|123456789012|resize|");
  CHECK(Parts("123456789012:function:resize:live") == "|123456789012|resize|live");
  CHECK(Parts("us-east-1:123456789012:function:resize") == "us-east-1|123456789012|resize|");
  CHECK(Parts("arn:aws:lambda:eu-west-1:123456789012:function:resize") == "eu-west-1|123456789012|resize|");
  CHECK(Parts("arn:aws:lambda:eu-west-1:123456789012:function:resize:$LATEST") ==
        "eu-west-1|123456789012|resize|$LATEST");
  CHECK(Parts("arn:aws-cn:lambda:cn-north-1:123456789012:function:f:7") == "cn-north-1|123456789012|f|7");
  CHECK(Parts("arn:aws-us-gov:lambda:us-gov-west-1:123456789012:function:f") == "us-gov-west-1|123456789012|f|");
}

TEST_CASE("a region may begin as those of the government do") {
  for (const std::string region : {"us-gov-1", "us-government-1", "us-gov-west-1", "us-gov-gov-1"}) {
    const auto reference = ParseFunctionReference("arn:aws:lambda:" + region + ":123456789012:function:f");
    INFO(region);
    REQUIRE(reference.has_value());
    CHECK(reference->region == region);
    CHECK(reference->name == "f");
  }
  CHECK_FALSE(ParseFunctionReference("arn:aws:lambda:us-gov:123456789012:function:f").has_value());
}

TEST_CASE("the percent-encoding of a path is taken off once") {
  CHECK(Parts("arn%3Aaws%3Alambda%3Aeu-west-1%3A123456789012%3Afunction%3Aresize%3A%24LATEST") ==
        "eu-west-1|123456789012|resize|$LATEST");
  CHECK(Parts("resize%3alive") == "||resize|live");
  CHECK(Parts("resize%253Alive") == "none");
  CHECK(Parts("resize%3") == "none");
}

TEST_CASE("names that look like other parts are still names") {
  CHECK(Parts("function") == "||function|");
  CHECK(Parts("function:function") == "||function|");
  CHECK(Parts("function:function:function") == "||function|function");
  CHECK(Parts("123456789012") == "||123456789012|");
  CHECK(Parts("us-east-1") == "||us-east-1|");
  CHECK(Parts("us-east-1:live") == "us-east-1||live|");
  CHECK(Parts("arn") == "||arn|");
  CHECK(Parts("arn:aws") == "||arn|aws");
  CHECK(Parts("my.function") == "||my.function|");
  CHECK(Parts(std::string(65, 'a')) == "||" + std::string(65, 'a') + "|");
}

TEST_CASE("what fits no form is no reference") {
  for (const std::string& text : std::vector<std::string>{"",
                                                          ":",
                                                          "a:",
                                                          ":a",
                                                          "a b",
                                                          "a/b",
                                                          "a\nb",
                                                          "resize:$latest",
                                                          "resize:$LATEST.PUBLISHED",
                                                          "resize:a.b",
                                                          "resize:live:more",
                                                          "12345678901:function:resize",
                                                          "1234567890123:function:resize",
                                                          "arn:aws:s3:us-east-1:123456789012:function:resize",
                                                          "arn:azure:lambda:us-east-1:123456789012:function:f",
                                                          "arn:aws:lambda:useast1:123456789012:function:f",
                                                          "arn:aws:lambda:us-east-12:123456789012:function:f",
                                                          "arn:aws:lambda:us-east-1:12345678901x:function:f",
                                                          "%00",
                                                          "a%00",
                                                          "a%0d%0ab",
                                                          "\xff"}) {
    INFO(text);
    CHECK(Parts(text) == "none");
  }
}

TEST_CASE("a reference has 256 characters at most, counted after decoding") {
  CHECK(Parts(std::string(256, 'a')) != "none");
  CHECK(Parts(std::string(257, 'a')) == "none");
  std::string encoded;
  for (int i = 0; i < 256; ++i) encoded += "%61";
  CHECK(Parts(encoded) != "none");
}

TEST_CASE("exactly what the service model's pattern matches is a reference, part for part") {
  const std::regex pattern{std::string(kFunctionReferencePattern)};
  const std::vector<std::string> pieces = {"arn:",    "aws",        ":lambda:",
                                           "aws-cn",  "us-east-1:", "us-gov-west-2:",
                                           "us-",     "gov-",       "123456789012:",
                                           "12",      "function:",  "function",
                                           "f",       ":",          ".",
                                           "$LATEST", "live",       "3",
                                           "$",       "-",          "_",
                                           "A"};
  std::mt19937 random(7);
  int references = 0;
  for (int round = 0; round < 20'000; ++round) {
    std::string text;
    const std::size_t count = 1 + random() % 7;
    for (std::size_t i = 0; i < count; ++i) text += pieces[random() % pieces.size()];
    std::smatch match;
    std::string expected = "none";
    if (std::regex_match(text, match, pattern)) {
      ++references;
      const auto without_colon = [](std::string part) {
        if (!part.empty()) part.pop_back();
        return part;
      };
      expected = without_colon(match[3]) + "|" + without_colon(match[5]) + "|" + match[7].str() + "|" + match[9].str();
    }
    INFO(text);
    REQUIRE(Parts(text) == expected);
  }
  CHECK(references > 1'000);
}

}  // namespace
}  // namespace runlet::http
