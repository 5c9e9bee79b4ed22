// Percent-encoding, as URIs have it.
#ifndef RUNLET_SRC_HTTP_PERCENT_H_
#define RUNLET_SRC_HTTP_PERCENT_H_

#include <optional>
#include <string>
#include <string_view>

namespace runlet::http {

// Decoded once: "%2541" is "%41". A plus sign stays one. Nothing where a percent sign lacks its two hex digits.
std::optional<std::string> PercentDecoded(std::string_view text);

// Everything but letters, digits, "-", ".", "_", "~" and what `kept` names, as %XX in upper case.
std::string PercentEncoded(std::string_view text, std::string_view kept = {});

}  // namespace runlet::http

#endif  // RUNLET_SRC_HTTP_PERCENT_H_
