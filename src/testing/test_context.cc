#include "runlet/testing/test_context.h"

#include <utility>

namespace runlet::testing {
namespace {

class Recorded final : public ResponseStream {
 public:
  explicit Recorded(std::string& text) : text_(text) {}
  absl::Status Write(std::string_view bytes) override {
    text_ += bytes;
    return absl::OkStatus();
  }

 private:
  std::string& text_;
};

}  // namespace

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

std::unique_ptr<ResponseStream> TestContext::OpenStream(const Invocation&, std::string_view content_type) {
  stream_content_type_ = content_type;
  return std::make_unique<Recorded>(streamed_);
}

void TestContext::Log(const Invocation&, std::string_view line) { log_.emplace_back(line); }

void TestContext::SleepUntil(Instant until, const std::atomic<std::uint32_t>& stop) {
  if (stop.load() == 0) clock_.AdvanceTo(until);
}

}  // namespace runlet::testing
