#include "http/payload_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "event/json_text.h"

namespace runlet::http {

std::string PayloadError(std::string_view payload) {
  const std::optional<JsonFault> fault = FindJsonFault(payload);
  if (!fault.has_value()) return {};
  if (fault->too_deep) return fmt::format("nested deeper than {} levels", kJsonDepthMax);
  return fmt::format("not JSON at byte {} of {}", std::min(fault->at + 1, payload.size()), payload.size());
}

}  // namespace runlet::http
