// A look at each execution before its handler runs: the seam for injected faults.
#ifndef RUNLET_INVOKE_INTERCEPTOR_H_
#define RUNLET_INVOKE_INTERCEPTOR_H_

#include <absl/status/status.h>

#include "runlet/event/context.h"

namespace runlet {

// Given to the engine in EngineOptions; outlives it. Thread-safe.
class Interceptor {
 public:
  virtual ~Interceptor() = default;
  // OK: the handler runs. Else the execution ends with this, as if the handler had returned it. May block on the
  // engine, as a handler may.
  virtual absl::Status BeforeHandler(Context& context) = 0;
};

}  // namespace runlet

#endif  // RUNLET_INVOKE_INTERCEPTOR_H_
