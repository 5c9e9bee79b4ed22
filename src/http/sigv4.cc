#include "http/sigv4.h"

#include <absl/strings/escaping.h>
#include <absl/strings/match.h>
#include <absl/time/time.h>
#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "http/canonical_request.h"
#include "http/sha256.h"

namespace runlet::http {
namespace {

constexpr std::string_view kAlgorithm = "AWS4-HMAC-SHA256";
constexpr std::string_view kUnsignedPayload = "UNSIGNED-PAYLOAD";
constexpr std::string_view kTerminator = "aws4_request";
constexpr std::string_view kService = "lambda";
constexpr std::size_t kSignatureSize = 64;
constexpr absl::Duration kExpiryMax = absl::Hours(24 * 7);

using Digest = std::array<unsigned char, SHA256_DIGEST_LENGTH>;

// What a client says of its signature, in the header or in the query.
struct Claim {
  std::string credential;
  std::string signed_headers;
  std::string signature;
  std::string date;
  std::optional<std::string> expires;  // in the query alone
  std::optional<std::string> payload_hash;
};

// "AKID/20260101/us-east-1/lambda/aws4_request"
struct Scope {
  std::string_view key_id;
  std::string_view date;
  std::string_view region;
  std::string_view text;  // all but the key
};

using Outcome = std::variant<Claim, SignatureFault>;

SignatureFault Missing() { return {"MissingAuthenticationTokenException", "Missing Authentication Token"}; }
SignatureFault Incomplete(std::string message) { return {"IncompleteSignatureException", std::move(message)}; }
SignatureFault Invalid(std::string message) { return {"InvalidSignatureException", std::move(message)}; }
SignatureFault Mismatch() {
  return Invalid(
      "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key "
      "and signing method. Consult the service documentation for details.");
}

std::string Hex(const Digest& digest) {
  return absl::BytesToHexString({reinterpret_cast<const char*>(digest.data()), digest.size()});
}

const unsigned char* Bytes(std::string_view text) { return reinterpret_cast<const unsigned char*>(text.data()); }

Digest Hmac(std::span<const unsigned char> key, std::string_view text) {
  Digest digest;
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), Bytes(text), text.size(), digest.data(), nullptr);
  return digest;
}

