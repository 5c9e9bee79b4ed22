#include "http/sigv4.h"

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "http/canonical_request.h"
#include "tests/catch.h"
#include "tests/http/sigv4_cases.h"

namespace runlet::http {
namespace {

const absl::Time kSignedAt = absl::FromCivil(absl::CivilSecond(2026, 1, 31, 10, 11, 12), absl::UTCTimeZone());

SigV4 Keys() {
  return {.keys = {{"AKOTHER", "another secret", {"other"}},
                   {"AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", {"resize"}}}};
}

// "AKIDEXAMPLE", or the type of the fault.
std::string Verified(const SignedCase& sent, absl::Time now = kSignedAt, const SigV4& options = Keys()) {
  std::vector<Header> headers;
  for (const auto& [name, value] : sent.headers) headers.push_back({name, value});
  Request request;
  request.method = sent.method;
  request.target = sent.target;
  request.headers = headers;
  request.body = sent.body;
  request.time = now;
  const auto outcome = VerifySignature(request, options);
  if (const auto* key = std::get_if<const AccessKey*>(&outcome)) return (*key)->id;
  const auto& fault = std::get<SignatureFault>(outcome);
  CHECK_FALSE(fault.message.empty());
  return std::string(fault.type);
}

SignedCase Case(const std::string& name) {
  for (SignedCase& one : SignedCases()) {
    if (one.name == name) return one;
  }
  FAIL("no case " << name);
  return {};
}

std::string& HeaderOf(SignedCase& sent, const std::string& name) {
  for (auto& [key, value] : sent.headers) {
    if (key == name) return value;
  }
  sent.headers.emplace_back(name, "");
  return sent.headers.back().second;
}

void Replace(std::string& text, const std::string& from, const std::string& to) {
  const std::size_t at = text.find(from);
  REQUIRE(at != std::string::npos);
  text.replace(at, from.size(), to);
}

TEST_CASE("what AWS's own client signs is believed, in headers and in URLs") {
  CHECK(SignedCases().size() > 20);
  for (const SignedCase& sent : SignedCases()) {
    INFO(sent.name);
    CHECK(Verified(sent) == "AKIDEXAMPLE");
  }
}

TEST_CASE("what is changed on the way is not believed") {
  for (const SignedCase& sent : SignedCases()) {
    INFO(sent.name);
    SignedCase changed = sent;
    changed.method = "PATCH";
    CHECK(Verified(changed) == "InvalidSignatureException");

    changed = sent;
    changed.target.insert(1, "x");
    CHECK(Verified(changed) == "InvalidSignatureException");

    changed = sent;
    changed.target += changed.target.find('?') == std::string::npos ? "?More=1" : "&More=1";
    CHECK(Verified(changed) == "InvalidSignatureException");

    changed = sent;
    HeaderOf(changed, "Host") = "other";
    CHECK(Verified(changed) == "InvalidSignatureException");

    changed = sent;
    changed.headers.emplace_back("x-AMZ-Invocation-Type", "Event");
    CHECK(Verified(changed) == "InvalidSignatureException");

    if (HeaderOf(changed = sent, "X-Amz-Content-SHA256") == "UNSIGNED-PAYLOAD") continue;
    changed = sent;
    changed.body += ' ';
    CHECK(Verified(changed) == "InvalidSignatureException");
  }
}

TEST_CASE("a body that is not signed may be any, and what says so is signed") {
  SignedCase sent = Case("a payload that is not signed");
  sent.body = "something else";
  CHECK(Verified(sent) == "AKIDEXAMPLE");

  sent = Case("a call");
  HeaderOf(sent, "X-Amz-Content-SHA256") = "UNSIGNED-PAYLOAD";
  sent.body = "something else";
  CHECK(Verified(sent) == "InvalidSignatureException");
}

TEST_CASE("a signature has one right value, to the last digit and in its case") {
  SignedCase sent = Case("a call");
  std::string& authorization = HeaderOf(sent, "Authorization");
  const std::size_t at = authorization.find("Signature=") + 10;
  const std::string right = authorization;
  for (std::size_t i = at; i < right.size(); ++i) {
    authorization = right;
    authorization[i] = right[i] == '0' ? '1' : '0';
    REQUIRE(Verified(sent) == "InvalidSignatureException");
  }
  for (const std::string& wrong :
       std::vector<std::string>{right.substr(0, right.size() - 1), right + "0", right.substr(0, at) + "x"}) {
    authorization = wrong;
    CHECK(Verified(sent) == "InvalidSignatureException");
  }
  authorization = right;
  for (std::size_t i = at; i < right.size(); ++i) {
    authorization[i] = static_cast<char>(std::toupper(static_cast<unsigned char>(authorization[i])));
  }
  CHECK(Verified(sent) == "InvalidSignatureException");
}

TEST_CASE("a signature in a header is good for the clock skew, both ways") {
  const SignedCase sent = Case("a call");
  CHECK(Verified(sent, kSignedAt + absl::Minutes(5)) == "AKIDEXAMPLE");
  CHECK(Verified(sent, kSignedAt - absl::Minutes(5)) == "AKIDEXAMPLE");
  CHECK(Verified(sent, kSignedAt + absl::Minutes(5) + absl::Seconds(1)) == "InvalidSignatureException");
  CHECK(Verified(sent, kSignedAt - absl::Minutes(5) - absl::Seconds(1)) == "InvalidSignatureException");
  SigV4 strict = Keys();
  strict.clock_skew = absl::Seconds(1);
  CHECK(Verified(sent, kSignedAt + absl::Seconds(1), strict) == "AKIDEXAMPLE");
  CHECK(Verified(sent, kSignedAt + absl::Seconds(2), strict) == "InvalidSignatureException");
}

TEST_CASE("a presigned URL is good for as long as it says") {
  const SignedCase sent = Case("a list in pages, presigned");
  CHECK(Verified(sent, kSignedAt + absl::Hours(1)) == "AKIDEXAMPLE");
  CHECK(Verified(sent, kSignedAt + absl::Hours(1) + absl::Seconds(1)) == "InvalidSignatureException");
  CHECK(Verified(sent, kSignedAt - absl::Minutes(6)) == "InvalidSignatureException");

  for (const std::string expires : {"3601", "36000"}) {
    SignedCase longer = sent;
    Replace(longer.target, "X-Amz-Expires=3600", "X-Amz-Expires=" + expires);
    CHECK(Verified(longer) == "InvalidSignatureException");
  }
  for (const std::string expires : {"0", "604801", "-1", "x", "99999999999999999999", ""}) {
    SignedCase odd = sent;
    Replace(odd.target, "X-Amz-Expires=3600", "X-Amz-Expires=" + expires);
    CHECK(Verified(odd) == "IncompleteSignatureException");
  }
}

TEST_CASE("an unknown key, a wrong secret and no signature each have their fault") {
  const SignedCase sent = Case("a call");
  CHECK(Verified(sent, kSignedAt, {.keys = {{"AKOTHER", "s", {}}}}) == "UnrecognizedClientException");
  CHECK(Verified(sent, kSignedAt, {.keys = {{"AKIDEXAMPLE", "s", {}}}}) == "InvalidSignatureException");
  SignedCase bare = sent;
  bare.headers.pop_back();
  CHECK(Verified(bare) == "MissingAuthenticationTokenException");
}

TEST_CASE("a signature that lacks a part, or has one twice, is incomplete") {
  const SignedCase sent = Case("a call");
  const std::vector<std::pair<std::string, std::string>> changes = {
      {"AWS4-HMAC-SHA256 ", "AWS4-HMAC-SHA512 "},
      {"AWS4-HMAC-SHA256 ", ""},
      {"Credential=AKIDEXAMPLE/20260131/us-east-1/lambda/aws4_request, ", ""},
      {"SignedHeaders=host;x-amz-date, ", ""},
      {"SignedHeaders=host;x-amz-date, ", "SignedHeaders=host, SignedHeaders=host;x-amz-date, "},
      {", Signature=", ", Segnature="},
      {"/lambda/", "/s3/"},
      {"/aws4_request", "/aws4"},
      {"AKIDEXAMPLE/", "AKIDEXAMPLE"},
      {"/us-east-1/", "//"}};
  for (const auto& [from, to] : changes) {
    SignedCase changed = sent;
    Replace(HeaderOf(changed, "Authorization"), from, to);
    INFO(from << " -> " << to);
    CHECK(Verified(changed) == "IncompleteSignatureException");
  }
  SignedCase twice = sent;
  twice.headers.emplace_back("authorization", HeaderOf(twice, "Authorization"));
  CHECK(Verified(twice) == "IncompleteSignatureException");
  SignedCase both = Case("a list in pages, presigned");
  both.headers.emplace_back("Authorization", HeaderOf(SignedCase(sent) = sent, "Authorization"));
  CHECK(Verified(both) == "IncompleteSignatureException");
  SignedCase broken = sent;
  broken.target += "?%zz";
  CHECK(Verified(broken) == "IncompleteSignatureException");
}

TEST_CASE("dates that are none are refused") {
  for (const std::string date : {"", "20260131T101112", "2026-01-31T10:11:12Z", "20261331T101112Z", "20260132T101112Z",
                                 "20260131T251112Z", "20260131T106112Z", "2026013aT101112Z"}) {
    SignedCase sent = Case("a call");
    HeaderOf(sent, "X-Amz-Date") = date;
    INFO(date);
    CHECK(Verified(sent) == "IncompleteSignatureException");
  }
  SignedCase other_day = Case("a call");
  Replace(HeaderOf(other_day, "Authorization"), "/20260131/", "/20260130/");
  CHECK(Verified(other_day) == "InvalidSignatureException");
}

TEST_CASE("the host must be signed, and every header that is said to be must be there") {
  SignedCase sent = Case("a call");
  Replace(HeaderOf(sent, "Authorization"), "SignedHeaders=host;", "SignedHeaders=");
  CHECK(Verified(sent) == "InvalidSignatureException");
  sent = Case("a call");
  Replace(HeaderOf(sent, "Authorization"), "SignedHeaders=host;", "SignedHeaders=content-type;host;");
  CHECK(Verified(sent) == "InvalidSignatureException");
}

TEST_CASE("a key calls the functions it was given, and no others") {
  const AccessKey key{.id = "A", .secret = "s", .functions = {"f", "g"}};
  CHECK(MayCall(key, "f"));
  CHECK(MayCall(key, "g"));
  CHECK_FALSE(MayCall(key, "h"));
  CHECK_FALSE(MayCall(key, ""));
  CHECK_FALSE(MayCall({.id = "A", .secret = "s", .functions = {}}, "f"));
  CHECK(MayCall({.id = "A", .secret = "s", .functions = {"*"}}, "f"));
}

TEST_CASE("a key for all functions changes them, and no other") {
  CHECK(MayChange({.id = "A", .secret = "s", .functions = {"f", "*"}}));
  CHECK_FALSE(MayChange({.id = "A", .secret = "s", .functions = {"f"}}));
  CHECK_FALSE(MayChange({.id = "A", .secret = "s", .functions = {}}));
}

TEST_CASE("a query is taken apart and decoded, once") {
  const auto parameters = ParseQuery("a=1+2&&b&c=%3D=%26&=x");
  REQUIRE(parameters.has_value());
  REQUIRE(parameters->size() == 4);
  CHECK((*parameters)[1].name == "b");
  CHECK((*parameters)[1].value.empty());
  CHECK((*parameters)[2].value == "==&");
  CHECK((*parameters)[3].name.empty());
  CHECK_FALSE(ParseQuery("a=%4").has_value());
  CHECK(CanonicalQuery(*parameters) == "=x&a=1%202&b=&c=%3D%3D%26");
}

}  // namespace
}  // namespace runlet::http
