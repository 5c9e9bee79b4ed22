#include "http/query.h"

#include "http/percent.h"

namespace runlet::http {
namespace {

struct Raw {
  std::string_view name;
  std::string_view value;
};

Raw Next(std::string_view* query) {
  const std::string_view pair = query->substr(0, query->find('&'));
  query->remove_prefix(pair.size() < query->size() ? pair.size() + 1 : pair.size());
  const std::size_t equals = pair.find('=');
  if (equals == std::string_view::npos) return {pair, {}};
  return {pair.substr(0, equals), pair.substr(equals + 1)};
}

std::string DecodedOrAsItIs(std::string_view text) { return PercentDecoded(text).value_or(std::string(text)); }

}  // namespace

bool IsQuery(std::string_view query) {
  return query.find('%') == std::string_view::npos || PercentDecoded(query).has_value();
}

std::optional<std::string> FindQuery(std::string_view query, std::string_view name) {
  while (!query.empty()) {
    const Raw raw = Next(&query);
    if (raw.name == name || PercentDecoded(raw.name) == name) return PercentDecoded(raw.value);
  }
  return std::nullopt;
}

std::vector<std::pair<std::string, std::string>> QueryParameters(std::string_view query) {
  std::vector<std::pair<std::string, std::string>> parameters;
  while (!query.empty()) {
    const Raw raw = Next(&query);
    parameters.emplace_back(DecodedOrAsItIs(raw.name), DecodedOrAsItIs(raw.value));
  }
  return parameters;
}

}  // namespace runlet::http
