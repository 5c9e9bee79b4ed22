// Invoke, to the byte.
#include <absl/strings/escaping.h>

#include <stdexcept>
#include <string>

#include "http/payload_check.h"
#include "tests/http/service_fixture.h"

namespace runlet::http {
namespace {

void RegisterEcho(ServiceFixture& api) {
  REQUIRE(api.engine().Register("echo", [](std::string_view event) { return event; }).ok());
}

TEST_CASE("a result is answered as it is, with what Lambda says beside it") {
  ServiceFixture api;
  RegisterEcho(api);
  const Reply reply = api.Invoke("echo", R"({ "n": 1.50 })");
  CHECK(reply.status == 200);
  CHECK(reply.body == R"({ "n": 1.50 })");
  const std::string id = reply.Find("x-amzn-RequestId").value();
  CHECK(reply.headers ==
        std::vector<std::pair<std::string, std::string>>{
            {"Content-Type", "application/json"},
            {"x-amzn-RequestId", id},
            {"x-amzn-Remapped-Content-Length", "0"},
            {"X-Amz-Executed-Version", "$LATEST"},
            {"X-Amzn-Trace-Id", "Root=1-" + id.substr(0, 8) + "-" + id.substr(9, 4) + id.substr(14, 4) +
                                    id.substr(19, 4) + id.substr(24) + ";Sampled=0"}});
  CHECK(api.sim.Ledger().Of(Activity::Kind::kStarted).at(0).request_id.ToString() == id);
  CHECK(api.Invoke("echo", "1", {{"x-amzn-trace-id", "Root=1-a-b"}}).Find("X-Amzn-Trace-Id") == "Root=1-a-b");
}

TEST_CASE("a function is found by all its names, decoded once") {
  ServiceFixture api;
  RegisterEcho(api);
  for (const std::string name :
       {"echo", "echo:$LATEST", "echo%3A%24LATEST", "arn%3Aaws%3Alambda%3Aus-east-1%3A000000000000%3Afunction%3Aecho",
        "000000000000:function:echo", "echo?Qualifier=%24LATEST"}) {
    INFO(name);
    const std::size_t query = name.find('?');
    const std::string target = "/2015-03-31/functions/" + name.substr(0, query) + "/invocations" +
                               (query == name.npos ? "" : name.substr(query));
    CHECK(api.Ask("POST", target, "1").body == "1");
  }
  CHECK(api.Invoke("echo%253A1", "1").status == 400);
}

TEST_CASE("the function's own ARN ends with the qualifier that the call named") {
  ServiceFixture api;
  const auto tell = [&](std::string_view, Context& ctx) {
    return FunctionArn(api.engine().account(), ctx.function_name(), ctx.qualifier());
  };
  REQUIRE(api.engine().Register("tell", tell).ok());
  REQUIRE(api.engine().PublishVersion("tell").ok());
  REQUIRE(api.engine().CreateAlias("tell", {.name = "live", .version = "1"}).ok());
  const std::string arn = "arn:aws:lambda:us-east-1:000000000000:function:tell";
  CHECK(api.Invoke("tell").body == arn);
  for (const std::string qualifier : {"$LATEST", "1", "live"}) {
    INFO(qualifier);
    CHECK(api.Invoke("tell:" + qualifier).body == arn + ":" + qualifier);
    const std::string query = "/2015-03-31/functions/tell/invocations?Qualifier=" + qualifier;
    CHECK(api.Ask("POST", query).body == arn + ":" + qualifier);
    const std::string streamed = "/2021-11-15/functions/tell/response-streaming-invocations?Qualifier=" + qualifier;
    CHECK(api.Ask("POST", streamed).body.find(arn + ":" + qualifier) != std::string::npos);
  }
}

TEST_CASE("what a function failed with is an answer of 200") {
  ServiceFixture api;
  REQUIRE(api.engine()
              .Register("throws", [](std::string_view) -> std::string { throw std::runtime_error("b\"oom"); })
              .ok());
  REQUIRE(api.engine()
              .Register("late", [](std::string_view, Context& ctx) { ctx.Sleep(absl::Seconds(10)); },
                        {.timeout = absl::Seconds(1)})
              .ok());
  const Reply thrown = api.Invoke("throws");
  CHECK(thrown.status == 200);
  CHECK(thrown.Find("X-Amz-Function-Error") == "Unhandled");
  CHECK(thrown.Find("X-Amz-Executed-Version") == "$LATEST");
  CHECK(thrown.body == R"({"errorMessage":"b\"oom","errorType":"std::runtime_error","stackTrace":[]})");
  const Reply late = api.Invoke("late");
  CHECK(late.Find("X-Amz-Function-Error") == "Unhandled");
  CHECK(late.body == R"({"errorType":"Sandbox.Timedout","errorMessage":"RequestId: )" + *late.Find("x-amzn-RequestId") +
                         R"( Error: Task timed out after 1.00 seconds"})");
}

