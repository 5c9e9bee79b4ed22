#include "runlet/http/lambda_api.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "http/lambda_service.h"
#include "http/server.h"
#include "runlet/base/random.h"

namespace runlet::http {

struct LambdaApi::Parts {
  Parts(Engine& its_engine, const LambdaApiOptions& options)
      : engine(its_engine),
        service(its_engine, options.server.authentication, options.deduplicate_retries, RandomSeed()) {}

  Engine& engine;
  LambdaService service;
  std::unique_ptr<Server> server;  // ends before what it calls
};

LambdaApi::LambdaApi(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
LambdaApi::LambdaApi(LambdaApi&&) noexcept = default;
LambdaApi::~LambdaApi() = default;

absl::StatusOr<LambdaApi> LambdaApi::Serve(Engine& engine, LambdaApiOptions options) {
  const PayloadLimits& limits = engine.payload_limits();
  options.server.limits.body_bytes_max =
      std::max<std::uint64_t>({options.server.limits.body_bytes_max, limits.request, limits.event});
  auto parts = std::make_unique<Parts>(engine, options);
  absl::StatusOr<std::unique_ptr<Server>> server = Server::Start(options.server, &parts->service);
  if (!server.ok()) return server.status();
  parts->server = *std::move(server);
  return LambdaApi(std::move(parts));
}

std::uint16_t LambdaApi::port() const { return parts_->server->port(); }
std::string LambdaApi::endpoint() const { return parts_->server->endpoint(); }

absl::StatusOr<std::string> LambdaApi::CreateFunctionUrl(std::string_view name, const FunctionUrlOptions& options) {
  const absl::StatusOr<FunctionDescription> description = parts_->engine.Describe(name);
  if (!description.ok()) return description.status();
  FunctionUrlConfig config{.id = FunctionUrlId(name), .streams = options.stream};
  config.created = config.modified = description->last_modified;
  const std::string url = fmt::format("{}://{}.lambda-url.{}.localhost:{}/", endpoint().substr(0, endpoint().find(':')),
                                      config.id, parts_->engine.account().region, port());
  if (!parts_->service.book().AddUrl(std::string(name), std::move(config))) {
    return absl::AlreadyExistsError(fmt::format("function \"{}\" has a URL already", name));
  }
  return url;
}

int LambdaApi::Stop(absl::Duration grace) { return parts_->server->Stop(grace); }

}  // namespace runlet::http
