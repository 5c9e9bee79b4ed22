// Who is let in: nothing is called, and nothing is told of a body's size, before a signature has been looked at.
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/http/client.h"
#include "tests/http/server_fixture.h"
#include "tests/http/service_fixture.h"
#include "tests/http/signing.h"

namespace runlet::http {
namespace {

const AccessKey kAll{.id = "ALL", .secret = "all's secret", .functions = {"*"}};
const AccessKey kOther{.id = "OTHER", .secret = "other's secret", .functions = {"other"}};
const AccessKey kImpostor{.id = "ALL", .secret = "guessed", .functions = {"*"}};

const absl::Time kNow = absl::FromUnixSeconds(1'700'000'000);
constexpr std::uint64_t kTooMany = 7'000'000;
constexpr std::string_view kTooLarge = "RequestEntityTooLargeException";

ServiceFixtureOptions Guarded() { return {.authentication = SigV4{.keys = {kAll, kOther}}}; }

// Every route that takes a body, of the function `count`.
struct Route {
  std::string_view method;
  std::string target;
  bool is_call = false;
};
std::vector<Route> RoutesWithBodies() {
  return {{"POST", "/2015-03-31/functions/count/invocations", true},
          {"POST", "/2021-11-15/functions/count/response-streaming-invocations", true},
          {"POST", "/2014-11-13/functions/count/invoke-async", true},
          {"POST", "/2014-11-13/functions/count/invoke-async/", true},
          {"POST", "/lambda-url/count-signed/", true},
          {"PUT", "/2015-03-31/functions/count/configuration"},
          {"POST", "/2015-03-31/functions/count/versions"},
          {"POST", "/2015-03-31/functions/count/aliases"},
          {"PUT", "/2017-10-31/functions/count/concurrency"},
          {"PUT", "/2019-09-25/functions/count/event-invoke-config"},
          {"POST", "/2017-03-31/tags/arn%3Aaws%3Alambda%3Aus-east-1%3A000000000000%3Afunction%3Acount"},
          {"POST", "/2021-10-31/functions/count/url"},
          {"POST", "/2015-03-31/functions"}};
}

// Counts the runs of `count`, which has two URLs.
struct Counting : ServiceFixture {
  explicit Counting(ServiceFixtureOptions options) : ServiceFixture(std::move(options)) {
    REQUIRE(engine().Register("count", [this](std::string_view) { ++runs; }).ok());
    REQUIRE(service.book().AddUrl("count", {.id = "count-signed", .signed_only = true}));
  }

  // A body of kTooMany bytes, which the server has dropped; `sha256` of it, where it came.
  Reply AskTooMuch(const Route& route, const OwnedHeaders& headers, std::string_view sha256 = {}) {
    std::vector<Header> views;
    for (const auto& [name, value] : headers) views.push_back({name, value});
    RecordedExchange exchange({.method = route.method,
                               .target = route.target,
                               .headers = views,
                               .oversized_bytes = kTooMany,
                               .oversized_sha256 = sha256,
                               .peer = "127.0.0.1:1",
                               .time = kNow});
    return Take(exchange);
  }

  int runs = 0;
};

TEST_CASE("a body that was dropped opens no way around the signature") {
  Counting api(Guarded());
  const std::string body = "a body";
  for (const Route& route : RoutesWithBodies()) {
    INFO(route.method << ' ' << route.target);
    const auto signed_by = [&](const AccessKey& key) {
      return Signed(key, kNow, route.method, route.target, {}, body);
    };
    const Reply bare = api.AskTooMuch(route, {{"Host", "here"}}, Sha256Hex(body));
    CHECK(bare.status == 403);
    CHECK(bare.Find("x-amzn-ErrorType") == "MissingAuthenticationTokenException");
    const Reply forged = api.AskTooMuch(route, signed_by(kImpostor), Sha256Hex(body));
    CHECK(forged.status == 403);
    CHECK(forged.Find("x-amzn-ErrorType") == "InvalidSignatureException");
    const Reply changed = api.AskTooMuch(route, signed_by(kAll), Sha256Hex("another body"));
    CHECK(changed.status == 403);
    CHECK(changed.Find("x-amzn-ErrorType") == "InvalidSignatureException");
    if (route.target.find("count") != std::string::npos) {
      const Reply denied = api.AskTooMuch(route, signed_by(kOther), Sha256Hex(body));
      CHECK(denied.status == 403);
      CHECK(denied.Find("x-amzn-ErrorType") == "AccessDeniedException");
    }
    const Reply admitted = api.AskTooMuch(route, signed_by(kAll), Sha256Hex(body));
    CHECK(admitted.status == 413);
    CHECK(admitted.Find("x-amzn-ErrorType") == kTooLarge);
  }
  CHECK(api.runs == 0);
}

TEST_CASE("of a body that never came, the hash that is signed tells who has sent it") {
  Counting api(Guarded());
  const Route route{"POST", "/2015-03-31/functions/count/invocations"};
  for (const std::string& hash : {Sha256Hex("a body"), std::string("UNSIGNED-PAYLOAD")}) {
    const OwnedHeaders told = {{"X-Amz-Content-Sha256", hash}};
    CHECK(api.AskTooMuch(route, Signed(kAll, kNow, route.method, route.target, told, "")).status == 413);
    CHECK(api.AskTooMuch(route, Signed(kImpostor, kNow, route.method, route.target, told, "")).status == 403);
    CHECK(api.AskTooMuch(route, Signed(kOther, kNow, route.method, route.target, told, "")).status == 403);
  }
  CHECK(api.AskTooMuch(route, Signed(kAll, kNow, route.method, route.target, {}, "a body")).status == 403);
  CHECK(api.runs == 0);
}

TEST_CASE("without signatures, too, no call is made without its payload") {
  Counting api({});
  REQUIRE(api.service.book().AddUrl("count:$LATEST", {.id = "count-open"}));
  for (const Route& route : RoutesWithBodies()) {
    INFO(route.method << ' ' << route.target);
    const Reply reply = api.AskTooMuch(route, {});
    CHECK(reply.status == 413);
    CHECK(reply.Find("x-amzn-ErrorType") == kTooLarge);
  }
  CHECK(api.AskTooMuch({"PUT", "/lambda-url/count-open/x"}, {}).status == 413);
  CHECK(api.runs == 0);
  CHECK(api.sim.Ledger().Of(Activity::Kind::kAccepted).empty());
}

TEST_CASE("InvokeAsync takes what an event may have, and not a byte more") {
  Counting api({});
  const std::string path = "/2014-11-13/functions/count/invoke-async";
  const std::string most = "\"" + std::string(1'048'574, 'x') + "\"";
  CHECK(api.Ask("POST", path, most).status == 202);
  const Reply reply = api.Ask("POST", path, most + " ");
  CHECK(reply.status == 413);
  CHECK(reply.Find("x-amzn-ErrorType") == kTooLarge);
  const std::string said =
      R"~({"message":"1048577 byte payload is too large for the Event invocation type (limit 1048576 bytes)"})~";
  CHECK(reply.body == said);
  CHECK(api.Invoke("count", most + " ", {{"X-Amz-Invocation-Type", "Event"}}).body == said);
  const Reply dropped = api.AskTooMuch({"POST", path}, {});
  CHECK(dropped.body ==
        R"~({"message":"7000000 byte payload is too large for the Event invocation type (limit 1048576 bytes)"})~");
  CHECK(api.runs == 1);
}

TEST_CASE("a key for some functions calls and reads them, and changes nothing") {
  Counting api(Guarded());
  REQUIRE(api.engine().Register("other", [](std::string_view event) { return event; }).ok());
  REQUIRE(api.engine().PublishVersion("other").ok());
  REQUIRE(api.engine().CreateAlias("other", {.name = "live", .version = "1"}).ok());
  REQUIRE(api.service.book().AddUrl("other", {.id = "other", .signed_only = true}));
  const std::string of_it = "/2015-03-31/functions/other";
  const std::string tags = "/2017-03-31/tags/arn%3Aaws%3Alambda%3Aus-east-1%3A000000000000%3Afunction%3Aother";
  const auto ask = [&](const AccessKey& key, std::string_view method, const std::string& target,
                       const std::string& body) {
    const OwnedHeaders headers = Signed(key, kNow, method, target, {}, body);
    std::vector<Header> views;
    for (const auto& [name, value] : headers) views.push_back({name, value});
    return api.Ask(method, target, body, std::move(views));
  };
  struct Asked {
    std::string_view method;
    std::string target;
    std::string body = {};
  };
  for (const Asked& may : std::vector<Asked>{{"POST", of_it + "/invocations", "1"},
                                             {"POST", "/2014-11-13/functions/other/invoke-async", "1"},
                                             {"PUT", "/lambda-url/other/x", "1"},
                                             {"GET", of_it},
                                             {"GET", of_it + "/configuration"},
                                             {"GET", of_it + "/versions"},
                                             {"GET", of_it + "/aliases/live"},
                                             {"GET", "/2021-10-31/functions/other/url"},
                                             {"GET", tags},
                                             {"GET", "/2015-03-31/functions"},
                                             {"GET", "/2016-08-19/account-settings"}}) {
    INFO(may.method << ' ' << may.target);
    CHECK(ask(kOther, may.method, may.target, may.body).status / 100 == 2);
  }
  for (const Asked& may_not :
       std::vector<Asked>{{"PUT", of_it + "/configuration", R"({"Timeout":5})"},
                          {"POST", of_it + "/versions"},
                          {"POST", of_it + "/aliases", R"({"Name":"more","FunctionVersion":"1"})"},
                          {"PUT", of_it + "/aliases/live", R"({"Description":"x"})"},
                          {"PUT", "/2017-10-31/functions/other/concurrency", R"({"ReservedConcurrentExecutions":1})"},
                          {"DELETE", "/2017-10-31/functions/other/concurrency"},
                          {"PUT", "/2019-09-30/functions/other/provisioned-concurrency?Qualifier=1",
                           R"({"ProvisionedConcurrentExecutions":1})"},
                          {"PUT", "/2019-09-25/functions/other/event-invoke-config", R"({"MaximumRetryAttempts":1})"},
                          {"DELETE", "/2019-09-25/functions/other/event-invoke-config"},
                          {"PUT", "/2024-08-31/functions/other/recursion-config", R"({"RecursiveLoop":"Allow"})"},
                          {"POST", tags, R"({"Tags":{"a":"b"}})"},
                          {"DELETE", tags + "?tagKeys=a"},
                          {"PUT", "/2021-10-31/functions/other/url", R"({"AuthType":"NONE"})"},
                          {"DELETE", "/2021-10-31/functions/other/url"},
                          {"DELETE", of_it + "/aliases/live"},
                          {"DELETE", of_it}}) {
    INFO(may_not.method << ' ' << may_not.target);
    const Reply reply = ask(kOther, may_not.method, may_not.target, may_not.body);
    CHECK(reply.status == 403);
    CHECK(reply.Find("x-amzn-ErrorType") == "AccessDeniedException");
  }
  CHECK(ask(kOther, "POST", "/2015-03-31/functions", "{}").status == 403);
  CHECK(api.engine().Describe("other:live").ok());
  CHECK(ask(kAll, "PUT", of_it + "/configuration", R"({"Timeout":5})").status == 200);
  CHECK(ask(kAll, "DELETE", of_it, "").status == 204);
}

// As they go over the wire.
std::string Text(std::string_view method, std::string_view target, const OwnedHeaders& headers) {
  std::string text = fmt::format("{} {} HTTP/1.1\r\n", method, target);
  for (const auto& [name, value] : headers) text += fmt::format("{}: {}\r\n", name, value);
  return text;
}

TEST_CASE("a large body is hashed while it is dropped, for the signature that covers it", "[realtime]") {
  testing::Simulation sim;
  int runs = 0;
  REQUIRE(sim.engine().Register("count", [&](std::string_view) { ++runs; }).ok());
  const Authentication keys = SigV4{.keys = {kAll, kOther}};
  LambdaService service(sim.engine(), keys, false, 1);
  const auto server = StartServer(service, {.authentication = keys});
  const std::string body(kTooMany, 'x');
  const std::string target = "/2014-11-13/functions/count/invoke-async";
  Client client(server->port());
  const auto ask = [&](OwnedHeaders headers) {
    CHECK(client.Send(Text("POST", target, headers) + fmt::format("Content-Length: {}\r\n\r\n", body.size()) + body));
    return client.ReadStatus();
  };
  const auto ask_in_chunks = [&](OwnedHeaders headers) {
    std::string text = Text("POST", target, headers) + "Transfer-Encoding: chunked\r\n\r\n";
    for (const std::size_t size : {std::size_t{1}, std::size_t{6'000'000}, body.size() - 6'000'001}) {
      text += fmt::format("{:x}\r\n{}\r\n", size, std::string(size, 'x'));
    }
    CHECK(client.Send(text + "0\r\n\r\n"));
    return client.ReadStatus();
  };
  for (int i = 0; i < 2; ++i) {
    CHECK(ask({{"Host", "here"}}) == 403);
    CHECK(ask(Signed(kAll, absl::Now(), "POST", target, {}, body)) == 413);
    CHECK(ask(Signed(kAll, absl::Now(), "POST", target, {}, body + "x")) == 403);
    CHECK(ask_in_chunks(Signed(kAll, absl::Now(), "POST", target, {}, body)) == 413);
    CHECK(ask_in_chunks(Signed(kAll, absl::Now(), "POST", target, {}, "x")) == 403);
  }
  CHECK(runs == 0);
  CHECK(sim.Ledger().Of(Activity::Kind::kAccepted).empty());
}

}  // namespace
}  // namespace runlet::http
