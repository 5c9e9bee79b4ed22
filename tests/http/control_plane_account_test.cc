// The account, loop detection, tags and function URLs, call by call.
#include <fmt/format.h>

#include <string>
#include <string_view>

#include "tests/http/control_plane_rows.h"

namespace runlet::http {
namespace {

std::string Tag(int key, int value) { return fmt::format(R"({{"Tags":{{"{}":"{}"}}}})", Accents(key), Accents(value)); }

TEST_CASE("the account, loop detection and tags") {
  ServiceFixture api;
  Register(api, {"f", "g"});
  REQUIRE(api.engine().PublishVersion("f").ok());
  REQUIRE(api.engine().SetReservedConcurrency("f", 40).ok());
  const std::string loop = "/2024-08-31/functions/f/recursion-config";
  const std::string tags = "/2017-03-31/tags/arn%3Aaws%3Alambda%3Aus-east-1%3A000000000000%3Afunction%3Af";
  const std::string nobody = "/2017-03-31/tags/arn%3Aaws%3Alambda%3Aus-east-1%3A000000000000%3Afunction%3Anobody";
  const std::string unqualified =
      User("Tags on function aliases and versions are not supported. Please specify a function ARN.");
  std::string many = R"({"Tags":{"0":"0")";
  for (int i = 1; i <= 50; ++i) many += fmt::format(R"(,"{}":"")", i);
  many += "}}";
  Check(api,
        {
            {"GET", "/2016-08-19/account-settings", "", 200,
             R"({"AccountLimit":{"TotalCodeSize":80530636800,"CodeSizeUnzipped":262144000,"CodeSizeZipped":52428800,)"
             R"("ConcurrentExecutions":1000,"UnreservedConcurrentExecutions":960},)"
             R"("AccountUsage":{"TotalCodeSize":0,"FunctionCount":2}})"},
            {"GET", "/2016-08-19/account-settings/", "", 200,
             R"({"AccountLimit":{"TotalCodeSize":80530636800,"CodeSizeUnzipped":262144000,"CodeSizeZipped":52428800,)"
             R"("ConcurrentExecutions":1000,"UnreservedConcurrentExecutions":960},)"
             R"("AccountUsage":{"TotalCodeSize":0,"FunctionCount":2}})"},

            {"GET", loop, "", 200, R"({"RecursiveLoop":"Terminate"})"},
            {"PUT", loop, R"({"RecursiveLoop":"Allow"})", 200, R"({"RecursiveLoop":"Allow"})"},
            {"GET", loop, "", 200, R"({"RecursiveLoop":"Allow"})"},
            {"PUT", loop, R"({"RecursiveLoop":"Perhaps"})", 400,
             Constraint("Perhaps", "recursiveLoop", "satisfy enum value set: [Allow, Terminate]"), kValidation},
            {"PUT", loop, "{}", 400, Constraint("null", "recursiveLoop", "not be null"), kValidation},
            {"GET", "/2024-08-31/functions/nobody/recursion-config", "", 404, NoFunction("nobody"), kNotFound},
            {"PUT", "/2024-08-31/functions/f:1/recursion-config", R"({"RecursiveLoop":"Allow"})", 400,
             User(kFunctionsOnly), kInvalid},

            {"GET", tags, "", 200, R"({"Tags":{}})"},
            {"POST", tags, R"({"Tags":{"team":"é","stage":"test"}})", 204, ""},
            {"GET", tags, "", 200, R"({"Tags":{"stage":"test","team":"é"}})"},
            {"GET", kFunctions + "/f", "", 200,
             R"({"Configuration":)" + Configuration("f", {}) +
                 R"(,"Code":{"RepositoryType":"InProcess","Location":""},"Tags":{"stage":"test","team":"é"},)"
                 R"("Concurrency":{"ReservedConcurrentExecutions":40}})"},
            {"POST", tags, "{}", 400,
             User("An error occurred and the request cannot be processed: no tags were given."), kInvalid},
            {"POST", tags, R"({"Tags":{"n":1}})", 400,
             User("Could not parse request body into json: the value of a tag is not a string"),
             "InvalidRequestContentException"},
            {"POST", tags, many, 400, User("Number of tags exceeds resource tag limit."), kInvalid},
            {"POST", tags, R"({"Tags":{"":"x"}})", 400,
             User("A tag has a key of 0 and a value of 1 characters: the limits are 128 and 256"), kInvalid},
            {"POST", tags, Tag(128, 256), 204, ""},
            {"POST", tags, Tag(129, 256), 400,
             User("A tag has a key of 129 and a value of 256 characters: the limits are 128 and 256"), kInvalid},
            {"POST", tags, Tag(128, 257), 400,
             User("A tag has a key of 128 and a value of 257 characters: the limits are 128 and 256"), kInvalid},
            {"DELETE", tags + "?tagKeys=" + Accents(128), "", 204, ""},
            {"DELETE", tags, "", 400, Constraint("null", "tagKeys", "not be null"), kValidation},
            {"DELETE", tags + "?tagKeys=team&tagKeys=nothing", "", 204, ""},
            {"GET", tags, "", 200, R"({"Tags":{"stage":"test"}})"},
            {"GET", tags + "%3A1", "", 400, unqualified, kInvalid},
            {"POST", nobody, R"({"Tags":{"a":"b"}})", 404, NoFunction("nobody"), kNotFound},
            {"GET", nobody, "", 404, NoFunction("nobody"), kNotFound},
            {"DELETE", nobody + "?tagKeys=a", "", 404, NoFunction("nobody"), kNotFound},
        });
}

TEST_CASE("configurations of function URLs") {
  ServiceFixture api;
  Register(api, {"f", "g"});
  REQUIRE(api.engine().PublishVersion("f").ok());
  REQUIRE(api.engine().CreateAlias("f", {.name = "live", .version = "1"}).ok());
  const std::string path = "/2021-10-31/functions/f/url";
  const std::string nobody = "/2021-10-31/functions/nobody/url";
  const auto view = [](std::string_view qualified, std::string_view auth, std::string_view cors,
                       std::string_view mode) {
    return fmt::format(R"({{"FunctionUrl":"{}","FunctionArn":"{}{}","AuthType":"{}",{}"CreationTime":"<time>",)"
                       R"("LastModifiedTime":"<time>","InvokeMode":"{}"}})",
                       "http://" + FunctionUrlId(qualified) + ".lambda-url.us-east-1.localhost/", kArn, qualified, auth,
                       cors, mode);
  };
  const std::string cors =
      R"("Cors":{"AllowCredentials":false,"AllowMethods":["GET"],"AllowOrigins":["*"],"MaxAge":60},)";
  const std::string plain = view("f", "NONE", "", "BUFFERED");
  const std::string live = view("f:live", "AWS_IAM", "", "RESPONSE_STREAM");
  const std::string pattern = R"(satisfy regular expression pattern: ((?!^\\d+$)^[0-9a-zA-Z-_]+$))";
  Check(api,
        {
            {"GET", path + "s", "", 200, R"({"FunctionUrlConfigs":[]})"},
            {"GET", path, "", 404, Missing(kNoResource), kNotFound},
            {"POST", path, "{}", 400, Constraint("null", "authType", "not be null"), kValidation},
            {"POST", path, R"({"AuthType":"MAYBE"})", 400,
             Constraint("MAYBE", "authType", "satisfy enum value set: [NONE, AWS_IAM]"), kValidation},
            {"POST", path, R"({"AuthType":"NONE"})", 201, plain},
            {"POST", path, R"({"AuthType":"NONE"})", 409,
             User("Failed to create function url config for [functionArn = " + kArn +
                  "f]. Error message:  FunctionUrlConfig exists for this Lambda function"),
             kConflict},
            {"POST", path + "?Qualifier=live", R"({"AuthType":"AWS_IAM","InvokeMode":"RESPONSE_STREAM"})", 201, live},
            {"POST", path + "?Qualifier=1", R"({"AuthType":"NONE"})", 400, Constraint("1", "qualifier", pattern),
             kValidation},
            {"POST", path + "?Qualifier=$LATEST", R"({"AuthType":"NONE"})", 400,
             Constraint("$LATEST", "qualifier", pattern), kValidation},
            {"POST", nobody, R"({"AuthType":"NONE"})", 404, NoFunction("nobody"), kNotFound},
            {"GET", path, "", 200, plain},
            {"GET", path + "?Qualifier=live", "", 200, live},
            {"GET", path + "s", "", 200, R"({"FunctionUrlConfigs":[)" + plain + "," + live + "]}"},
            {"GET", path + "s?MaxItems=1", "", 200, R"({"FunctionUrlConfigs":[)" + plain + R"(],"NextMarker":"f"})"},
            {"GET", path + "s?MaxItems=1&Marker=f", "", 200, R"({"FunctionUrlConfigs":[)" + live + "]}"},
            {"PUT", path, R"({"Cors":{"AllowOrigins":["*"],"AllowMethods":["GET"],"MaxAge":60}})", 200,
             view("f", "NONE", cors, "BUFFERED")},
            {"PUT", path, R"({"AuthType":"AWS_IAM"})", 200, view("f", "AWS_IAM", cors, "BUFFERED")},
            {"PUT", path, R"({"InvokeMode":"SOMEHOW"})", 400,
             Constraint("SOMEHOW", "invokeMode", "satisfy enum value set: [BUFFERED, RESPONSE_STREAM]"), kValidation},
            {"PUT", "/2021-10-31/functions/g/url", "{}", 404, Missing(kNoResource), kNotFound},
            {"GET", nobody, "", 404, NoFunction("nobody"), kNotFound},
            {"GET", nobody + "s", "", 404, NoFunction("nobody"), kNotFound},
            {"DELETE", path, "", 204, ""},
            {"DELETE", path, "", 404, Missing(kNoResource), kNotFound},
            {"GET", path + "s", "", 200, R"({"FunctionUrlConfigs":[)" + live + "]}"},
        });
}

}  // namespace
}  // namespace runlet::http
