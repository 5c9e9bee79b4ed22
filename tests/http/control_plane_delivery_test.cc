// Concurrency and the delivery of events, call by call.
#include <fmt/format.h>

#include <string>
#include <string_view>

#include "tests/http/control_plane_rows.h"

namespace runlet::http {
namespace {

TEST_CASE("reserved concurrency") {
  ServiceFixture api({.engine = {.unreserved_minimum = 100}});
  Register(api, {"f"});
  const std::string put = "/2017-10-31/functions/f/concurrency", get = "/2019-09-30/functions/f/concurrency";
  const std::string floor = R"({"message":"Specified ReservedConcurrentExecutions for function decreases account's )"
                            R"(UnreservedConcurrentExecution below its minimum value of [100]."})";
  Check(api,
        {
            {"GET", get, "", 200, "{}"},
            {"PUT", put, R"({"ReservedConcurrentExecutions":900})", 200, R"({"ReservedConcurrentExecutions":900})"},
            {"PUT", put, R"({"ReservedConcurrentExecutions":901})", 400, floor, kInvalid},
            {"PUT", put, R"({"ReservedConcurrentExecutions":0})", 200, R"({"ReservedConcurrentExecutions":0})"},
            {"GET", get, "", 200, R"({"ReservedConcurrentExecutions":0})"},
            {"GET", kFunctions + "/f", "", 200,
             R"({"Configuration":)" + Configuration("f", {}) +
                 R"(,"Code":{"RepositoryType":"InProcess","Location":""},)"
                 R"("Concurrency":{"ReservedConcurrentExecutions":0}})"},
            {"PUT", put, R"({"ReservedConcurrentExecutions":-1})", 400,
             Constraint("-1", "reservedConcurrentExecutions", "have value greater than or equal to 0"), kValidation},
            {"PUT", put, "{}", 400, Constraint("null", "reservedConcurrentExecutions", "not be null"), kValidation},
            {"PUT", "/2017-10-31/functions/f:$LATEST/concurrency", R"({"ReservedConcurrentExecutions":1})", 400,
             User(kFunctionsOnly), kInvalid},
            {"GET", "/2019-09-30/functions/f:$LATEST/concurrency", "", 400, User(kFunctionsOnly), kInvalid},
            {"DELETE", put, "", 204, ""},
            {"GET", get, "", 200, "{}"},
            {"DELETE", put, "", 204, ""},
            {"PUT", "/2017-10-31/functions/nobody/concurrency", R"({"ReservedConcurrentExecutions":1})", 404,
             NoFunction("nobody"), kNotFound},
            {"GET", "/2019-09-30/functions/nobody/concurrency", "", 404, NoFunction("nobody"), kNotFound},
            {"DELETE", "/2017-10-31/functions/nobody/concurrency", "", 404, NoFunction("nobody"), kNotFound},
        });
}

