#include "invoke/unbegun_calls.h"

namespace runlet {

void UnbegunCalls::Add(UnbegunCall& call, Instant deadline) {
  MutexLock lock(&mu_);
  if (call.unbegun()) wheel_.Arm(&call, deadline);
}

void UnbegunCalls::Remove(UnbegunCall& call) {
  MutexLock lock(&mu_);
  wheel_.Cancel(&call);
}

Instant UnbegunCalls::Expire(Instant now) {
  for (;;) {
    UnbegunCall* call;
    {
      MutexLock lock(&mu_);
      call = static_cast<UnbegunCall*>(wheel_.PopDue(now));
      if (call == nullptr) return wheel_.NextDue();
      call->Hold();
    }
    call->OnDeadlineUnbegun();
  }
}

}  // namespace runlet
