// Which call a method and a path mean.
#ifndef RUNLET_SRC_HTTP_ROUTES_H_
#define RUNLET_SRC_HTTP_ROUTES_H_

#include <array>
#include <optional>
#include <string_view>

#include "http/operation.h"

namespace runlet::http {

struct FoundRoute {
  Operation operation;
  std::array<std::string_view, 3> parts;
  bool changes = false;  // something: it is no mere question
  // It reads what it changes, and comes in turn. What ends a function does not: whoever waits for its events is told
  // meanwhile, and may do as he likes.
  bool takes_turns = false;
};

// Of the control plane. A slash at the end of `path` is ignored.
std::optional<FoundRoute> FindRoute(std::string_view method, std::string_view path);

// `path` between `prefix` and `suffix`, which it has both, where nothing but one segment is between.
std::optional<std::string_view> Between(std::string_view path, std::string_view prefix, std::string_view suffix);

}  // namespace runlet::http

#endif  // RUNLET_SRC_HTTP_ROUTES_H_