TEST_CASE("provisioned concurrency") {
  ServiceFixture api;
  Register(api, {"f"});
  REQUIRE(api.engine().PublishVersion("f").ok());
  REQUIRE(api.engine().CreateAlias("f", {.name = "idle", .version = "1"}).ok());
  REQUIRE(api.engine().UpdateConfiguration("f", {.memory_size = 256}).ok());
  REQUIRE(api.engine().PublishVersion("f").ok());
  const std::string path = "/2019-09-30/functions/f/provisioned-concurrency";
  const std::string nobody = "/2019-09-30/functions/nobody/provisioned-concurrency?Qualifier=1";
  const auto view = [](int wanted, bool ready) {
    return fmt::format(R"("RequestedProvisionedConcurrentExecutions":{},"AvailableProvisionedConcurrentExecutions":{},)"
                       R"("AllocatedProvisionedConcurrentExecutions":{},"Status":"{}","LastModified":"<time>"}})",
                       wanted, ready ? wanted : 0, ready ? wanted : 0, ready ? "READY" : "IN_PROGRESS");
  };
  const std::string first = R"({"FunctionArn":")" + kArn + R"(f:1",)" + view(2, true);
  const std::string second = R"({"FunctionArn":")" + kArn + R"(f:2",)" + view(3, true);
  const std::string none = User("No Provisioned Concurrency Config found for this function");
  constexpr std::string_view kNone = "ProvisionedConcurrencyConfigNotFoundException";
  const std::string unpublished =
      User("Provisioned Concurrency Configs cannot be applied to unpublished function versions.");
  Check(
      api,
      {
          {"GET", path + "?List=ALL", "", 200, R"({"ProvisionedConcurrencyConfigs":[]})"},
          {"GET", path + "?Qualifier=1", "", 404, none, kNone},
          {"PUT", path + "?Qualifier=1", R"({"ProvisionedConcurrentExecutions":2})", 202, "{" + view(2, false)},
          {"GET", path + "?Qualifier=1", "", 200, "{" + view(2, true)},
          {"PUT", path + "?Qualifier=2", R"({"ProvisionedConcurrentExecutions":3})", 202, "{" + view(3, false)},
          {"GET", path + "?List=ALL", "", 200, R"({"ProvisionedConcurrencyConfigs":[)" + first + "," + second + "]}"},
          {"GET", path + "?List=ALL&MaxItems=1", "", 200,
           R"({"ProvisionedConcurrencyConfigs":[)" + first + R"(],"NextMarker":"f:1"})"},
          {"GET", path + "?List=ALL&MaxItems=1&Marker=f:1", "", 200,
           R"({"ProvisionedConcurrencyConfigs":[)" + second + "]}"},
          {"PUT", path + "?Qualifier=1", R"({"ProvisionedConcurrentExecutions":0})", 400,
           Constraint("0", "provisionedConcurrentExecutions", "have value greater than or equal to 1"), kValidation},
          {"PUT", path + "?Qualifier=1", "{}", 400,
           Constraint("null", "provisionedConcurrentExecutions", "not be null"), kValidation},
          {"PUT", path, R"({"ProvisionedConcurrentExecutions":1})", 400, Constraint("null", "qualifier", "not be null"),
           kValidation},
          {"PUT", path + "?Qualifier=$LATEST", R"({"ProvisionedConcurrentExecutions":1})", 400, unpublished, kInvalid},
          {"GET", path + "?Qualifier=9", "", 404, NoFunction("f:9"), kNotFound},
          {"PUT", nobody, R"({"ProvisionedConcurrentExecutions":1})", 404, NoFunction("nobody:1"), kNotFound},
          {"DELETE", path + "?Qualifier=1", "", 204, ""},
          {"DELETE", path + "?Qualifier=1", "", 204, ""},
          {"GET", path + "?Qualifier=1", "", 404, none, kNone},
          {"DELETE", nobody, "", 404, NoFunction("nobody:1"), kNotFound},
          {"GET", "/2019-09-30/functions/nobody/provisioned-concurrency?List=ALL", "", 404, NoFunction("nobody"),
           kNotFound},
          {"PUT", "/2017-10-31/functions/f/concurrency", R"({"ReservedConcurrentExecutions":2})", 400,
           User("ReservedConcurrentExecutions 2 should not be lower than function's total provisioned concurrency "
                "[3]."),
           kInvalid},
      });
}

