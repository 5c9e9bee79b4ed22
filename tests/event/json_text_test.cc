#include "event/json_text.h"

#include <string>
#include <string_view>

#include "tests/catch.h"

namespace runlet {
namespace {

std::string Quoted(std::string_view text) {
  std::string quoted;
  AppendJsonString(text, &quoted);
  return quoted;
}

TEST_CASE("JSON values are JSON") {
  for (const std::string_view text :
       {"null", "true", "false", "0", "-0", "1.5", "-12.25e+10", "1E5", "\"\"", "\"a\\u00e9\\n\\\"\"", "[]", "{}",
        "[[]]", "[1,2]", "{\"a\":1}", "{\"a\":{\"b\":[]},\"c\":[{}]}", " [ 1 , { \"a\" : null } ] \n",
        "\"\xC3\xA9\xF0\x9F\x98\x80\""}) {
    INFO(text);
    CHECK(IsJson(text));
  }
}

TEST_CASE("what is nearly JSON is not") {
  for (const std::string_view text : {"",
                                      " ",
                                      "nul",
                                      "nullx",
                                      "01",
                                      "1.",
                                      ".5",
                                      "+1",
                                      "1e",
                                      "-",
                                      "'a'",
                                      "\"",
                                      "\"\\x\"",
                                      "\"\\u12g4\"",
                                      "\"\n\"",
                                      "[",
                                      "]",
                                      "[1",
                                      "[1,]",
                                      "[,1]",
                                      "[1 2]",
                                      "{",
                                      "{a:1}",
                                      "{\"a\"}",
                                      "{\"a\":}",
                                      "{\"a\":1,}",
                                      "{\"a\":1]",
                                      "[1}",
                                      "1 2",
                                      "{} {}",
                                      "\"\xFF\"",
                                      "\"\xC0\x80\"",
                                      "\"\xED\xA0\x80\"",
                                      "\"\xF4\x90\x80\x80\"",
                                      "\"\xE2\x82\"",
                                      "NaN"}) {
    INFO(text);
    CHECK(!IsJson(text));
  }
}

TEST_CASE("JSON may be 1,000 deep, and no depth ends the program") {
  const auto nested = [](std::size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); };
  CHECK(IsJson(nested(1'000)));
  CHECK(!IsJson(nested(1'001)));
  CHECK(!IsJson(std::string(10'000'000, '[')));
}

TEST_CASE("whatever a string holds, and wherever it stands, is looked at") {
  for (int c = 0; c < 256; ++c) {
    const bool fits = c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
    for (std::size_t at = 0; at < 20; ++at) {
      std::string text = '"' + std::string(20, 'x') + '"';
      text[1 + at] = static_cast<char>(c);
      INFO(c << " at " << at);
      REQUIRE(IsJson(text) == fits);
    }
  }
}

TEST_CASE("where a text ceases to be JSON is told") {
  const auto at = [](std::string_view text) { return FindJsonFault(text).value().at; };
  CHECK(at("") == 0);
  CHECK(at("{\"a\":}") == 5);
  CHECK(at("\"a\xFF\"") == 2);
  CHECK(at("[1, 2") == 5);
  CHECK(at("{} {}") == 3);
  CHECK(at(std::string_view("1\0", 2)) == 1);
  CHECK(at("\xEF\xBB\xBF{}") == 0);
  CHECK(!FindJsonFault("[1,]")->too_deep);
  CHECK(FindJsonFault(std::string(1'001, '['))->too_deep);
  CHECK(!FindJsonFault(std::string(1'000, '[') + "1 [")->too_deep);
}

TEST_CASE("a string is written so that it is read back") {
  CHECK(Quoted("") == "\"\"");
  CHECK(Quoted("a \"b\" \\ /") == "\"a \\\"b\\\" \\\\ /\"");
  CHECK(Quoted("\b\f\n\r\t") == "\"\\b\\f\\n\\r\\t\"");
  CHECK(Quoted(std::string_view("\0\x1f\x7f", 3)) == "\"\\u0000\\u001f\x7f\"");
  CHECK(Quoted("\xC3\xA9\xE2\x82\xAC") == "\"\xC3\xA9\xE2\x82\xAC\"");
}

TEST_CASE("what is not UTF-8 is replaced, byte by byte") {
  CHECK(Quoted("a\xFF") == "\"a\xEF\xBF\xBD\"");
  CHECK(Quoted("\xC3") == "\"\xEF\xBF\xBD\"");
  CHECK(Quoted("\xED\xA0\x80") == "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\"");
  for (int a = 0; a < 256; ++a) {
    for (int b = 0; b < 256; ++b) {
      const char bytes[] = {static_cast<char>(a), static_cast<char>(b)};
      REQUIRE(IsJson(Quoted(std::string_view(bytes, 2))));
    }
  }
}

TEST_CASE("an object's strings and numbers are read, and what is nested is left out") {
  const auto values = ReadFlatJson(
      R"( {"a":"x\n\"\u00e9\ud83d\ude00" , "n" : -1.5, "deep":{"a":[1,"}"]},"l":["]"], "b":true,"a2":"", "\u0062b":"k"} )");
  REQUIRE(values.has_value());
  CHECK(values->size() == 5);
  CHECK(values->at("a") == "x\n\"\xC3\xA9\xF0\x9F\x98\x80");
  CHECK(values->at("n") == "-1.5");
  CHECK(values->at("b") == "true");
  CHECK(values->at("a2") == "");
  CHECK(values->at("bb") == "k");
  CHECK(ReadFlatJson("{}")->empty());
  CHECK(ReadFlatJson(R"({"a":"\ud800"})")->at("a") == "\xEF\xBF\xBD");
  for (const std::string_view text : {"", "[]", "1", "{", "{\"a\"}", "{} x"}) CHECK(!ReadFlatJson(text).has_value());
}

TEST_CASE("what was written as a JSON string is read back") {
  for (int a = 0; a < 128; ++a) {
    const std::string text = {'x', static_cast<char>(a), '"', '\\'};
    CHECK(ReadFlatJson("{\"k\":" + Quoted(text) + "}")->at("k") == text);
  }
}

}  // namespace
}  // namespace runlet