struct Refused {
  std::string target;
  ServiceFixture::Headers headers;
  std::string body;
  int status;
  std::string type;
  std::string answer;
};

TEST_CASE("every refusal has its status, its type and its key") {
  ServiceFixture api;
  RegisterEcho(api);
  REQUIRE(api.engine().Register("closed", [](std::string_view) {}, {.reserved_concurrency = 0}).ok());
  const std::string pattern =
      R"((arn:(aws[a-zA-Z-]*)?:lambda:)?([a-z]{2}(-gov)?-[a-z]+-\\d{1}:)?(\\d{12}:)?(function:)?([a-zA-Z0-9-_\\.]+)(:(\\$LATEST|[a-zA-Z0-9-_]+))?)";
  const std::string invalid =
      R"({"Type":"User","message":"Could not parse request body into json: Could not parse payload into json: )";
  const Refused all[] = {
      {"nobody",
       {},
       "",
       404,
       "ResourceNotFoundException",
       R"({"Type":"User","Message":"Function not found: arn:aws:lambda:us-east-1:000000000000:function:nobody:$LATEST"})"},
      {"echo:3",
       {},
       "",
       404,
       "ResourceNotFoundException",
       R"({"Type":"User","Message":"Function not found: arn:aws:lambda:us-east-1:000000000000:function:echo:3"})"},
      {"us-west-2:000000000000:function:echo",
       {},
       "",
       404,
       "ResourceNotFoundException",
       R"~({"Type":"User","Message":"Functions from 'us-west-2' are not reachable in this region ('us-east-1')"})~"},
      {"111111111111:function:echo",
       {},
       "",
       404,
       "ResourceNotFoundException",
       R"({"Type":"User","Message":"Function not found: arn:aws:lambda:us-east-1:111111111111:function:echo:$LATEST"})"},
      {"a%00b",
       {},
       "",
       400,
       "ValidationException",
       R"({"message":"1 validation error detected: Value 'a\u0000b' at 'functionName' failed to satisfy constraint: Member must satisfy regular expression pattern: )" +
           pattern + R"("})"},
      {"echo",
       {{"X-Amz-Invocation-Type", "Later"}},
       "",
       400,
       "ValidationException",
       R"({"message":"1 validation error detected: Value 'Later' at 'invocationType' failed to satisfy constraint: Member must satisfy enum value set: [Event, RequestResponse, DryRun]"})"},
      {"echo",
       {{"X-Amz-Log-Type", "All"}},
       "",
       400,
       "ValidationException",
       R"({"message":"1 validation error detected: Value 'All' at 'logType' failed to satisfy constraint: Member must satisfy enum value set: [None, Tail]"})"},
      {"echo", {}, "{\"a\":}", 400, "InvalidRequestContentException", invalid + R"(not JSON at byte 6 of 6"})"},
      {"echo", {}, "\"\xff\"", 400, "InvalidRequestContentException", invalid + R"(not JSON at byte 2 of 3"})"},
      {"echo",
       {},
       std::string(1001, '['),
       400,
       "InvalidRequestContentException",
       invalid + R"(nested deeper than 1000 levels"})"},
      {"nobody",
       {},
       "{",
       404,
       "ResourceNotFoundException",
       R"({"Type":"User","Message":"Function not found: arn:aws:lambda:us-east-1:000000000000:function:nobody:$LATEST"})"},
      {"echo",
       {{"X-Amz-Client-Context", "e30"}, {"X-Amz-Tenant-Id", "t"}},
       "",
       400,
       "InvalidParameterValueException",
       R"({"Type":"User","message":"The invoked function is not enabled with tenancy configuration. Remove the tenant ID from your request and try again."})"},
      {"echo",
       {{"X-Amz-Client-Context", "{}"}},
       "",
       400,
       "InvalidRequestContentException",
       R"({"Type":"User","message":"Client context must be a valid Base64-encoded JSON object."})"},
      {"closed",
       {},
       "",
       429,
       "TooManyRequestsException",
       R"({"Reason":"ReservedFunctionConcurrentInvocationLimitExceeded","Type":"User","message":"Rate Exceeded."})"},
      {"echo:$LATEST.PUBLISHED", {}, "", 400, "ValidationException", ""},
  };
  for (const Refused& each : all) {
    INFO(each.target << " " << each.body);
    const Reply reply = api.Invoke(each.target, each.body, each.headers);
    CHECK(reply.status == each.status);
    CHECK(reply.Find("x-amzn-ErrorType") == each.type);
    CHECK(reply.Find("x-amzn-RequestId").has_value());
    CHECK(reply.Find("Retry-After") == (each.status == 429 ? std::optional<std::string>("1") : std::nullopt));
    if (!each.answer.empty()) CHECK(reply.body == each.answer);
  }
}

