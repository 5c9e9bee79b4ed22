// Any request may claim to be signed: none is believed, and its canonical form is found all the same.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "http/canonical_request.h"
#include "http/percent.h"
#include "http/sigv4.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace runlet::http;  // NOLINT
  static const SigV4 keys{.keys = {{"AKIDEXAMPLE", "secret", {"*"}}}};
  // Lines: the target, Authorization, X-Amz-Date, X-Amz-Content-Sha256, Host, the body.
  std::vector<std::string_view> lines;
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  for (int i = 0; i < 6; ++i) {
    const std::size_t end = i < 5 ? rest.find('\n') : std::string_view::npos;
    lines.push_back(rest.substr(0, end));
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
  }
  std::vector<Header> headers = {{"X-Amz-Date", lines[2]}, {"Host", lines[4]}};
  if (!lines[1].empty()) headers.push_back({"Authorization", lines[1]});
  if (!lines[3].empty()) headers.push_back({"X-Amz-Content-Sha256", lines[3]});
  Request request;
  request.method = "POST";
  request.target = lines[0];
  request.headers = headers;
  request.body = lines[5];
  request.time = absl::FromUnixSeconds(1'769'854'272);
  if (std::holds_alternative<const AccessKey*>(VerifySignature(request, keys))) std::abort();
  if (const auto decoded = PercentDecoded(lines[0]); decoded && PercentDecoded(PercentEncoded(*decoded)) != decoded) {
    std::abort();
  }
  if (!CanonicalPath(request.path()).starts_with('/')) std::abort();
  return 0;
}
