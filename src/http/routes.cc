#include "http/routes.h"

#include "http/operations.h"

namespace runlet::http {
namespace {

struct Route {
  std::string_view method;
  std::string_view pattern;  // {} stands for any one segment
  Operation operation;
};

// Get and List of provisioned concurrency differ in their query alone.
Outcome ProvisionedConcurrency(const OperationCall& call) {
  return call.Query("List").has_value() ? ListProvisionedConcurrencyConfigs(call)
                                        : GetProvisionedConcurrencyConfig(call);
}

// The first that fits counts.
constexpr Route kRoutes[] = {
    {"GET", "/2015-03-31/functions", ListFunctions},
    {"POST", "/2015-03-31/functions", CreateFunction},
    {"GET", "/2015-03-31/functions/{}", GetFunction},
    {"DELETE", "/2015-03-31/functions/{}", DeleteFunction},
    {"GET", "/2015-03-31/functions/{}/configuration", GetFunctionConfiguration},
    {"PUT", "/2015-03-31/functions/{}/configuration", UpdateFunctionConfiguration},
    {"PUT", "/2015-03-31/functions/{}/code", UpdateFunctionCode},
    {"POST", "/2015-03-31/functions/{}/versions", PublishVersion},
    {"GET", "/2015-03-31/functions/{}/versions", ListVersionsByFunction},
    {"POST", "/2015-03-31/functions/{}/aliases", CreateAlias},
    {"GET", "/2015-03-31/functions/{}/aliases", ListAliases},
    {"GET", "/2015-03-31/functions/{}/aliases/{}", GetAlias},
    {"PUT", "/2015-03-31/functions/{}/aliases/{}", UpdateAlias},
    {"DELETE", "/2015-03-31/functions/{}/aliases/{}", DeleteAlias},
    {"PUT", "/2017-10-31/functions/{}/concurrency", PutFunctionConcurrency},
    {"DELETE", "/2017-10-31/functions/{}/concurrency", DeleteFunctionConcurrency},
    {"GET", "/2019-09-30/functions/{}/concurrency", GetFunctionConcurrency},
    {"PUT", "/2019-09-25/functions/{}/event-invoke-config", PutFunctionEventInvokeConfig},
    {"POST", "/2019-09-25/functions/{}/event-invoke-config", UpdateFunctionEventInvokeConfig},
    {"GET", "/2019-09-25/functions/{}/event-invoke-config", GetFunctionEventInvokeConfig},
    {"DELETE", "/2019-09-25/functions/{}/event-invoke-config", DeleteFunctionEventInvokeConfig},
    {"GET", "/2019-09-25/functions/{}/event-invoke-config/list", ListFunctionEventInvokeConfigs},
    {"PUT", "/2019-09-30/functions/{}/provisioned-concurrency", PutProvisionedConcurrencyConfig},
    {"GET", "/2019-09-30/functions/{}/provisioned-concurrency", ProvisionedConcurrency},
    {"DELETE", "/2019-09-30/functions/{}/provisioned-concurrency", DeleteProvisionedConcurrencyConfig},
    {"GET", "/2016-08-19/account-settings", GetAccountSettings},
    {"PUT", "/2024-08-31/functions/{}/recursion-config", PutFunctionRecursionConfig},
    {"GET", "/2024-08-31/functions/{}/recursion-config", GetFunctionRecursionConfig},
    {"POST", "/2017-03-31/tags/{}", TagResource},
    {"DELETE", "/2017-03-31/tags/{}", UntagResource},
    {"GET", "/2017-03-31/tags/{}", ListTags},
    {"POST", "/2021-10-31/functions/{}/url", CreateFunctionUrlConfig},
    {"GET", "/2021-10-31/functions/{}/url", GetFunctionUrlConfig},
    {"PUT", "/2021-10-31/functions/{}/url", UpdateFunctionUrlConfig},
    {"DELETE", "/2021-10-31/functions/{}/url", DeleteFunctionUrlConfig},
    {"GET", "/2021-10-31/functions/{}/urls", ListFunctionUrlConfigs},
    {"GET", "/2015-03-31/functions/{}/policy", GetPolicy},
    {"POST", "/2015-03-31/functions/{}/policy", NotOffered},
    {"DELETE", "/2015-03-31/functions/{}/policy/{}", NotOffered},
    {"GET", "/2020-06-30/functions/{}/code-signing-config", GetFunctionCodeSigningConfig},
    {"PUT", "/2020-06-30/functions/{}/code-signing-config", NotOffered},
    {"DELETE", "/2020-06-30/functions/{}/code-signing-config", NotOffered},
    {"GET", "/2021-07-20/functions/{}/runtime-management-config", GetRuntimeManagementConfig},
    {"PUT", "/2021-07-20/functions/{}/runtime-management-config", NotOffered},
    {"GET", "/2015-03-31/event-source-mappings", ListEventSourceMappings},
    {"POST", "/2015-03-31/event-source-mappings", NotOffered},
    {"GET", "/2015-03-31/event-source-mappings/{}", GetEventSourceMapping},
    {"PUT", "/2015-03-31/event-source-mappings/{}", GetEventSourceMapping},
    {"DELETE", "/2015-03-31/event-source-mappings/{}", GetEventSourceMapping},
    {"GET", "/2018-10-31/layers", ListLayers},
    {"POST", "/2018-10-31/layers/{}/versions", NotOffered},
    {"POST", "/2020-04-22/code-signing-configs", NotOffered},
    {"POST", "/2025-11-30/capacity-providers", NotOffered},
    {"PUT", "/2025-11-30/functions/{}/function-scaling-config", NotOffered},
};

std::string_view NextSegment(std::string_view* path) {
  path->remove_prefix(1);
  const std::string_view segment = path->substr(0, path->find('/'));
  path->remove_prefix(segment.size());
  return segment;
}

bool Fits(std::string_view pattern, std::string_view path, std::array<std::string_view, 3>* parts) {
  std::size_t found = 0;
  while (!pattern.empty() && !path.empty()) {
    const std::string_view wanted = NextSegment(&pattern);
    const std::string_view segment = NextSegment(&path);
    if (wanted == "{}" && !segment.empty()) {
      (*parts)[found++] = segment;
    } else if (wanted != segment) {
      return false;
    }
  }
  return pattern.empty() && path.empty();
}

}  // namespace

std::optional<FoundRoute> FindRoute(std::string_view method, std::string_view path) {
  if (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
  if (!path.starts_with('/')) return std::nullopt;
  for (const Route& route : kRoutes) {
    const bool changes = method != "GET";
    const bool ends = route.operation == DeleteFunction || route.operation == DeleteAlias;
    FoundRoute found{.operation = route.operation, .parts = {}, .changes = changes, .takes_turns = changes && !ends};
    if (route.method == method && Fits(route.pattern, path, &found.parts)) return found;
  }
  return std::nullopt;
}

std::optional<std::string_view> Between(std::string_view path, std::string_view prefix, std::string_view suffix) {
  if (path.size() <= prefix.size() + suffix.size() || !path.starts_with(prefix) || !path.ends_with(suffix)) {
    return std::nullopt;
  }
  const std::string_view between = path.substr(prefix.size(), path.size() - prefix.size() - suffix.size());
  return between.find('/') == std::string_view::npos ? std::optional(between) : std::nullopt;
}

}  // namespace runlet::http
