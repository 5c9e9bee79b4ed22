// Functions, their versions and aliases, and what there is not, call by call.
#include <fmt/format.h>

#include <string>
#include <string_view>
#include <vector>

#include "http/json_fields.h"
#include "tests/http/control_plane_rows.h"

namespace runlet::http {
namespace {

TEST_CASE("functions and their settings") {
  ServiceFixture api;
  REQUIRE(api.engine()
              .Register("a", [](std::string_view event) { return event; },
                        {.timeout = absl::Milliseconds(4'500), .memory_size = 256, .description = "Echoes"})
              .ok());
  Register(api, {"b", "c"});
  const Block a{.description = "Echoes", .timeout = 5, .memory = 256};
  const Block changed{.description = "Other", .timeout = 7, .memory = 512};
  const std::string unknown = kFunctions + "/nobody", of_a = kFunctions + "/a";
  Check(
      api,
      {
          {"GET", kFunctions, "", 200,
           R"({"Functions":[)" + Listed("a", a) + "," + Listed("b") + "," + Listed("c") + "]}"},
          {"GET", kFunctions + "?MaxItems=2", "", 200,
           R"({"Functions":[)" + Listed("a", a) + "," + Listed("b") + R"(],"NextMarker":"b"})"},
          {"GET", kFunctions + "/?Marker=b&MaxItems=2", "", 200, R"({"Functions":[)" + Listed("c") + "]}"},
          {"GET", kFunctions + "?Marker=c", "", 200, R"({"Functions":[]})"},
          {"GET", kFunctions + "?MaxItems=0", "", 400,
           Constraint("0", "maxItems", "have value greater than or equal to 1"), kValidation},
          {"GET", kFunctions + "?MaxItems=10001", "", 400,
           Constraint("10001", "maxItems", "have value less than or equal to 10000"), kValidation},
          {"GET", kFunctions + "?FunctionVersion=SOME", "", 400,
           Constraint("SOME", "functionVersion", "satisfy enum value set: [ALL]"), kValidation},
          {"GET", kFunctions + "?FunctionVersion=ALL&MaxItems=1&Marker=b:$LATEST", "", 200,
           R"({"Functions":[)" + Listed("c", {.qualifier = "$LATEST"}) + "]}"},

          {"GET", of_a, "", 200,
           R"({"Configuration":)" + Configuration("a", a) + R"(,"Code":{"RepositoryType":"InProcess","Location":""}})"},
          {"GET", kFunctions + "/b?Qualifier=$LATEST", "", 200,
           R"({"Configuration":)" + Configuration("b", {.qualifier = "$LATEST"}) +
               R"(,"Code":{"RepositoryType":"InProcess","Location":""}})"},
          {"GET", unknown, "", 404, NoFunction("nobody"), kNotFound},
          {"GET", of_a + "?Qualifier=7", "", 404, NoFunction("a:7"), kNotFound},
          {"GET", of_a + ":1?Qualifier=2", "", 400,
           User("The derived qualifier from the function name does not match the specified qualifier."), kInvalid},
          {"GET", kFunctions + "/arn%3Aaws%3Alambda%3Aeu-west-1%3A000000000000%3Afunction%3Aa", "", 404,
           Missing("Functions from 'eu-west-1' are not reachable in this region ('us-east-1')"), kNotFound},
          {"GET", of_a + "?Qualifier=" + std::string(129, 'q'), "", 400,
           Constraint(std::string(129, 'q'), "qualifier", "have length less than or equal to 128"), kValidation},

          {"GET", kFunctions + "/b/configuration", "", 200, Configuration("b", {})},
          {"GET", unknown + "/configuration", "", 404, NoFunction("nobody"), kNotFound},

          {"PUT", of_a + "/configuration", R"({"Timeout":7,"MemorySize":512,"Description":"Other"})", 200,
           Configuration("a", changed)},
          {"PUT", of_a + "/configuration", "{}", 200, Configuration("a", changed)},
          {"PUT", of_a + "/configuration", R"({"Timeout":0})", 400,
           Constraint("0", "timeout", "have value greater than or equal to 1"), kValidation},
          {"PUT", of_a + "/configuration", R"({"Timeout":901})", 400,
           Constraint("901", "timeout", "have value less than or equal to 900"), kValidation},
          {"PUT", of_a + "/configuration", R"({"MemorySize":127})", 400,
           Constraint("127", "memorySize", "have value greater than or equal to 128"), kValidation},
          {"PUT", of_a + "/configuration", R"({"Timeout":"7"})", 400,
           User("Could not parse request body into json: Timeout is not an integer"), "InvalidRequestContentException"},
          {"PUT", of_a + "/configuration", "{", 400,
           User("Could not parse request body into json: not JSON at byte 1 of 1"), "InvalidRequestContentException"},
          {"PUT", of_a + "/configuration", "[]", 400, User("Could not parse request body into json: not an object"),
           "InvalidRequestContentException"},
          {"PUT", of_a + "/configuration", R"({"Runtime":"python3.13"})", 400,
           User(fmt::format("Runtime cannot be changed here: Timeout, MemorySize and Description can. {}",
                            kHostRegisters)),
           kInvalid},
          {"PUT", of_a + "/configuration", R"({"Timeout":8,"RevisionId":"another"})", 412,
           User("The RevisionId provided does not match the latest RevisionId. Call the GetFunction or the GetAlias "
                "API to retrieve the latest RevisionId"),
           "PreconditionFailedException"},
          {"PUT", of_a + ":$LATEST/configuration", R"({"Timeout":8})", 400, User(kFunctionsOnly), kInvalid},
          {"PUT", unknown + "/configuration", "{}", 404, NoFunction("nobody"), kNotFound},
          {"GET", of_a + "/configuration", "", 200, Configuration("a", changed)},

          {"POST", kFunctions, R"({"FunctionName":"new"})", 400, User(kHostRegisters), kInvalid},
          {"PUT", of_a + "/code", R"({"ZipFile":""})", 400, User(kHostRegisters), kInvalid},
          {"PUT", unknown + "/code", "{}", 404, NoFunction("nobody"), kNotFound},

          {"DELETE", of_a + "?Qualifier=$LATEST", "", 400,
           User("$LATEST version cannot be deleted without deleting the function."), kInvalid},
          {"DELETE", of_a + "?Qualifier=7", "", 404, NoFunction("a:7"), kNotFound},
          {"DELETE", of_a, "", 204, ""},
          {"DELETE", of_a, "", 404, NoFunction("a"), kNotFound},
          {"GET", of_a, "", 404, NoFunction("a"), kNotFound},
      });
}

TEST_CASE("versions and aliases") {
  ServiceFixture api;
  Register(api, {"f"});
  const std::string versions = kFunctions + "/f/versions", aliases = kFunctions + "/f/aliases";
  const Block one{.qualifier = "1", .version = "1", .description = "first"};
  const Block two{.qualifier = "2", .version = "2", .timeout = 4};
  const Block latest{.qualifier = "$LATEST", .timeout = 4};
  const auto view = [](std::string_view name, std::string_view version, std::string_view description,
                       std::string_view routing = "") {
    return fmt::format(
        R"({{"AliasArn":"{}f:{}","Name":"{}","FunctionVersion":"{}","Description":"{}",{}"RevisionId":"<id>"}})", kArn,
        name, name, version, description, routing);
  };
  const auto weights = [](std::string_view map) {
    return fmt::format(R"({{"RoutingConfig":{{"AdditionalVersionWeights":{}}}}})", map);
  };
  const std::string routing = R"("RoutingConfig":{"AdditionalVersionWeights":{"2":0.25}},)";
  const std::string stale = User(
      "The RevisionId provided does not match the latest RevisionId. Call the GetFunction or the GetAlias API to "
      "retrieve the latest RevisionId");
  Check(
      api,
      {
          {"POST", versions, R"({"Description":"first"})", 201, Configuration("f", one)},
          {"POST", versions, R"({"Description":"again"})", 201, Configuration("f", one)},
          {"PUT", kFunctions + "/f/configuration", R"({"Timeout":4})", 200, Configuration("f", {.timeout = 4})},
          {"POST", versions, "", 201, Configuration("f", two)},
          {"POST", versions, R"({"CodeSha256":"x"})", 400,
           User("CodeSHA256 (x) is different from current CodeSHA256 in $LATEST "
                "(47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=). Please try again with the CodeSHA256 in $LATEST."),
           kInvalid},
          {"POST", versions, R"({"RevisionId":"another"})", 412, stale, "PreconditionFailedException"},
          {"POST", kFunctions + "/f:1/versions", "", 400, User(kFunctionsOnly), kInvalid},
          {"POST", kFunctions + "/nobody/versions", "", 404, NoFunction("nobody"), kNotFound},
          {"GET", versions, "", 200,
           R"({"Versions":[)" + Listed("f", latest) + "," + Listed("f", one) + "," + Listed("f", two) + "]}"},
          {"GET", versions + "?MaxItems=2", "", 200,
           R"({"Versions":[)" + Listed("f", latest) + "," + Listed("f", one) +
               R"(],"NextMarker":"00000000000000000001"})"},
          {"GET", versions + "?MaxItems=2&Marker=00000000000000000001", "", 200,
           R"({"Versions":[)" + Listed("f", two) + "]}"},
          {"GET", kFunctions + "/nobody/versions", "", 404, NoFunction("nobody"), kNotFound},
          {"GET", kFunctions + "/f/configuration?Qualifier=1", "", 200, Configuration("f", one)},

          {"POST", aliases, R"({"Name":"live","FunctionVersion":"1","Description":"in use"})", 201,
           view("live", "1", "in use")},
          {"POST", aliases, R"({"Name":"live","FunctionVersion":"1"})", 409,
           User("Alias already exists: " + kArn + "f:live"), kConflict},
          {"POST", aliases, R"({"Name":"12","FunctionVersion":"1"})", 400,
           Constraint("12", "name", "satisfy regular expression pattern: (?!^[0-9]+$)([a-zA-Z0-9-_]+)"), kValidation},
          {"POST", aliases, R"({"Name":"other"})", 400, Constraint("null", "functionVersion", "not be null"),
           kValidation},
          {"POST", aliases, R"({"Name":"other","FunctionVersion":"99"})", 404, NoFunction("f:99"), kNotFound},
          {"POST", aliases,
           R"({"Name":"other","FunctionVersion":"1","RoutingConfig":{"AdditionalVersionWeights":{"9":0.5}}})", 404,
           NoFunction("f:9"), kNotFound},
          {"PUT", aliases + "/live", weights(R"({"9":0.5})"), 404, NoFunction("f:9"), kNotFound},
          {"POST", aliases, R"({"Name":"other","FunctionVersion":"$LATEST"})", 201, view("other", "$LATEST", "")},
          {"POST", kFunctions + "/nobody/aliases", R"({"Name":"live","FunctionVersion":"1"})", 404,
           NoFunction("nobody"), kNotFound},
          {"GET", aliases + "/live", "", 200, view("live", "1", "in use")},
          {"GET", aliases + "/nobody", "", 404, Missing("Cannot find alias arn: " + kArn + "f:nobody"), kNotFound},
          {"GET", kFunctions + "/f/configuration?Qualifier=live", "", 200,
           Configuration("f", {.qualifier = "live", .version = "1", .description = "first"})},
          {"GET", kFunctions + "/f?Qualifier=live", "", 200,
           R"({"Configuration":)" + Configuration("f", {.qualifier = "live", .version = "1", .description = "first"}) +
               R"(,"Code":{"RepositoryType":"InProcess","Location":""}})"},
          {"PUT", aliases + "/live", weights(R"({"2":0.25})"), 200, view("live", "1", "in use", routing)},
          {"GET", aliases + "/live", "", 200, view("live", "1", "in use", routing)},
          {"PUT", aliases + "/live", weights(R"({"1":0.1,"2":0.1})"), 400,
           User("Number of items in AdditionalVersionWeights cannot be greater than 1"), kInvalid},
          {"PUT", aliases + "/live", weights(R"({"2":1.5})"), 400,
           R"({"message":"1 validation error detected: Value '{\"2\":1.5}' at )"
           R"('routingConfig.additionalVersionWeights' failed to satisfy constraint: Map value must satisfy constraint: )"
           R"([Member must have value less than or equal to 1.0, Member must have value greater than or equal to 0.0]"})",
           kValidation},
          {"PUT", aliases + "/live", weights(R"({"$LATEST":0.5})"), 400,
           R"({"message":"1 validation error detected: Value '{\"$LATEST\":0.5}' at )"
           R"('routingConfig.additionalVersionWeights' failed to satisfy constraint: Map keys must satisfy constraint: )"
           R"([Member must satisfy regular expression pattern: [0-9]+]"})",
           kValidation},
          {"PUT", aliases + "/live", R"({"FunctionVersion":"2","RevisionId":"another"})", 412, stale,
           "PreconditionFailedException"},
          {"PUT", aliases + "/live", R"({"FunctionVersion":"2","RoutingConfig":{"AdditionalVersionWeights":{}}})", 200,
           view("live", "2", "in use")},
          {"PUT", aliases + "/nobody", R"({"FunctionVersion":"2"})", 404,
           Missing("Alias not found: " + kArn + "f:nobody"), kNotFound},
          {"GET", aliases, "", 200,
           R"({"Aliases":[)" + view("live", "2", "in use") + "," + view("other", "$LATEST", "") + "]}"},
          {"GET", aliases + "?MaxItems=1", "", 200,
           R"({"Aliases":[)" + view("live", "2", "in use") + R"(],"NextMarker":"live"})"},
          {"GET", aliases + "?MaxItems=1&Marker=live", "", 200,
           R"({"Aliases":[)" + view("other", "$LATEST", "") + "]}"},
          {"GET", aliases + "?FunctionVersion=2", "", 200, R"({"Aliases":[)" + view("live", "2", "in use") + "]}"},
          {"GET", kFunctions + "/nobody/aliases", "", 404, NoFunction("nobody"), kNotFound},

