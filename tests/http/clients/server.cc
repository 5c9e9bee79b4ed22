// What the clients of these tests call: the functions of examples/runlet_serve.cc in short, and more that stream, are
// throttled, or only make a list long.
#include <fmt/format.h>
#include <signal.h>

#include <cstdio>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <string_view>

#include "runlet/http/lambda_api.h"
#include "runlet/http/stream_head.h"
#include "runlet/runlet.h"

namespace runlet::http {
namespace {

using Json = nlohmann::ordered_json;

void Must(const absl::Status& status) {
  if (status.ok()) return;
  fmt::print(stderr, "{}\n", status.ToString());
  std::exit(1);
}

std::string Big(std::string_view event) {
  return "\"" + std::string(Json::parse(event)["n"].get<std::size_t>() - 2, 'x') + "\"";
}

std::string Told(std::string_view, Context& ctx) {
  ctx.Log("a line of its own");
  Json json;
  json["functionVersion"] = ctx.function_version();
  json["qualifier"] = ctx.qualifier();
  json["awsRequestId"] = ctx.request_id().ToString();
  json["clientContext"] = std::string(ctx.client_context());
  return json.dump();
}

// Three pieces, 0.4 s apart; then an error, if the event says so.
absl::Status Stream(std::string_view event, Context& ctx) {
  for (const std::string_view piece : {"one,", "two,", "three"}) {
    if (absl::Status status = ctx.Stream("text/plain").Write(piece); !status.ok()) return status;
    ctx.Sleep(absl::Milliseconds(400));
  }
  if (event.find("fail") != event.npos) return absl::UnavailableError("broke off");
  return absl::OkStatus();
}

absl::Status StreamPage(std::string_view, Context& ctx) {
  ResponseStream& body =
      BeginStream(ctx, {.status_code = 201, .headers = {{"content-type", "text/html"}}, .cookies = {"a=1", "b=2"}});
  return body.Write("<h1>streamed</h1>");
}

std::string Page(std::string_view event) {
  const Json request = Json::parse(event);
  Json response;
  response["statusCode"] = 200;
  response["headers"]["content-type"] = "text/html";
  response["cookies"] = Json::array({"seen=yes"});
  response["body"] = fmt::format("<h1>{} {}</h1>", request["requestContext"]["http"]["method"].get<std::string>(),
                                 request["rawPath"].get<std::string>());
  return response.dump();
}

void RegisterAll(Engine& engine) {
  Must(engine.Register("echo", [](std::string_view event) { return event; }, {.description = "Returns its payload"}));
  Must(engine.Register("fail", [](std::string_view) -> std::string { throw std::runtime_error("boom"); }));
  Must(engine.Register("slow",
                       [](std::string_view event, Context& ctx) {
                         ctx.Sleep(absl::Seconds(5));
                         return event;
                       },
                       {.timeout = absl::Seconds(1)}));
  Must(engine.Register("big", Big));
  Must(engine.Register("context", Told));
  Must(engine.Register("nothing", [](std::string_view) {}));
  Must(engine.Register("closed", [](std::string_view event) { return event; }, {.reserved_concurrency = 0}));
  Must(engine.Register("stream", Stream, {.timeout = absl::Seconds(10)}));
  Must(engine.Register("stream-page", StreamPage));
  Must(engine.Register("page", Page));
  Must(engine.Register("doomed", [](std::string_view) {}));
  for (int i = 0; i < 70; ++i) Must(engine.Register(fmt::format("one-of-many-{:02}", i), [](std::string_view) {}));
}

}  // namespace
}  // namespace runlet::http

// signed: every request must be signed, by "test" for everything or by "other" for echo alone.
int main(int argc, char** argv) {
  sigset_t ends;
  sigemptyset(&ends);
  sigaddset(&ends, SIGINT);
  sigaddset(&ends, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &ends, nullptr);

  runlet::EngineOptions options;
  options.concurrency = 100;
  options.unreserved_minimum = 10;
  absl::StatusOr<runlet::Engine> engine = runlet::Engine::Create(options);
  if (!engine.ok()) return 1;
  runlet::http::RegisterAll(*engine);
  runlet::http::LambdaApiOptions api_options;
  if (argc > 1 && std::string_view(argv[1]) == "signed") {
    runlet::http::SigV4 keys;
    keys.keys = {{.id = "test", .secret = "test", .functions = {"*"}},
                 {.id = "other", .secret = "secret", .functions = {"echo"}}};
    api_options.server.authentication = keys;
  }
  auto api = runlet::http::LambdaApi::Serve(*engine, api_options);
  if (!api.ok()) return 1;
  fmt::print("serving at {}\n", api->endpoint());
  std::fflush(stdout);
  int signal = 0;
  sigwait(&ends, &signal);
  return api->Stop(absl::Seconds(5)) == 0 ? 0 : 1;
}
