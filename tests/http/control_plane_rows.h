// Tables of the control plane: what is asked, and the answer to the byte.
//
// In answers "<id>" stands for any UUID, and "<time>" for any time that is written as text.
#ifndef RUNLET_TESTS_HTTP_CONTROL_PLANE_ROWS_H_
#define RUNLET_TESTS_HTTP_CONTROL_PLANE_ROWS_H_

#include <fmt/format.h>

#include <initializer_list>
#include <regex>
#include <string>
#include <string_view>

#include "tests/http/service_fixture.h"

namespace runlet::http {

struct Row {
  std::string_view method;
  std::string target;
  std::string body;
  int status;
  std::string answer;
  std::string_view error = {};  // x-amzn-ErrorType; empty: none
};

inline std::string Normal(std::string text) {
  static const std::regex id("[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}");
  static const std::regex time(R"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}(\+0000|Z))");
  return std::regex_replace(std::regex_replace(text, id, "<id>"), time, "<time>");
}

// In turn: each row finds what those before it have left.
inline void Check(ServiceFixture& api, std::initializer_list<Row> rows) {
  for (const Row& row : rows) {
    INFO(row.method << ' ' << row.target << ' ' << row.body);
    const Reply reply = api.Ask(row.method, row.target, row.body);
    CHECK(reply.status == row.status);
    CHECK(Normal(reply.body) == row.answer);
    CHECK(reply.Find("x-amzn-ErrorType").value_or("") == row.error);
    CHECK(reply.Find("Content-Type").value_or("") == (row.answer.empty() ? "" : "application/json"));
    CHECK(Normal(reply.Find("x-amzn-RequestId").value_or("")) == "<id>");
  }
}

inline const std::string kArn = "arn:aws:lambda:us-east-1:000000000000:function:";
inline const std::string kFunctions = "/2015-03-31/functions";
inline constexpr std::string_view kNotFound = "ResourceNotFoundException";
inline constexpr std::string_view kInvalid = "InvalidParameterValueException";
inline constexpr std::string_view kValidation = "ValidationException";
inline constexpr std::string_view kConflict = "ResourceConflictException";

inline std::string Missing(std::string_view message) {
  return fmt::format(R"({{"Type":"User","Message":"{}"}})", message);
}
inline std::string NoFunction(std::string_view qualified) {
  return Missing(fmt::format("Function not found: {}{}", kArn, qualified));
}
inline std::string User(std::string_view message) {
  return fmt::format(R"({{"Type":"User","message":"{}"}})", message);
}
inline std::string Constraint(std::string_view value, std::string_view field, std::string_view must) {
  return fmt::format(
      R"({{"message":"1 validation error detected: Value '{}' at '{}' failed to satisfy constraint: Member must {}"}})",
      value, field, must);
}

// A function's configuration block.
struct Block {
  std::string qualifier = {};  // of its ARN
  std::string version = "$LATEST";
  std::string description = {};
  int timeout = 3;
  int memory = 128;
  bool state = true;  // lists have none
};
inline std::string Configuration(const std::string& name, const Block& block) {
  return fmt::format(
      R"({{"FunctionName":"{0}","FunctionArn":"{1}{0}{2}","Runtime":"provided.al2023",)"
      R"("Role":"arn:aws:iam::000000000000:role/runlet","Handler":"{0}","CodeSize":0,"Description":"{3}","Timeout":{4},)"
      R"("MemorySize":{5},"LastModified":"<time>","CodeSha256":"47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",)"
      R"("Version":"{6}","TracingConfig":{{"Mode":"PassThrough"}},"RevisionId":"<id>",{7}"PackageType":"Zip",)"
      R"("Architectures":["{8}"],"EphemeralStorage":{{"Size":512}},"SnapStart":{{"ApplyOn":"None",)"
      R"("OptimizationStatus":"Off"}},"LoggingConfig":{{"LogFormat":"Text","LogGroup":"/aws/lambda/{0}"}}}})",
      name, kArn, block.qualifier.empty() ? "" : ":" + block.qualifier, block.description, block.timeout, block.memory,
      block.version, block.state ? R"("State":"Active","LastUpdateStatus":"Successful",)" : "",
#if defined(__aarch64__)
      "arm64"
#else
      "x86_64"
#endif
  );
}
inline std::string Listed(const std::string& name, Block block = {}) {
  block.state = false;
  return Configuration(name, block);
}

inline constexpr std::string_view kHostRegisters =
    "The functions of this endpoint are C++ callables of the program that serves it: it registers and replaces them "
    "with runlet::Engine::Register and Replace, and code cannot be uploaded.";
inline constexpr std::string_view kFunctionsOnly =
    "This operation is permitted on Lambda functions only. Aliases and versions do not support this operation. Please "
    "specify either a function name or an unqualified function ARN.";
inline constexpr std::string_view kNoResource = "The resource you requested does not exist.";

// Each a character, and two bytes.
inline std::string Accents(int count) {
  std::string text;
  for (int i = 0; i < count; ++i) text += "\u00e9";
  return text;
}

inline void Register(ServiceFixture& api, std::initializer_list<const char*> names) {
  for (const char* name : names) {
    REQUIRE(api.engine().Register(name, [](std::string_view event) { return event; }).ok());
  }
}

}  // namespace runlet::http

#endif  // RUNLET_TESTS_HTTP_CONTROL_PLANE_ROWS_H_
