// Lambda's API over the functions of a program: call them with the AWS CLI, an AWS SDK, curl or a browser.
//
//   runlet-serve [port]
//
// Port 9001 by default; 0 for any that is free. Ends, in good order, with SIGINT or SIGTERM.
#include <absl/strings/numbers.h>
#include <fmt/format.h>
#include <runlet/http/lambda_api.h>
#include <runlet/runlet.h>
#include <signal.h>

#include <cstdio>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace {

using Json = nlohmann::ordered_json;

// Its payload, unchanged.
std::string_view Echo(std::string_view event) { return event; }

std::string Fail(std::string_view) { throw std::runtime_error("boom"); }

// Its payload, after 5 s.
absl::StatusOr<std::string> Slow(std::string_view event, runlet::Context& ctx) {
  if (!ctx.Sleep(absl::Seconds(5))) return absl::CancelledError("asked to stop");
  return std::string(event);
}

// {"n": 100} gives a result of 100 bytes: a JSON string of x.
absl::StatusOr<std::string> Big(std::string_view event) {
  constexpr std::int64_t kMost = 256 << 20;
  const Json json = Json::parse(event, nullptr, false);
  if (!json.is_object() || !json.contains("n") || !json["n"].is_number_integer()) {
    return absl::InvalidArgumentError(R"(the event must be {"n": bytes})");
  }
  const auto bytes = json["n"].get<std::int64_t>();
  if (bytes < 2 || bytes > kMost) return absl::OutOfRangeError(fmt::format("n is {}: not 2 to {}", bytes, kMost));
  return "\"" + std::string(static_cast<std::size_t>(bytes - 2), 'x') + "\"";
}

// Prints what the context says.
class ContextFunction {
 public:
  explicit ContextFunction(const runlet::Account& account) : account_(account) {}

  std::string operator()(std::string_view, runlet::Context& ctx) const {
    ctx.Log("who calls?");
    Json json;
    json["functionName"] = ctx.function_name();
    json["functionVersion"] = ctx.function_version();
    json["invokedFunctionArn"] = runlet::FunctionArn(account_, ctx.function_name(), ctx.qualifier());
    json["awsRequestId"] = ctx.request_id().ToString();
    json["remainingMs"] = absl::ToInt64Milliseconds(ctx.remaining_time());
    const Json client = Json::parse(ctx.client_context(), nullptr, false);
    json["clientContext"] = client.is_discarded() ? Json() : client;
    return json.dump();
  }

 private:
  const runlet::Account account_;
};

absl::Status RegisterAll(runlet::Engine& engine) {
  // Takes less time than a thread takes to wake, so it runs on the one that reads the request.
  absl::Status status =
      engine.Register("echo", Echo, {.run_on = runlet::RunOn::kCaller, .description = "Returns its payload"});
  status.Update(engine.Register("fail", Fail, {.description = "Throws"}));
  status.Update(engine.Register("slow", Slow, {.timeout = absl::Seconds(10), .description = "Sleeps for 5 s"}));
  status.Update(engine.Register("big", Big, {.description = "Returns {\"n\": bytes}"}));
  status.Update(engine.Register("context", ContextFunction(engine.account()),
                                {.description = "Returns what it is told of the call"}));
  return status;
}

// Ends the program with the reason.
int Complain(const absl::Status& status) {
  fmt::print(stderr, "runlet-serve: {}\n", std::string(status.message()));
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  int port = 9001;
  if (argc > 2 || (argc == 2 && (!absl::SimpleAtoi(argv[1], &port) || port < 0 || port > 65'535))) {
    fmt::print(stderr, "usage: runlet-serve [port]\n");
    return 2;
  }
  // Before the first thread, so that all have the signals blocked and sigwait() gets them.
  sigset_t ends;
  sigemptyset(&ends);
  sigaddset(&ends, SIGINT);
  sigaddset(&ends, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &ends, nullptr);

  runlet::Engine engine;
  if (absl::Status status = RegisterAll(engine); !status.ok()) return Complain(status);
  auto api = runlet::http::LambdaApi::Serve(engine, {.server = {.port = static_cast<std::uint16_t>(port)}});
  if (!api.ok()) return Complain(api.status());
  fmt::print("serving echo, fail, slow, big and context at {}\n", api->endpoint());
  std::fflush(stdout);

  int signal = 0;
  sigwait(&ends, &signal);
  const int unanswered = api->Stop(absl::Seconds(5));
  fmt::print("stopped; {} requests unanswered\n", unanswered);
  return 0;
}
