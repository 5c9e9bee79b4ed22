// Function URLs: requests as events of payload format 2.0, results as responses.
#include "http/function_url.h"

#include <absl/strings/match.h>

#include <string>

#include "http/stream_prelude.h"
#include "runlet/http/stream_head.h"
#include "tests/http/service_fixture.h"

namespace runlet::http {
namespace {

using HeaderList = std::vector<std::pair<std::string, std::string>>;

TEST_CASE("a request is an event of payload format 2.0") {
  const FunctionUrlConfig config{.id = "abc"};
  const Header headers[] = {{"Host", "abc.lambda-url.us-east-1.localhost:9001"},
                            {"User-Agent", "curl"},
                            {"Accept", "text/html"},
                            {"accept", "*/*"},
                            {"Cookie", "a=1; b=2"},
                            {"Content-Type", "application/json"}};
  const Request request{.method = "POST",
                        .target = "/pa2%Fth/1?q=1&q=2&empty",
                        .headers = headers,
                        .body = "{\"n\":1}",
                        .peer = "127.0.0.1:50000",
                        .time = absl::FromUnixMillis(1'583'348'638'390)};
  CHECK(
      FunctionUrlEvent(config, Account{}, request, request.target, "id-1") ==
      R"({"version":"2.0","routeKey":"$default","rawPath":"/pa2%Fth/1","rawQueryString":"q=1&q=2&empty",)"
      R"("cookies":["a=1","b=2"],"headers":{"accept":"text/html,*/*","content-type":"application/json",)"
      R"("host":"abc.lambda-url.us-east-1.localhost:9001","user-agent":"curl","x-forwarded-for":"127.0.0.1",)"
      R"("x-forwarded-proto":"http"},"queryStringParameters":{"q":"1,2","empty":""},)"
      R"("requestContext":{"accountId":"anonymous","apiId":"abc","domainName":"abc.lambda-url.us-east-1.localhost",)"
      R"("domainPrefix":"abc","http":{"method":"POST","path":"/pa2%Fth/1","protocol":"HTTP/1.1",)"
      R"("sourceIp":"127.0.0.1","userAgent":"curl"},"requestId":"id-1","routeKey":"$default","stage":"$default",)"
      R"("time":"04/Mar/2020:19:03:58 +0000","timeEpoch":1583348638390},"body":"{\"n\":1}","isBase64Encoded":false})");
}

TEST_CASE("a body that is no text is encoded") {
  const Header headers[] = {{"Content-Type", "application/octet-stream"}};
  const Request bytes{
      .method = "POST", .target = "/", .headers = headers, .body = "\x01\xff", .time = absl::UnixEpoch()};
  const std::string event = FunctionUrlEvent({}, Account{}, bytes, "/", "");
  CHECK(absl::StrContains(event, R"("body":"Af8=","isBase64Encoded":true)"));
  const Request broken{.method = "POST", .target = "/", .headers = {}, .body = "\xff", .time = absl::UnixEpoch()};
  CHECK(absl::StrContains(FunctionUrlEvent({}, Account{}, broken, "/", ""), R"("body":"/w==","isBase64Encoded":true)"));
}

TEST_CASE("a result without a statusCode is the body") {
  for (const auto& [result, body] : {std::pair<std::string, std::string>{R"({"a":1})", R"({"a":1})"},
                                     {"\"hello\"", "hello"},
                                     {"[1,2]", "[1,2]"},
                                     {"true", "true"},
                                     {"null", "null"},
                                     {"<h1>no JSON</h1>", "<h1>no JSON</h1>"}}) {
    const UrlResponse response = ReadUrlResult(result);
    CHECK(response.status == 200);
    CHECK(response.headers == HeaderList{{"content-type", "application/json"}});
    CHECK(response.body == body);
  }
}

TEST_CASE("a result with a statusCode is a response") {
  const UrlResponse response = ReadUrlResult(
      R"({"statusCode":201,"headers":{"Content-Type":"text/plain","X-N":5},"cookies":["a=1","b=2"],"body":"aGk=","isBase64Encoded":true})");
  CHECK(response.status == 201);
  CHECK(response.headers ==
        HeaderList{{"Content-Type", "text/plain"}, {"X-N", "5"}, {"set-cookie", "a=1"}, {"set-cookie", "b=2"}});
  CHECK(response.body == "hi");
  CHECK(ReadUrlResult(R"({"statusCode":"teapot"})").status == 502);
  CHECK(ReadUrlResult(R"({"statusCode":204})").body.empty());
}

TEST_CASE("a statusCode that no response ends with is 502, streamed or not") {
  for (const char* code : {"4294967496", "-4294967096", "18446744073709551615", "199", "100", "42", "0", "-1", "600",
                           "1000", "200.5", "\"200\"", "null", "[200]"}) {
    INFO(code);
    const std::string json = std::string(R"({"statusCode":)") + code + R"(,"body":"x"})";
    CHECK(ReadUrlResult(json).status == 502);
    CHECK(ReadUrlResult(json).body == "Internal Server Error");
    CHECK(!ParsePrelude(json).has_value());
  }
  for (const int code : {200, 599}) {
    const std::string json = R"({"statusCode":)" + std::to_string(code) + "}";
    CHECK(ReadUrlResult(json).status == code);
    CHECK(ParsePrelude(json)->status_code == code);
  }
  CHECK(ParsePrelude("{}")->status_code == 200);
}

TEST_CASE("a URL's query is its function's, however it is encoded") {
  ServiceFixture api;
  REQUIRE(api.engine().Register("page", [](std::string_view) { return "{}"; }).ok());
  REQUIRE(api.service.book().AddUrl("page", {.id = "page"}));
  CHECK(api.Ask("GET", "/lambda-url/page/?x=%zz").status == 200);
}

TEST_CASE("a URL is found by host and by path") {
  const auto found = [](std::string_view host, std::string_view target) {
    const Header headers[] = {{"Host", host}};
    const Request request{.method = "GET", .target = target, .headers = headers, .time = absl::UnixEpoch()};
    const std::optional<FunctionUrlRequest> url = FindFunctionUrl(request);
    return url.has_value() ? std::string(url->id) + " " + std::string(url->target) : "none";
  };
  CHECK(found("abc.lambda-url.us-east-1.localhost:1", "/x?y") == "abc /x?y");
  CHECK(found("127.0.0.1:1", "/lambda-url/abc/x?y") == "abc /x?y");
  CHECK(found("127.0.0.1:1", "/lambda-url/abc?y") == "abc ?y");
  CHECK(found("127.0.0.1:1", "/2015-03-31/functions") == "none");
}

TEST_CASE("a function error is 502, and a throttle what it is everywhere") {
  ServiceFixture api;
  REQUIRE(api.engine().Register("fail", [](std::string_view) { return absl::NotFoundError("no"); }).ok());
  REQUIRE(api.engine().Register("closed", [](std::string_view) {}, {.reserved_concurrency = 0}).ok());
  for (const char* name : {"fail", "closed"}) {
    REQUIRE(api.service.book().AddUrl(name, {.id = name}));
  }
  const Reply failed = api.Ask("GET", "/lambda-url/fail/");
  CHECK(failed.status == 502);
  CHECK(failed.body == "Internal Server Error");
  CHECK(failed.Find("x-amzn-RequestId").has_value());
  CHECK(api.Ask("GET", "/lambda-url/closed/").status == 429);
  CHECK(api.Ask("GET", "/lambda-url/nobody/").status == 404);
}

TEST_CASE("a streamed response has the head that the handler gave it, in both modes") {
  ServiceFixture api;
  REQUIRE(api.engine()
              .Register("page",
                        [](std::string_view, Context& ctx) {
                          return BeginStream(ctx, {.status_code = 201,
                                                   .headers = {{"content-type", "text/html"}},
                                                   .cookies = {"a=1"}})
                              .Write("<h1>");
                        })
              .ok());
  REQUIRE(api.engine()
              .Register("text", [](std::string_view, Context& ctx) { return ctx.Stream("text/plain").Write("hi"); })
              .ok());
  for (const bool streams : {false, true}) {
    api.service.book().RemoveUrl("page");
    api.service.book().RemoveUrl("text");
    REQUIRE(api.service.book().AddUrl("page", {.id = "page", .streams = streams}));
    REQUIRE(api.service.book().AddUrl("text", {.id = "text", .streams = streams}));
    const Reply page = api.Ask("GET", "/lambda-url/page/");
    CHECK(page.status == 201);
    CHECK(page.body == "<h1>");
    CHECK(page.Find("content-type") == "text/html");
    CHECK(page.Find("set-cookie") == "a=1");
    const Reply text = api.Ask("GET", "/lambda-url/text/");
    CHECK(text.status == 200);
    CHECK(text.body == "hi");
    CHECK(text.Find("content-type") == "text/plain");
  }
}

TEST_CASE("a stream whose head cannot be read is 502 and nothing else, in both modes") {
  ServiceFixture api;
  const std::string end(8, '\0');
  for (const std::string& head :
       {"{\"statusCode\":99}" + end, "no JSON" + end, std::string("{\"statusCode\":200}"), std::string(100'000, ' ')}) {
    REQUIRE(api.engine()
                .Register("page",
                          [&](std::string_view, Context& ctx) {
                            ResponseStream& stream = ctx.Stream("application/vnd.awslambda.http-integration-response");
                            stream.Write(head + "secret").IgnoreError();
                            stream.Write("more").IgnoreError();
                          })
                .ok());
    for (const bool streams : {false, true}) {
      INFO(head.substr(0, 20) << " " << streams);
      REQUIRE(api.service.book().AddUrl("page", {.id = "page", .streams = streams}));
      const Reply page = api.Ask("GET", "/lambda-url/page/");
      CHECK(page.status == 502);
      CHECK(page.body == "Internal Server Error");
      CHECK(page.Find("x-amzn-RequestId").has_value());
      api.service.book().RemoveUrl("page");
    }
    REQUIRE(api.engine().Remove("page").ok());
  }
}

TEST_CASE("pages of other origins are let in as configured") {
  ServiceFixture api;
  REQUIRE(api.engine().Register("page", [](std::string_view) { return "{}"; }).ok());
  const Cors cors{
      .allow_headers = {"x-a"}, .allow_methods = {"GET", "POST"}, .allow_origins = {"http://here"}, .max_age = 60};
  REQUIRE(api.service.book().AddUrl("page", {.id = "page", .cors = cors}));
  CHECK(api.Ask("GET", "/lambda-url/page/", "", {{"Origin", "http://here"}}).Find("access-control-allow-origin") ==
        "http://here");
  CHECK(!api.Ask("GET", "/lambda-url/page/", "", {{"Origin", "http://there"}})
             .Find("access-control-allow-origin")
             .has_value());
  const Reply preflight = api.Ask("OPTIONS", "/lambda-url/page/", "",
                                  {{"Origin", "http://here"}, {"Access-Control-Request-Method", "POST"}});
  CHECK(preflight.status == 200);
  CHECK(preflight.Find("access-control-allow-methods") == "GET,POST");
  CHECK(preflight.Find("access-control-max-age") == "60");
  CHECK(api.engine().Metrics("page")->invocations == 2);
}

}  // namespace
}  // namespace runlet::http
