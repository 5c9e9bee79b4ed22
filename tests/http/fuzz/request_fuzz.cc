// Any bytes a client may send. However they are cut, the same requests come of them, and Lambda's API answers each;
// where requests must be signed, with a refusal.
#include <runlet/testing/simulation.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "http/function_url.h"
#include "http/lambda_service.h"
#include "http/request_reader.h"
#include "tests/http/recorded_exchange.h"

namespace runlet::http {
namespace {

ServerLimits Limits() {
  ServerLimits limits;
  limits.head_bytes_max = 2'048;
  limits.headers_max = 20;
  limits.body_bytes_max = 1'000;
  limits.drained_bytes_max = 5'000;
  return limits;
}

void Check(bool right) {
  if (!right) std::abort();
}

// The API over a function `f`, and whom it believes.
class Api {
 public:
  template <typename F>
  Api(const Authentication& authentication, F handler)
      : simulation_(), service_(simulation_.engine(), authentication, false, 1) {
    Check(simulation_.engine().Register("f", handler).ok());
    Check(service_.book().AddUrl("f", {.id = "abc", .signed_only = true}));
  }

  // The status of the answer.
  int Ask(const Request& request) {
    RecordedExchange exchange(request);
    exchange.HandTo(service_);
    Check(simulation_.engine().WaitIdle(absl::Hours(24)).ok());
    exchange.WaitEnded();
    Check(exchange.status() >= 200 && exchange.status() <= 599 && !exchange.dropped());
    return exchange.status();
  }

 private:
  testing::Simulation simulation_;
  LambdaService service_;
};

struct Apis {
  Api open{kNoAuthentication, [](std::string_view event) { return std::string(event); }};
  Api guarded{SigV4{.keys = {{"AKIDEXAMPLE", "secret", {"*"}}}}, [](std::string_view) { std::abort(); }};
};

// What came of it: each request's parts, each refusal's status.
std::vector<std::string> Read(std::string_view sent, std::size_t piece, Apis* apis) {
  static const ServerLimits limits = Limits();
  RequestReader reader(limits, true);
  std::vector<std::string> seen;
  while (!sent.empty()) {
    const std::span<char> room = reader.Room();
    Check(!room.empty());
    const std::size_t bytes = std::min({piece, sent.size(), room.size()});
    std::memcpy(room.data(), sent.data(), bytes);
    sent.remove_prefix(bytes);
    reader.Commit(bytes);
    for (bool more = true; more;) {
      switch (reader.Advance()) {
        case RequestReader::Progress::kNeedMore: more = false; break;
        case RequestReader::Progress::kContinue: break;
        case RequestReader::Progress::kRefused: seen.push_back(std::to_string(reader.refusal().status)); return seen;
        case RequestReader::Progress::kRequest: {
          Request& request = reader.request();
          Check(request.target.starts_with('/'));
          Check(request.headers.size() <= limits.headers_max);
          Check(request.body.size() <= limits.body_bytes_max);
          std::string text = std::string(request.method) + ' ' + std::string(request.target) + ' ' +
                             std::to_string(request.oversized_bytes) + ' ' + std::string(request.body);
          for (const Header& header : request.headers) {
            Check(header.value.find_first_of(std::string_view("\r\n\0", 3)) == std::string_view::npos);
            text.append("|").append(header.name).append(":").append(header.value);
          }
          seen.push_back(std::move(text));
          if (apis != nullptr) {
            request.peer = "127.0.0.1:1";
            apis->open.Ask(request);
            const int status = apis->guarded.Ask(request);
            Check(status == 403 || (status == 404 && FindFunctionUrl(request).has_value()));
          }
          if (!reader.keeps_alive()) return seen;
          reader.Next();
          break;
        }
      }
    }
  }
  return seen;
}

}  // namespace
}  // namespace runlet::http

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace runlet;        // NOLINT
  using namespace runlet::http;  // NOLINT
  const std::string_view sent(reinterpret_cast<const char*>(data), size);
  Apis apis;
  const std::vector<std::string> whole = Read(sent, size + 1, &apis);
  std::vector<std::string> cut = Read(sent, 1 + size % 7, nullptr);
  // A refusal may need to see more of the text when it comes in pieces, but never makes a request of it.
  Check(cut.size() <= whole.size());
  Check(std::equal(cut.begin(), cut.end(), whole.begin(), [](const std::string& a, const std::string& b) {
    return a == b || (a.size() == 3 && b.size() == 3);
  }));
  return 0;
}