TEST_CASE("event invoke configurations") {
  ServiceFixture api;
  Register(api, {"f", "sink"});
  REQUIRE(api.engine().PublishVersion("f").ok());
  REQUIRE(api.engine().CreateAlias("f", {.name = "live", .version = "1"}).ok());
  const std::string path = "/2019-09-25/functions/f/event-invoke-config";
  const std::string nobody = "/2019-09-25/functions/nobody/event-invoke-config";
  const auto view = [](std::string_view qualifier, std::string_view settings, std::string_view success,
                       std::string_view failure) {
    const auto destination = [](std::string_view name) {
      return name.empty() ? std::string("{}") : fmt::format(R"({{"Destination":"{}{}"}})", kArn, name);
    };
    return fmt::format(
        R"({{"LastModified":1700000000.0,"FunctionArn":"{}f:{}",{}"DestinationConfig":{{"OnSuccess":{},"OnFailure":{}}}}})",
        kArn, qualifier, settings, destination(success), destination(failure));
  };
  const auto none = [](std::string_view qualified) {
    return Missing(fmt::format("The function {}{} doesn't have an EventInvokeConfig", kArn, qualified));
  };
  const std::string no_function = Missing("The function doesn't exist.");
  const std::string retries = R"("MaximumRetryAttempts":1,)";
  const std::string age = R"("MaximumEventAgeInSeconds":60,)";
  const auto to = [](std::string_view which, std::string_view arn) {
    return fmt::format(R"({{"DestinationConfig":{{"{}":{{"Destination":"{}"}}}}}})", which, arn);
  };
  Check(
      api,
      {
          {"GET", path, "", 404, none("f:$LATEST"), kNotFound},
          {"POST", path, R"({"MaximumRetryAttempts":1})", 404, none("f:$LATEST"), kNotFound},
          {"PUT", path, R"({"MaximumRetryAttempts":1})", 200, view("$LATEST", retries, "", "")},
          {"GET", path, "", 200, view("$LATEST", retries, "", "")},
          {"POST", path, R"({"MaximumEventAgeInSeconds":60})", 200, view("$LATEST", retries + age, "", "")},
          {"POST", path, to("OnFailure", kArn + "sink"), 200, view("$LATEST", retries + age, "", "sink")},
          {"POST", path, to("OnSuccess", kArn + "sink:$LATEST"), 200,
           view("$LATEST", retries + age, "sink:$LATEST", "sink")},
          {"PUT", path, R"({"MaximumEventAgeInSeconds":60})", 200, view("$LATEST", age, "", "")},
          {"PUT", path + "?Qualifier=live", R"({"MaximumRetryAttempts":1})", 200, view("live", retries, "", "")},
          {"GET", path + "?Qualifier=1", "", 404, none("f:1"), kNotFound},
          {"GET", path + "/list", "", 200,
           R"({"FunctionEventInvokeConfigs":[)" + view("$LATEST", age, "", "") + "," + view("live", retries, "", "") +
               "]}"},
          {"GET", path + "/list?MaxItems=1", "", 200,
           R"({"FunctionEventInvokeConfigs":[)" + view("$LATEST", age, "", "") + R"(],"NextMarker":"f"})"},
          {"GET", path + "/list?MaxItems=1&Marker=f", "", 200,
           R"({"FunctionEventInvokeConfigs":[)" + view("live", retries, "", "") + "]}"},

          {"PUT", path, "{}", 400, User("You must specify at least one of error handling or destination setting."),
           kInvalid},
          {"PUT", path, R"({"MaximumRetryAttempts":3})", 400,
           Constraint("3", "maximumRetryAttempts", "have value less than or equal to 2"), kValidation},
          {"PUT", path, R"({"MaximumEventAgeInSeconds":59})", 400,
           Constraint("59", "maximumEventAgeInSeconds", "have value greater than or equal to 60"), kValidation},
          {"POST", path, R"({"MaximumEventAgeInSeconds":21601})", 400,
           Constraint("21601", "maximumEventAgeInSeconds", "have value less than or equal to 21600"), kValidation},
          {"PUT", path, to("OnSuccess", kArn + "f"), 400,
           User("You can't specify the function as a destination for itself."), kInvalid},
          {"PUT", path, to("OnFailure", kArn + "nobody"), 400,
           User("The destination ARN " + kArn + "nobody is invalid."), kInvalid},
          {"PUT", path, to("OnFailure", "arn:aws:sqs:us-east-1:000000000000:q"), 400,
           User("The destination ARN arn:aws:sqs:us-east-1:000000000000:q is invalid."), kInvalid},
          {"PUT", nobody, R"({"MaximumRetryAttempts":1})", 404, no_function, kNotFound},
          {"POST", nobody, R"({"MaximumRetryAttempts":1})", 404, no_function, kNotFound},
          {"GET", nobody + "/list", "", 404, no_function, kNotFound},
          {"GET", nobody, "", 404, none("nobody:$LATEST"), kNotFound},
          {"DELETE", nobody, "", 404, none("nobody:$LATEST"), kNotFound},
          {"DELETE", path, "", 204, ""},
          {"DELETE", path, "", 404, none("f:$LATEST"), kNotFound},
          {"GET", path + "/list", "", 200, R"({"FunctionEventInvokeConfigs":[)" + view("live", retries, "", "") + "]}"},
      });
}

}  // namespace
}  // namespace runlet::http