          {"DELETE", kFunctions + "/f?Qualifier=2", "", 409,
           User(R"(version 2 of function \"f\" cannot be removed: alias \"live\" leads to it)"), kConflict},
          {"DELETE", aliases + "/live", "", 204, ""},
          {"DELETE", aliases + "/live", "", 204, ""},
          {"DELETE", kFunctions + "/f?Qualifier=2", "", 204, ""},
          {"GET", kFunctions + "/f?Qualifier=2", "", 404, NoFunction("f:2"), kNotFound},
          {"DELETE", kFunctions + "/nobody/aliases/live", "", 404, NoFunction("nobody"), kNotFound},
      });
}

// One page after the other.
std::vector<std::string> VersionsInPagesOf(ServiceFixture& api, int size) {
  std::vector<std::string> versions;
  std::string marker;
  for (int page = 0; page < 10; ++page) {
    const Json json =
        Json::parse(api.Ask("GET", fmt::format("{}/f/versions?MaxItems={}{}", kFunctions, size, marker)).body);
    for (const Json& each : json["Versions"]) versions.push_back(each["Version"].get<std::string>());
    if (!json.contains("NextMarker")) break;
    CHECK(json["NextMarker"] != "");
    marker = "&Marker=" + json["NextMarker"].get<std::string>();
  }
  return versions;
}

