// LambdaApi as a host uses it: started, stopped, and gone before its calls are.
#include "runlet/http/lambda_api.h"

#include <absl/strings/match.h>

#include <atomic>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "runlet/base/sync.h"
#include "tests/catch.h"
#include "tests/http/client.h"

namespace runlet::http {
namespace {

constexpr std::string_view kInvokeEcho =
    "POST /2015-03-31/functions/echo/invocations HTTP/1.1\r\nHost: here\r\nContent-Length: 3\r\n\r\n\"a\"";

Engine WithEcho() {
  Engine engine;
  CHECK(engine.Register("echo", [](std::string_view event) { return event; }).ok());
  return engine;
}

LambdaApi Serve(Engine& engine, LambdaApiOptions options = {}) {
  absl::StatusOr<LambdaApi> api = LambdaApi::Serve(engine, std::move(options));
  INFO(api.status().ToString());
  REQUIRE(api.ok());
  return *std::move(api);
}

TEST_CASE("a host serves its engine with one call, on as many ports as it likes", "[realtime]") {
  Engine engine = WithEcho();
  const LambdaApi one = Serve(engine);
  const LambdaApi two = Serve(engine);
  CHECK(one.port() != two.port());
  CHECK(one.endpoint() == "http://127.0.0.1:" + std::to_string(one.port()));
  for (const std::uint16_t port : {one.port(), two.port()}) {
    Client client(port);
    CHECK(client.Send(kInvokeEcho));
    CHECK(client.Read().body == "\"a\"");
  }
}

TEST_CASE("another address wants somebody to have chosen who is believed") {
  Engine engine = WithEcho();
  CHECK(absl::IsInvalidArgument(LambdaApi::Serve(engine, {.server = {.address = "0.0.0.0"}}).status()));
  CHECK(LambdaApi::Serve(engine, {.server = {.address = "0.0.0.0", .authentication = kNoAuthentication}}).ok());
  SigV4 keyless;
  CHECK(absl::IsInvalidArgument(LambdaApi::Serve(engine, {.server = {.authentication = keyless}}).status()));
}

TEST_CASE("a function URL is the same in every run, and there once") {
  Engine engine = WithEcho();
  LambdaApi api = Serve(engine);
  const std::string url = api.CreateFunctionUrl("echo").value();
  CHECK(absl::StartsWith(url, "http://"));
  CHECK(absl::EndsWith(url, ".lambda-url.us-east-1.localhost:" + std::to_string(api.port()) + "/"));
  CHECK(absl::IsAlreadyExists(api.CreateFunctionUrl("echo").status()));
  CHECK(absl::IsNotFound(api.CreateFunctionUrl("nobody").status()));
  LambdaApi other = Serve(engine);
  CHECK(other.CreateFunctionUrl("echo")->substr(0, 39) == url.substr(0, 39));
}

TEST_CASE("a server that has gone leaves its calls to the engine", "[realtime]") {
  Mutex mu;
  CondVar changed;
  bool began = false;
  bool may_end = false;
  Engine engine = WithEcho();
  const auto wait = [&](std::string_view) {
    MutexLock lock(&mu);
    began = true;
    changed.NotifyAll();
    while (!may_end) changed.Wait(&mu);
  };
  REQUIRE(engine.Register("wait", wait, {.timeout = absl::Minutes(1)}).ok());
  std::optional<LambdaApi> api = Serve(engine);
  Client client(api->port());
  CHECK(client.Send("POST /2015-03-31/functions/wait/invocations HTTP/1.1\r\nHost: here\r\nContent-Length: 0\r\n\r\n"));
  {
    MutexLock lock(&mu);
    while (!began) changed.Wait(&mu);
  }
  CHECK(api->Stop(absl::ZeroDuration()) == 1);
  CHECK(api->Stop(absl::ZeroDuration()) == 0);
  api.reset();
  CHECK(client.AtEnd());
  {
    MutexLock lock(&mu);
    may_end = true;
    changed.NotifyAll();
  }
  CHECK(engine.WaitIdle(absl::Seconds(30)).ok());
  CHECK(engine.Metrics("wait")->invocations == 1);
}

TEST_CASE("a function of the caller's runs on the server's thread", "[realtime]") {
  Engine engine = WithEcho();
  std::atomic<int> runs{0};
  REQUIRE(engine
              .Register("here",
                        [&](std::string_view event) {
                          ++runs;
                          return event;
                        },
                        {.run_on = RunOn::kCaller})
              .ok());
  const LambdaApi api = Serve(engine);
  Client client(api.port());
  CHECK(
      client.Send("POST /2015-03-31/functions/here/invocations HTTP/1.1\r\nHost: here\r\nContent-Length: 1\r\n\r\n1"));
  CHECK(client.Read().body == "1");
  CHECK(runs == 1);
}

TEST_CASE("five hundred starts and stops, each with a call", "[realtime]") {
  Engine engine = WithEcho();
  for (int i = 0; i < 500; ++i) {
    LambdaApi api = Serve(engine);
    Client client(api.port());
    CHECK(client.Send(kInvokeEcho));
    CHECK(client.Read().status == 200);
    CHECK(api.Stop(absl::Seconds(5)) == 0);
  }
}

}  // namespace
}  // namespace runlet::http