TEST_CASE("a query that cannot be decoded is refused, and nothing runs in its place") {
  ServiceFixture api;
  RegisterEcho(api);
  for (const auto& [method, target] :
       {std::pair<std::string, std::string>{"POST", "/2015-03-31/functions/echo/invocations?Qualifier="},
        {"POST", "/2021-11-15/functions/echo/response-streaming-invocations?Qualifier="},
        {"POST", "/2014-11-13/functions/echo/invoke-async?x="},
        {"GET", "/2015-03-31/functions?Marker="},
        {"GET", "/2015-03-31/functions/echo?Qualifier="},
        {"DELETE", "/2017-03-31/tags/echo?tagKeys="}}) {
    for (const std::string wrong : {"%zz", "%4", "%", "a%"}) {
      INFO(target << wrong);
      const Reply reply = api.Ask(method, target + wrong);
      CHECK(reply.status == 400);
      CHECK(reply.Find("x-amzn-ErrorType") == "InvalidParameterValueException");
    }
  }
  CHECK(api.engine().Metrics("echo")->invocations == 0);
  CHECK(api.sim.Ledger().Of(Activity::Kind::kAccepted).empty());
}

TEST_CASE("a client context is an object, and a request id a UUID") {
  ServiceFixture api;
  RegisterEcho(api);
  for (const char* json : {"5", "[1]", "null", "\"a\"", " 5"}) {
    INFO(json);
    const std::string context = absl::Base64Escape(json);
    const Reply reply = api.Invoke("echo", "1", {{"X-Amz-Client-Context", context}});
    CHECK(reply.status == 400);
    CHECK(reply.Find("x-amzn-ErrorType") == "InvalidRequestContentException");
  }
  const std::string object = absl::Base64Escape(" \n{}");
  CHECK(api.Invoke("echo", "1", {{"X-Amz-Client-Context", object}}).status == 200);
  for (const char* id : {"", "mine", "0e8e1d5c-1111-4222-8333-44445555666", "0e8e1d5c-1111-4222-8333-4444555566667"}) {
    INFO(id);
    const Reply reply = api.Invoke("echo", "1", {{"x-amzn-RequestId", id}});
    CHECK(reply.status == 400);
    CHECK(reply.Find("x-amzn-ErrorType") == "InvalidRequestContentException");
    CHECK(reply.body == R"({"Type":"User","message":"The x-amzn-RequestId header is not a valid UUID."})");
  }
  CHECK(api.Invoke("echo", "1", {{"X-Amzn-RequestId", "0E8E1D5C-1111-4222-8333-444455556666"}}).status == 200);
}

TEST_CASE("a result that is no JSON, or no UTF-8, is answered as it is") {
  ServiceFixture api;
  for (const std::string_view result :
       {std::string_view("not JSON"), std::string_view("\"\xff\xfe\""), std::string_view("")}) {
    if (api.engine().Describe("raw").ok()) REQUIRE(api.engine().Remove("raw").ok());
    REQUIRE(api.engine().Register("raw", [result](std::string_view) { return result; }).ok());
    const Reply reply = api.Invoke("raw");
    CHECK(reply.status == 200);
    CHECK(reply.body == result);
    CHECK(reply.Find("Content-Type") == "application/json");
    CHECK(!reply.Find("X-Amz-Function-Error").has_value());
  }
}

TEST_CASE("bodies past the limit are told to the byte") {
  ServiceFixture api;
  RegisterEcho(api);
  RecordedExchange large({.method = "POST",
                          .target = "/2015-03-31/functions/echo/invocations",
                          .headers = {},
                          .body = {},
                          .oversized_bytes = 6'291'457,
                          .peer = "127.0.0.1:1",
                          .time = absl::UnixEpoch()});
  const Reply reply = api.Take(large);
  CHECK(reply.status == 413);
  CHECK(reply.Find("x-amzn-ErrorType") == "RequestEntityTooLargeException");
  CHECK(reply.body == R"({"message":"Request must be smaller than 6291456 bytes for the InvokeFunction operation"})");
  const std::string event = "\"" + std::string(1'048'576, 'x') + "\"";
  CHECK(api.Invoke("echo", event, {{"X-Amz-Invocation-Type", "Event"}}).body ==
        R"~({"message":"1048578 byte payload is too large for the Event invocation type (limit 1048576 bytes)"})~");
}