std::vector<std::string_view> Split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (true) {
    const std::size_t end = text.find(separator);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

std::string_view Trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

bool EqualsIgnoreCase(std::string_view a, std::string_view b) {
  return absl::EqualsIgnoreCase({a.data(), a.size()}, {b.data(), b.size()});
}

std::optional<std::string> Text(std::optional<std::string_view> view) {
  return view ? std::optional<std::string>(*view) : std::nullopt;
}

// ---- what the client claims ----

Outcome ClaimOfHeader(const Request& request, std::string_view authorization) {
  Claim claim;
  std::string_view rest = authorization;
  if (!rest.starts_with(kAlgorithm) || rest.size() == kAlgorithm.size() || rest[kAlgorithm.size()] != ' ') {
    return Incomplete(fmt::format("Authorization header must begin with '{}'", kAlgorithm));
  }
  rest.remove_prefix(kAlgorithm.size());
  for (const std::string_view part : Split(rest, ',')) {
    const std::size_t equals = part.find('=');
    if (equals == std::string_view::npos) return Incomplete("Authorization header holds a part without '='");
    const std::string_view name = Trimmed(part.substr(0, equals));
    std::string* const field = name == "Credential"      ? &claim.credential
                               : name == "SignedHeaders" ? &claim.signed_headers
                               : name == "Signature"     ? &claim.signature
                                                         : nullptr;
    if (field == nullptr || !field->empty())
      return Incomplete("Authorization header holds an unknown or repeated part");
    *field = Trimmed(part.substr(equals + 1));
  }
  for (const auto& [name, value] : {std::pair<std::string_view, const std::string&>{"Credential", claim.credential},
                                    {"SignedHeaders", claim.signed_headers},
                                    {"Signature", claim.signature}}) {
    if (value.empty()) return Incomplete(fmt::format("Authorization header requires '{}' parameter.", name));
  }
  const std::optional<std::string_view> date = request.Find("x-amz-date");
  if (!date) return Incomplete("Authorization header requires existence of an 'X-Amz-Date' header.");
  claim.date = *date;
  claim.payload_hash = Text(request.Find("x-amz-content-sha256"));
  return claim;
}

Outcome ClaimOfQuery(const Request& request, std::span<const QueryParameter> parameters) {
  Claim claim;
  std::string algorithm;
  std::string expires;
  std::string payload_hash;
  struct Field {
    std::string_view name;
    std::string* value;
    bool required = true;
  };
  for (const Field& field :
       {Field{"X-Amz-Algorithm", &algorithm}, Field{"X-Amz-Credential", &claim.credential},
        Field{"X-Amz-Date", &claim.date}, Field{"X-Amz-Expires", &expires},
        Field{"X-Amz-SignedHeaders", &claim.signed_headers}, Field{"X-Amz-Signature", &claim.signature},
        Field{"X-Amz-Content-Sha256", &payload_hash, false}}) {
    int found = 0;
    for (const QueryParameter& parameter : parameters) {
      if (!EqualsIgnoreCase(parameter.name, field.name)) continue;
      ++found;
      *field.value = parameter.value;
    }
    if (found > 1) return Incomplete(fmt::format("Query-string authentication holds '{}' more than once", field.name));
    if (field.required && field.value->empty()) {
      return Incomplete(fmt::format("AWS query-string authentication requires the '{}' parameter", field.name));
    }
  }
  if (algorithm != kAlgorithm) return Incomplete(fmt::format("X-Amz-Algorithm must be '{}'", kAlgorithm));
  claim.expires = expires;
  claim.payload_hash = Text(request.Find("x-amz-content-sha256"));
  if (!claim.payload_hash && !payload_hash.empty()) claim.payload_hash = payload_hash;
  return claim;
}

Outcome FindClaim(const Request& request, std::span<const QueryParameter> parameters) {
  const auto is_authorization = [](const Header& header) { return EqualsIgnoreCase(header.name, "authorization"); };
  const auto headers = std::count_if(request.headers.begin(), request.headers.end(), is_authorization);
  const bool in_query = std::any_of(parameters.begin(), parameters.end(), [](const QueryParameter& parameter) {
    return EqualsIgnoreCase(parameter.name, "X-Amz-Signature") || EqualsIgnoreCase(parameter.name, "X-Amz-Algorithm");
  });
  if (headers + (in_query ? 1 : 0) > 1) return Incomplete("The request is signed more than once");
  if (headers == 1) return ClaimOfHeader(request, *request.Find("authorization"));
  if (in_query) return ClaimOfQuery(request, parameters);
  return Missing();
}

// ---- whether it may be so ----

std::optional<Scope> ParseScope(std::string_view credential) {
  const std::vector<std::string_view> parts = Split(credential, '/');
  if (parts.size() != 5 || parts[0].empty() || parts[2].empty()) return std::nullopt;
  if (parts[3] != kService || parts[4] != kTerminator) return std::nullopt;
  return Scope{parts[0], parts[1], parts[2], credential.substr(parts[0].size() + 1)};
}

// "20260101T093000Z"
std::optional<absl::Time> ParseDate(std::string_view text) {
  constexpr std::string_view kForm = "00000000T000000Z";
  if (text.size() != kForm.size()) return std::nullopt;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool right = kForm[i] == '0' ? text[i] >= '0' && text[i] <= '9' : text[i] == kForm[i];
    if (!right) return std::nullopt;
  }
  const auto number = [&](std::size_t at, std::size_t size) {
    int value = 0;
    for (const char c : text.substr(at, size)) value = value * 10 + (c - '0');
    return value;
  };
  const absl::CivilSecond civil(number(0, 4), number(4, 2), number(6, 2), number(9, 2), number(11, 2), number(13, 2));
  // A 13th month would have been made the next year's first.
  if (civil.month() != number(4, 2) || civil.day() != number(6, 2) || civil.hour() != number(9, 2) ||
      civil.minute() != number(11, 2) || civil.second() != number(13, 2)) {
    return std::nullopt;
  }
  return absl::FromCivil(civil, absl::UTCTimeZone());
}

std::optional<SignatureFault> CheckTime(const Claim& claim, const Scope& scope, absl::Time now, absl::Duration skew) {
  const std::optional<absl::Time> signed_at = ParseDate(claim.date);
  if (!signed_at) return Incomplete("The date of the signature is not in the form 20260101T000000Z");
  if (!std::string_view(claim.date).starts_with(scope.date) || scope.date.size() != 8) {
    return Invalid("The date in the credential scope is not that of the signature");
  }
  if (*signed_at > now + skew) return Invalid("Signature not yet current: it is dated too far in the future");
  absl::Duration valid = skew;
  if (claim.expires) {
    const std::string& text = *claim.expires;
    const bool is_number =
        text.size() <= 6 && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
    valid = is_number ? absl::Seconds(std::stoi(text)) : absl::ZeroDuration();
    if (valid <= absl::ZeroDuration() || valid > kExpiryMax) {
      return Incomplete("X-Amz-Expires must be a number of seconds, 1 to 604800");
    }
  }
  if (now > *signed_at + valid) return Invalid("Signature expired: it is dated too far in the past");
  return std::nullopt;
}