TEST_CASE("pages of any size tell all versions, $LATEST first") {
  ServiceFixture api;
  Register(api, {"f"});
  for (int i = 1; i <= 3; ++i) {
    REQUIRE(api.engine().UpdateConfiguration("f", {.memory_size = 128 + i}).ok());
    REQUIRE(api.engine().PublishVersion("f").ok());
  }
  for (int size = 1; size <= 5; ++size) {
    INFO(size);
    CHECK(VersionsInPagesOf(api, size) == std::vector<std::string>{"$LATEST", "1", "2", "3"});
  }
}

TEST_CASE("what there is not") {
  ServiceFixture api;
  Register(api, {"f"});
  const auto unknown = [](std::string_view call) { return User(fmt::format("No call of this API is {}.", call)); };
  const auto not_offered = [](std::string_view call) {
    return User(
        fmt::format("{} is not offered here: this endpoint serves functions that live in a program, which has no code "
                    "packages, layers, policies, code signing or event source mappings.",
                    call));
  };
  constexpr std::string_view kUnknown = "UnknownOperationException";
  const std::string mappings = "/2015-03-31/event-source-mappings";
  Check(
      api,
      {
          {"GET", "/", "", 404, unknown("GET /"), kUnknown},
          {"GET", "/2015-03-31/nothing?x=1", "", 404, unknown("GET /2015-03-31/nothing"), kUnknown},
          {"PATCH", kFunctions + "/f", "", 404, unknown("PATCH /2015-03-31/functions/f"), kUnknown},
          {"GET", kFunctions + "/f/aliases/a/b", "", 404, unknown("GET /2015-03-31/functions/f/aliases/a/b"), kUnknown},
          {"GET", mappings, "", 200, R"({"EventSourceMappings":[]})"},
          {"POST", mappings, "{}", 400, not_offered("POST " + mappings), kInvalid},
          {"GET", mappings + "/a", "", 404, Missing(kNoResource), kNotFound},
          {"GET", "/2018-10-31/layers", "", 200, R"({"Layers":[]})"},
          {"POST", "/2018-10-31/layers/l/versions", "{}", 400, not_offered("POST /2018-10-31/layers/l/versions"),
           kInvalid},
          {"GET", kFunctions + "/f/policy", "", 404, Missing(kNoResource), kNotFound},
          {"GET", kFunctions + "/nobody/policy", "", 404, NoFunction("nobody"), kNotFound},
          {"POST", kFunctions + "/f/policy", "{}", 400, not_offered("POST /2015-03-31/functions/f/policy"), kInvalid},
          {"GET", "/2020-06-30/functions/f/code-signing-config", "", 200,
           R"({"CodeSigningConfigArn":"","FunctionName":"f"})"},
          {"GET", "/2021-07-20/functions/f/runtime-management-config", "", 200,
           R"({"UpdateRuntimeOn":"Auto","FunctionArn":")" + kArn + R"(f"})"},
      });
}

}  // namespace
}  // namespace runlet::http
