// The API over a simulated engine, without a network: same bytes in every run.
#ifndef RUNLET_TESTS_HTTP_SERVICE_FIXTURE_H_
#define RUNLET_TESTS_HTTP_SERVICE_FIXTURE_H_

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "http/lambda_service.h"
#include "runlet/testing/simulation.h"
#include "tests/catch.h"
#include "tests/http/recorded_exchange.h"

namespace runlet::http {

struct Reply {
  int status = 0;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;

  std::optional<std::string> Find(std::string_view name) const {
    std::vector<Header> views;
    for (const auto& [key, value] : headers) views.push_back({key, value});
    const std::optional<std::string_view> found = FindHeader(views, name);
    return found ? std::optional<std::string>(*found) : std::nullopt;
  }
};

struct ServiceFixtureOptions {
  EngineOptions engine = {};
  Authentication authentication = {};
  bool deduplicate_retries = false;
};

class ServiceFixture {
 public:
  using Headers = std::vector<Header>;

  explicit ServiceFixture(ServiceFixtureOptions options = {})
      : sim({.engine = std::move(options.engine)}),
        service(sim.engine(), options.authentication, options.deduplicate_retries, 1) {}

  Engine& engine() { return sim.engine(); }
  // The answer, however much virtual time it takes.
  Reply Ask(std::string_view method, std::string_view target, std::string_view body = {}, Headers headers = {}) {
    RecordedExchange exchange(method, target, std::move(headers), body);
    return Take(exchange);
  }
  Reply Take(RecordedExchange& exchange) {
    exchange.HandTo(service);
    sim.RunUntilIdle();
    exchange.WaitEnded();
    CHECK(!exchange.dropped());
    return {exchange.status(), exchange.headers(), exchange.body()};
  }
  Reply Invoke(std::string_view name, std::string_view body = {}, Headers headers = {}) {
    return Ask("POST", "/2015-03-31/functions/" + std::string(name) + "/invocations", body, std::move(headers));
  }

  testing::Simulation sim;
  LambdaService service;
};

}  // namespace runlet::http

#endif  // RUNLET_TESTS_HTTP_SERVICE_FIXTURE_H_