std::optional<SignatureFault> CheckSignedHeaders(const Request& request, std::span<const std::string_view> names) {
  const auto is_signed = [&](std::string_view name) {
    return std::any_of(names.begin(), names.end(),
                       [&](std::string_view signed_name) { return EqualsIgnoreCase(signed_name, name); });
  };
  if (!is_signed("host")) return Invalid("'Host' must be a 'SignedHeader' in the AWS Authorization.");
  for (const Header& header : request.headers) {
    constexpr std::string_view kPrefix = "x-amz-";
    if (EqualsIgnoreCase(header.name.substr(0, kPrefix.size()), kPrefix) && !is_signed(header.name)) {
      return Invalid("Every 'x-amz-' header of the request must be a 'SignedHeader' in the AWS Authorization.");
    }
  }
  return std::nullopt;
}

Digest SigningKey(const AccessKey& key, const Scope& scope) {
  const std::string secret = "AWS4" + key.secret;
  Digest digest = Hmac({Bytes(secret), secret.size()}, scope.date);
  for (const std::string_view part : {scope.region, kService, kTerminator}) digest = Hmac(digest, part);
  return digest;
}

// Of what was sent; of a body that never came, what is said of it: such a request is told so, and led no further.
std::optional<std::string> PayloadHash(const Request& request, const Claim& claim) {
  if (claim.payload_hash == kUnsignedPayload) return std::string(kUnsignedPayload);
  if (request.oversized_bytes == 0) return Sha256Hex(request.body);
  if (!request.oversized_sha256.empty()) return std::string(request.oversized_sha256);
  return claim.payload_hash;
}

}  // namespace

std::variant<const AccessKey*, SignatureFault> VerifySignature(const Request& request, const SigV4& options) {
  const std::optional<std::vector<QueryParameter>> parameters = ParseQuery(request.query());
  if (!parameters) return Incomplete("The query of the request is not percent-encoded");
  const Outcome outcome = FindClaim(request, *parameters);
  if (const SignatureFault* fault = std::get_if<SignatureFault>(&outcome)) return *fault;
  const Claim& claim = std::get<Claim>(outcome);

  const std::optional<Scope> scope = ParseScope(claim.credential);
  if (!scope) return Incomplete("Credential must have the form KEY/DATE/REGION/lambda/aws4_request");
  const auto key = std::find_if(options.keys.begin(), options.keys.end(),
                                [&](const AccessKey& one) { return one.id == scope->key_id; });
  if (key == options.keys.end()) {
    return SignatureFault{"UnrecognizedClientException", "The security token included in the request is invalid."};
  }
  if (auto fault = CheckTime(claim, *scope, request.time, options.clock_skew)) return *std::move(fault);
  const std::vector<std::string_view> names = Split(claim.signed_headers, ';');
  if (auto fault = CheckSignedHeaders(request, names)) return *std::move(fault);

  const std::optional<std::string> payload_hash = PayloadHash(request, claim);
  if (!payload_hash) {
    return Invalid("The body of the request is too large to be read: without X-Amz-Content-Sha256 nothing tells whose");
  }
  if (claim.payload_hash && *claim.payload_hash != *payload_hash) {
    return Invalid("The body of the request does not have the hash that X-Amz-Content-Sha256 says");
  }
  const std::optional<std::string> headers = CanonicalHeaders(request.headers, names);
  if (!headers) return Invalid("A header that was signed is missing from the request");
  const std::string canonical = fmt::format("{}\n{}\n{}\n{}\n{}\n{}", request.method, CanonicalPath(request.path()),
                                            CanonicalQuery(*parameters), *headers, claim.signed_headers, *payload_hash);
  const std::string to_sign = fmt::format("{}\n{}\n{}\n{}", kAlgorithm, claim.date, scope->text, Sha256Hex(canonical));
  const std::string expected = Hex(Hmac(SigningKey(*key, *scope), to_sign));
  if (claim.signature.size() != kSignatureSize ||
      CRYPTO_memcmp(claim.signature.data(), expected.data(), kSignatureSize) != 0) {
    return Mismatch();
  }
  return &*key;
}

bool MayCall(const AccessKey& key, std::string_view function) {
  return std::any_of(key.functions.begin(), key.functions.end(),
                     [&](const std::string& allowed) { return allowed == "*" || allowed == function; });
}

bool MayChange(const AccessKey& key) {
  return std::find(key.functions.begin(), key.functions.end(), "*") != key.functions.end();
}

}  // namespace runlet::http
