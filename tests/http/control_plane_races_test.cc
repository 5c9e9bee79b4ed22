// Changes that come at the same time: each is made whole, or refused.
#include <fmt/format.h>

#include <atomic>
#include <string>
#include <thread>
#include <utility>

#include "http/json_fields.h"
#include "http/lambda_service.h"
#include "runlet/engine/engine.h"
#include "tests/catch.h"
#include "tests/http/recorded_exchange.h"

namespace runlet::http {
namespace {

constexpr int kRounds = 2'000;

// Two clients of one service, each with a thread of its own.
class Race {
 public:
  Race() : service_(engine_, kNoAuthentication, false, 1) {
    REQUIRE(engine_.Register("f", [](std::string_view event) { return event; }).ok());
  }

  std::pair<int, Json> Ask(std::string_view method, std::string_view target, const std::string& body = {}) {
    RecordedExchange exchange(method, target, {}, body);
    exchange.Run(service_);
    return {exchange.status(), Json::parse(exchange.body(), nullptr, false)};
  }
  // Both at once; the statuses.
  std::pair<int, int> AskBoth(std::string_view method, std::string_view target, const std::string& one,
                              const std::string& other) {
    std::atomic<int> there{0};
    const auto ask = [&](const std::string& body) {
      ++there;
      while (there < 2) {
      }
      return Ask(method, target, body).first;
    };
    int first = 0;
    std::thread thread([&] { first = ask(one); });
    const int second = ask(other);
    thread.join();
    return {first, second};
  }

 private:
  Engine engine_;
  LambdaService service_;
};

TEST_CASE("of two updates of one event invoke configuration neither is lost", "[realtime]") {
  Race race;
  const std::string path = "/2019-09-25/functions/f/event-invoke-config";
  int lost = 0;
  for (int i = 0; i < kRounds; ++i) {
    race.Ask("PUT", path, R"({"MaximumRetryAttempts":2,"MaximumEventAgeInSeconds":21600})");
    race.AskBoth("POST", path, R"({"MaximumRetryAttempts":0})", R"({"MaximumEventAgeInSeconds":60})");
    const Json now = race.Ask("GET", path).second;
    lost += now["MaximumRetryAttempts"] == 0 && now["MaximumEventAgeInSeconds"] == 60 ? 0 : 1;
  }
  CHECK(lost == 0);
}

TEST_CASE("of two updates of one function URL neither is lost", "[realtime]") {
  Race race;
  const std::string path = "/2021-10-31/functions/f/url";
  race.Ask("POST", path, R"({"AuthType":"NONE"})");
  int lost = 0;
  for (int i = 0; i < kRounds; ++i) {
    race.Ask("PUT", path, R"({"AuthType":"NONE","InvokeMode":"BUFFERED"})");
    race.AskBoth("PUT", path, R"({"AuthType":"AWS_IAM"})", R"({"InvokeMode":"RESPONSE_STREAM"})");
    const Json now = race.Ask("GET", path).second;
    lost += now["AuthType"] == "AWS_IAM" && now["InvokeMode"] == "RESPONSE_STREAM" ? 0 : 1;
  }
  CHECK(lost == 0);
}

TEST_CASE("of two changes with one RevisionId one is made", "[realtime]") {
  Race race;
  const std::string functions = "/2015-03-31/functions/f";
  race.Ask("POST", functions + "/versions");
  race.Ask("POST", functions + "/aliases", R"({"Name":"live","FunctionVersion":"1"})");
  int both = 0;
  for (const std::string& path : {functions + "/configuration", functions + "/aliases/live"}) {
    for (int i = 0; i < kRounds; ++i) {
      const std::string revision = race.Ask("GET", path).second["RevisionId"].get<std::string>();
      const auto change = [&](std::string_view by) {
        return fmt::format(R"({{"Description":"{} {}","RevisionId":"{}"}})", by, i, revision);
      };
      const auto [one, other] = race.AskBoth("PUT", path, change("one"), change("other"));
      both += (one == 200) + (other == 200) == 1 ? 0 : 1;
    }
  }
  CHECK(both == 0);
}

}  // namespace
}  // namespace runlet::http