TEST_CASE("an event is accepted, and a dry run runs nothing") {
  ServiceFixture api;
  RegisterEcho(api);
  const Reply event = api.Invoke("echo", "1", {{"X-Amz-Invocation-Type", "Event"}});
  CHECK(event.status == 202);
  CHECK(event.body.empty());
  CHECK(!event.Find("X-Amz-Executed-Version").has_value());
  CHECK(api.sim.Ledger().Of(Activity::Kind::kAccepted).at(0).request_id.ToString() == event.Find("x-amzn-RequestId"));
  const Reply dry = api.Invoke("echo", "1", {{"X-Amz-Invocation-Type", "DryRun"}});
  CHECK(dry.status == 204);
  CHECK(api.engine().Metrics("echo")->invocations == 1);
  CHECK(api.Ask("POST", "/2014-11-13/functions/echo/invoke-async/", "1").status == 202);
}

TEST_CASE("client context reaches the handler decoded, and the log tail its caller encoded") {
  ServiceFixture api;
  REQUIRE(api.engine()
              .Register("tell",
                        [](std::string_view, Context& ctx) {
                          ctx.Log("mine");
                          return std::string(ctx.client_context());
                        })
              .ok());
  const Reply reply = api.Invoke("tell", "", {{"X-Amz-Client-Context", "eyJhIjoxfQ=="}, {"X-Amz-Log-Type", "Tail"}});
  CHECK(reply.body == R"({"a":1})");
  std::string log;
  REQUIRE(absl::Base64Unescape(*reply.Find("X-Amz-Log-Result"), &log));
  const std::string id = *reply.Find("x-amzn-RequestId");
  CHECK(log == "START RequestId: " + id + " Version: $LATEST\nmine\nEND RequestId: " + id + "\nREPORT RequestId: " +
                   id + "\tDuration: 0.00 ms\tBilled Duration: 1 ms\tMemory Size: 128 MB\tMax Memory Used: 0 MB\t\n");
}

TEST_CASE("numbers that no double holds are JSON, and zeros in front are none") {
  for (const char* json : {"1e400", "[-1e999, \"1e999\"]", "123456789012345678901234567890", "\"\\\"1e9999\""}) {
    INFO(json);
    CHECK(PayloadError(json).empty());
  }
  CHECK(PayloadError(std::string(400, '9')).empty());
  for (const char* wrong : {"1e400 x", "[1e400, 01]", "[1e400, 1.]", "[1e400", "", " ", "nul", "{\"a\" 1}"}) {
    INFO(wrong);
    CHECK(!PayloadError(wrong).empty());
  }
}

TEST_CASE("with de-duplication the attempts of one call are one call") {
  ServiceFixture api({.deduplicate_retries = true});
  int runs = 0;
  REQUIRE(api.engine()
              .Register("work",
                        [&](std::string_view event, Context& ctx) {
                          ++runs;
                          ctx.Sleep(absl::Seconds(1));
                          return event;
                        })
              .ok());
  const ServiceFixture::Headers attempt = {{"amz-sdk-invocation-id", "0e8e1d5c-0001"}};
  RecordedExchange first("POST", "/2015-03-31/functions/work/invocations", attempt, "1");
  first.HandTo(api.service);
  const Reply second = api.Invoke("work", "1", attempt);  // while the first runs
  const Reply third = api.Invoke("work", "1", attempt);   // when it has ended
  CHECK(runs == 1);
  CHECK(first.body() == "1");
  CHECK(second.body == "1");
  CHECK(third.body == "1");
  CHECK(second.Find("x-amzn-RequestId") == first.header("x-amzn-RequestId"));
  CHECK(api.Invoke("work", "1", {{"amz-sdk-invocation-id", "0e8e1d5c-0002"}}).body == "1");
  CHECK(runs == 2);
  const ServiceFixture::Headers event = {{"amz-sdk-invocation-id", "0e8e1d5c-0003"},
                                         {"X-Amz-Invocation-Type", "Event"}};
  CHECK(api.Invoke("work", "1", event).Find("x-amzn-RequestId") ==
        api.Invoke("work", "1", event).Find("x-amzn-RequestId"));
  CHECK(runs == 3);
  const auto post = [&] {
    return api.Ask("POST", "/2014-11-13/functions/work/invoke-async", "1", {{"amz-sdk-invocation-id", "0e8e1d5c-0004"}})
        .status;
  };
  CHECK(post() == 202);
  CHECK(post() == 202);
  CHECK(runs == 4);
}

TEST_CASE("with de-duplication a call that was refused is made anew") {
  ServiceFixture api({.deduplicate_retries = true});
  REQUIRE(
      api.engine().Register("work", [](std::string_view event) { return event; }, {.reserved_concurrency = 0}).ok());
  const ServiceFixture::Headers attempt = {{"amz-sdk-invocation-id", "0e8e1d5c-0001"}};
  CHECK(api.Invoke("work", "1", attempt).status == 429);
  REQUIRE(api.engine().SetReservedConcurrency("work", std::nullopt).ok());
  CHECK(api.Invoke("work", "1", attempt).body == "1");
}

}  // namespace
}  // namespace runlet::http
