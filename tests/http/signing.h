// Signs requests as a client of AWS's does, so that a test may be one.
#ifndef RUNLET_TESTS_HTTP_SIGNING_H_
#define RUNLET_TESTS_HTTP_SIGNING_H_

#include <absl/strings/escaping.h>
#include <absl/time/time.h>
#include <fmt/format.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "http/canonical_request.h"
#include "http/sha256.h"
#include "runlet/http/server_options.h"

namespace runlet::http {

using OwnedHeaders = std::vector<std::pair<std::string, std::string>>;

inline std::string HmacSha256(std::string_view key, std::string_view text) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), reinterpret_cast<const unsigned char*>(text.data()),
       text.size(), digest, &size);
  return {reinterpret_cast<const char*>(digest), size};
}

// What a client sends: `headers`, and those that sign them with `key` at `now`. A hash that `headers` tell as
// X-Amz-Content-Sha256 is signed in place of the body's own.
inline OwnedHeaders Signed(const AccessKey& key, absl::Time now, std::string_view method, std::string_view target,
                           OwnedHeaders headers, std::string_view body) {
  const std::string date = absl::FormatTime("%Y%m%dT%H%M%SZ", now, absl::UTCTimeZone());
  const std::string scope = date.substr(0, 8) + "/us-east-1/lambda/aws4_request";
  headers.emplace_back("Host", "here");
  headers.emplace_back("X-Amz-Date", date);
  std::vector<Header> views;
  std::vector<std::string> names;
  std::string hash = Sha256Hex(body);
  for (const auto& [name, value] : headers) {
    views.push_back({name, value});
    names.push_back(absl::AsciiStrToLower(name));
    if (names.back() == "x-amz-content-sha256") hash = value;
  }
  std::sort(names.begin(), names.end());
  const std::vector<std::string_view> signed_names(names.begin(), names.end());
  const std::string list = fmt::format("{}", fmt::join(names, ";"));
  const std::string_view path = target.substr(0, target.find('?'));
  const std::string_view query = path.size() < target.size() ? target.substr(path.size() + 1) : std::string_view();
  const std::string canonical =
      fmt::format("{}\n{}\n{}\n{}\n{}\n{}", method, CanonicalPath(path), CanonicalQuery(ParseQuery(query).value()),
                  CanonicalHeaders(views, signed_names).value(), list, hash);
  std::string signing_key = "AWS4" + key.secret;
  for (const std::string_view part : {std::string_view(date).substr(0, 8), std::string_view("us-east-1"),
                                      std::string_view("lambda"), std::string_view("aws4_request")}) {
    signing_key = HmacSha256(signing_key, part);
  }
  const std::string signature =
      HmacSha256(signing_key, fmt::format("AWS4-HMAC-SHA256\n{}\n{}\n{}", date, scope, Sha256Hex(canonical)));
  headers.emplace_back("Authorization", fmt::format("AWS4-HMAC-SHA256 Credential={}/{}, SignedHeaders={}, Signature={}",
                                                    key.id, scope, list, absl::BytesToHexString(signature)));
  return headers;
}

}  // namespace runlet::http

#endif  // RUNLET_TESTS_HTTP_SIGNING_H_
