#include "invoke/execution.h"

namespace runlet {

thread_local constinit Execution* Execution::current_ = nullptr;

}  // namespace runlet
