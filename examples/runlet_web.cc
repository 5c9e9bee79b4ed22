// A web page and its JSON API in one function, reached through a function URL: the back end that serverless is used
// for.
//
//   runlet-web [port]
//
// Port 9002 by default; 0 for any that is free. Ends with SIGINT or SIGTERM.
#include <absl/strings/numbers.h>
#include <fmt/format.h>
#include <runlet/codec/json.h>
#include <runlet/http/lambda_api.h>
#include <runlet/runlet.h>
#include <signal.h>

#include <atomic>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>

namespace {

using Json = nlohmann::json;

// The request and the response of payload format 2.0.
inline constexpr runlet::Function<Json, Json> kSite{"site"};

constexpr std::string_view kPage = R"(<!doctype html>
<meta charset="utf-8">
<title>Visitors</title>
<h1>Visitors: <output>-</output></h1>
<button>I was here</button>
<script>
  const show = method => fetch("api/visits", {method}).then(r => r.json())
    .then(answer => document.querySelector("output").value = answer.visits);
  document.querySelector("button").onclick = () => show("POST");
  show("GET");
</script>
)";

Json Response(int status, std::string_view type, std::string_view body) {
  return {{"statusCode", status}, {"headers", {{"content-type", type}}}, {"body", body}};
}

class Site {
 public:
  Json operator()(const Json& request) const {
    const std::string path = request.value("rawPath", "/");
    const std::string method = request["requestContext"]["http"].value("method", "GET");
    if (path == "/") return Response(200, "text/html", kPage);
    if (path != "/api/visits") return Response(404, "application/json", R"({"error":"no such page"})");
    if (method == "POST") ++visits_;
    return {{"visits", visits_.load()}};  // without a statusCode: 200, as it is
  }

 private:
  mutable std::atomic<int> visits_{0};
};

int Complain(const absl::Status& status) {
  fmt::print(stderr, "runlet-web: {}\n", std::string(status.message()));
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  int port = 9002;
  if (argc > 2 || (argc == 2 && (!absl::SimpleAtoi(argv[1], &port) || port < 0 || port > 65'535))) {
    fmt::print(stderr, "usage: runlet-web [port]\n");
    return 2;
  }
  // Before the first thread, so that all have the signals blocked and sigwait() gets them.
  sigset_t ends;
  sigemptyset(&ends);
  sigaddset(&ends, SIGINT);
  sigaddset(&ends, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &ends, nullptr);

  runlet::Engine engine;
  const auto site = std::make_shared<Site>();
  const auto serve = [site](const Json& request) { return (*site)(request); };
  if (absl::Status status = engine.Register(kSite, serve); !status.ok()) return Complain(status);
  auto api = runlet::http::LambdaApi::Serve(engine, {.server = {.port = static_cast<std::uint16_t>(port)}});
  if (!api.ok()) return Complain(api.status());
  const absl::StatusOr<std::string> url = api->CreateFunctionUrl("site");
  if (!url.ok()) return Complain(url.status());
  fmt::print("open {}\n", *url);
  std::fflush(stdout);

  int signal = 0;
  sigwait(&ends, &signal);
  api->Stop(absl::Seconds(5));
  return 0;
}
