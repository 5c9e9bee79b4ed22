#include "runlet/testing/test_context.h"

#include <utility>

namespace runlet::testing {

TestContext::TestContext(TestContextOptions options)
    : options_(std::move(options)), context_(invocation_, clock_, stop_, *this) {
  invocation_.request_id = RequestId::FromBits(0x7e57, 0x7e57);
  invocation_.function_name = options_.function_name;
  invocation_.client_context = options_.client_context;
  invocation_.deadline = clock_.Now().After(Nanos(options_.timeout));
  invocation_.attempt = options_.attempt;
  invocation_.memory_size = options_.memory_size;
  invocation_.type = options_.type;
}

void TestContext::Log(const Invocation&, std::string_view line) { log_.emplace_back(line); }

void TestContext::SleepUntil(Instant until, const std::atomic<std::uint32_t>& stop) {
  if (stop.load() == 0) clock_.AdvanceTo(until);
}

}  // namespace runlet::testing
