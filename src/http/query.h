// The part of a request's target behind the question mark.
#ifndef RUNLET_SRC_HTTP_QUERY_H_
#define RUNLET_SRC_HTTP_QUERY_H_

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace runlet::http {

// Whether what is percent-encoded in it can be decoded.
bool IsQuery(std::string_view query);
// The first parameter of that name, decoded once; empty text where it has no value. Nothing where there is none, or
// where its percent-encoding is broken.
std::optional<std::string> FindQuery(std::string_view query, std::string_view name);
// All of them, decoded, in order. What cannot be decoded stays as it is.
std::vector<std::pair<std::string, std::string>> QueryParameters(std::string_view query);

}  // namespace runlet::http

#endif  // RUNLET_SRC_HTTP_QUERY_H_
