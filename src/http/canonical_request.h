// The one text of a request that client and server sign alike.
#ifndef RUNLET_SRC_HTTP_CANONICAL_REQUEST_H_
#define RUNLET_SRC_HTTP_CANONICAL_REQUEST_H_

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "http/exchange.h"

namespace runlet::http {

// One "name=value" of a query, decoded.
struct QueryParameter {
  std::string name = {};
  std::string value = {};
};

// In order. A plus sign is a blank: clients send one and sign the other. Nothing where the percent-encoding is broken.
std::optional<std::vector<QueryParameter>> ParseQuery(std::string_view query);

// `path` as sent, so encoded once already: dot segments and double slashes removed, and encoded again.
std::string CanonicalPath(std::string_view path);

// Encoded and sorted; without X-Amz-Signature.
std::string CanonicalQuery(std::span<const QueryParameter> parameters);

// "host:h\nx-amz-date:...\n": values trimmed, blanks inside them joined, several of one name joined by commas. Nothing
// where the request has no such header.
std::optional<std::string> CanonicalHeaders(std::span<const Header> headers,
                                            std::span<const std::string_view> signed_names);

}  // namespace runlet::http

#endif  // RUNLET_SRC_HTTP_CANONICAL_REQUEST_H_
