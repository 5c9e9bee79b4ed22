#include "http/function_view.h"

#include <absl/time/time.h>
#include <fmt/format.h>

#include <algorithm>

#include "http/timestamps.h"

namespace runlet::http {
namespace {

#if defined(__aarch64__)
constexpr std::string_view kArchitecture = "arm64";
#else
constexpr std::string_view kArchitecture = "x86_64";
#endif

// Whole seconds, as the API has them; a shorter timeout counts as one.
std::int64_t Seconds(absl::Duration timeout) {
  return std::max<std::int64_t>(1, absl::ToInt64Seconds(absl::Ceil(timeout, absl::Seconds(1))));
}

}  // namespace

Json FunctionConfiguration(const OperationCall& call, const Target& target, const FunctionDescription& description,
                           bool with_state) {
  const Account& account = call.engine.account();
  const FunctionConfig& config = description.config;
  Json json;
  json["FunctionName"] = target.function;
  json["FunctionArn"] = target.arn(account);
  json["Runtime"] = "provided.al2023";
  json["Role"] = fmt::format("arn:aws:iam::{}:role/runlet", account.id);
  json["Handler"] = target.function;
  json["CodeSize"] = 0;
  json["Description"] = config.description;
  json["Timeout"] = Seconds(config.timeout);
  json["MemorySize"] = config.memory_size;
  json["LastModified"] = LastModifiedText(description.last_modified);
  json["CodeSha256"] = kCodeSha256;
  json["Version"] = description.version;
  json["TracingConfig"] = {{"Mode", "PassThrough"}};
  json["RevisionId"] = call.book.RevisionId(description.revision);
  if (with_state) {
    json["State"] = "Active";
    json["LastUpdateStatus"] = "Successful";
  }
  json["PackageType"] = "Zip";
  json["Architectures"] = Json::array({kArchitecture});
  json["EphemeralStorage"] = {{"Size", 512}};
  json["SnapStart"] = {{"ApplyOn", "None"}, {"OptimizationStatus", "Off"}};
  json["LoggingConfig"] = {{"LogFormat", "Text"}, {"LogGroup", "/aws/lambda/" + target.function}};
  return json;
}

}  // namespace runlet::http
