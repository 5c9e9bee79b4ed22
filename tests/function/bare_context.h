// A Context with nothing behind it, for handlers that are called without an engine.
#ifndef RUNLET_TESTS_FUNCTION_BARE_CONTEXT_H_
#define RUNLET_TESTS_FUNCTION_BARE_CONTEXT_H_

#include <atomic>
#include <cstdint>
#include <string_view>

#include "runlet/event/context.h"

namespace runlet {

class BareContext : private ContextPort {
 public:
  BareContext() { invocation_.function_name = "bare"; }

  Context& context() { return context_; }
  int unwound() const { return unwound_; }

 private:
  void Log(const Invocation&, std::string_view) override {}
  void SleepUntil(Instant, const std::atomic<std::uint32_t>&) override {}
  std::unique_ptr<ResponseStream> OpenStream(const Invocation&, std::string_view) override { return nullptr; }
  void OnForcedUnwind() override { ++unwound_; }

  ManualClock clock_;
  std::atomic<std::uint32_t> stop_{0};
  Invocation invocation_;
  Context context_{invocation_, clock_, stop_, *this};
  int unwound_ = 0;
};

}  // namespace runlet

#endif  // RUNLET_TESTS_FUNCTION_BARE_CONTEXT_H_
