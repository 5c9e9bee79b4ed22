#include "http/canonical_request.h"

#include <absl/strings/match.h>

#include <algorithm>
#include <tuple>
#include <utility>

#include "http/percent.h"

namespace runlet::http {
namespace {

bool IsBlank(char c) { return c == ' ' || c == '\t'; }

void AppendJoinedBlanks(std::string_view value, std::string* out) {
  bool blank = false;
  const std::size_t start = out->size();
  for (const char c : value) {
    if (IsBlank(c)) {
      blank = out->size() > start;
      continue;
    }
    if (std::exchange(blank, false)) *out += ' ';
    *out += c;
  }
}

std::optional<std::string> FormDecoded(std::string_view text) {
  std::string with_blanks(text);
  std::replace(with_blanks.begin(), with_blanks.end(), '+', ' ');
  return PercentDecoded(with_blanks);
}

}  // namespace

std::optional<std::vector<QueryParameter>> ParseQuery(std::string_view query) {
  std::vector<QueryParameter> parameters;
  while (!query.empty()) {
    const std::size_t end = std::min(query.find('&'), query.size());
    const std::string_view pair = query.substr(0, end);
    query.remove_prefix(std::min(end + 1, query.size()));
    if (pair.empty()) continue;
    const std::size_t equals = std::min(pair.find('='), pair.size());
    std::optional<std::string> name = FormDecoded(pair.substr(0, equals));
    std::optional<std::string> value = FormDecoded(pair.substr(std::min(equals + 1, pair.size())));
    if (!name || !value) return std::nullopt;
    parameters.push_back({*std::move(name), *std::move(value)});
  }
  return parameters;
}

std::string CanonicalPath(std::string_view path) {
  std::vector<std::string_view> segments;
  for (std::size_t at = 0; at < path.size();) {
    const std::size_t end = std::min(path.find('/', at), path.size());
    const std::string_view segment = path.substr(at, end - at);
    if (segment == "..") {
      if (!segments.empty()) segments.pop_back();
    } else if (!segment.empty() && segment != ".") {
      segments.push_back(segment);
    }
    at = end + 1;
  }
  std::string canonical;
  for (const std::string_view segment : segments) canonical.append("/").append(PercentEncoded(segment));
  if (canonical.empty() || path.ends_with('/')) canonical += '/';
  return canonical;
}

std::string CanonicalQuery(std::span<const QueryParameter> parameters) {
  std::vector<std::pair<std::string, std::string>> encoded;
  for (const QueryParameter& parameter : parameters) {
    if (parameter.name == "X-Amz-Signature") continue;
    encoded.emplace_back(PercentEncoded(parameter.name), PercentEncoded(parameter.value));
  }
  std::sort(encoded.begin(), encoded.end());
  std::string canonical;
  for (const auto& [name, value] : encoded) {
    if (!canonical.empty()) canonical += '&';
    canonical.append(name).append("=").append(value);
  }
  return canonical;
}

std::optional<std::string> CanonicalHeaders(std::span<const Header> headers,
                                            std::span<const std::string_view> signed_names) {
  std::string canonical;
  for (const std::string_view name : signed_names) {
    canonical.append(name).append(":");
    bool found = false;
    for (const Header& header : headers) {
      if (!absl::EqualsIgnoreCase({header.name.data(), header.name.size()}, {name.data(), name.size()})) continue;
      if (std::exchange(found, true)) canonical += ',';
      AppendJoinedBlanks(header.value, &canonical);
    }
    if (!found) return std::nullopt;
    canonical += '\n';
  }
  return canonical;
}

}  // namespace runlet::http
