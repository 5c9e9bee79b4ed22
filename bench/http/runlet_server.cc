// The front door under load: runlet_server wire|lambda|caller|strict
//
//   wire    echoes below the API: what the wire alone costs
//   lambda  Lambda's API over an engine, whose function runs in the pool
//   caller  ... on the thread that calls
//   strict  lambda, with time limits short enough to be seen
//
// One thread of the server's. Prints its port, and ends with its standard input.
#include <runlet/http/lambda_api.h>
#include <runlet/runlet.h>
#include <unistd.h>

#include <cstdio>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "http/server.h"

namespace {

using namespace runlet;  // NOLINT

class Echo final : public http::RequestHandler {
 public:
  void Handle(const http::Request& request, http::Responder responder) override {
    const http::Header type[] = {{"Content-Type", "application/json"}};
    std::move(responder).Send({.status = 200, .headers = type}, request.body);
  }
};

void SayAndWait(std::uint16_t port) {
  std::printf("%d\n", static_cast<int>(port));
  std::fflush(stdout);
  char byte;
  while (read(STDIN_FILENO, &byte, 1) > 0) {
  }
}

http::ServerOptions Options() {
  http::ServerOptions options{.threads = 1};
  options.limits.idle_time = absl::Hours(1);
  options.limits.head_time = absl::Hours(1);
  return options;
}

int ServeWire() {
  Echo echo;
  absl::StatusOr<std::unique_ptr<http::Server>> server = http::Server::Start(Options(), &echo);
  if (!server.ok()) return 1;
  SayAndWait((*server)->port());
  return 0;
}

int ServeLambda(RunOn run_on, const http::ServerOptions& options = Options()) {
  Engine engine;
  const absl::Status echo =
      engine.Register("echo", [](std::string_view event) { return std::string(event); }, {.run_on = run_on});
  const absl::Status slow = engine.Register("stream", [](std::string_view, Context& context) {
    context.Stream().Write("first").IgnoreError();
    context.Sleep(absl::Seconds(1));
    return std::string("last");
  });
  if (!echo.ok() || !slow.ok()) return 1;
  absl::StatusOr<http::LambdaApi> api = http::LambdaApi::Serve(engine, {.server = options});
  if (!api.ok()) return 1;
  SayAndWait(api->port());
  return 0;
}

}  // namespace

int main(int count, char** arguments) {
  const std::string_view mode = count == 2 ? arguments[1] : "";
  if (mode == "wire") return ServeWire();
  if (mode == "lambda") return ServeLambda(RunOn::kPool);
  if (mode == "caller") return ServeLambda(RunOn::kCaller);
  if (mode == "strict") {
    http::ServerOptions options{.threads = 1};
    options.limits.head_time = absl::Seconds(2);
    options.limits.body_time = absl::Seconds(2);
    options.limits.write_time = absl::Seconds(2);
    options.limits.idle_time = absl::Seconds(2);
    return ServeLambda(RunOn::kPool, options);
  }
  std::fprintf(stderr, "usage: %s wire|lambda|caller|strict\n", arguments[0]);
  return 2;
}
