#include "invoke/execution.h"

#include <utility>

namespace runlet {
namespace {

constinit thread_local Execution* current = nullptr;

}  // namespace

// Not inlined: a fiber may have been moved to another current execution between two looks.
Execution* Execution::Current() { return current; }
Execution* Execution::SetCurrent(Execution* execution) { return std::exchange(current, execution); }

}  // namespace runlet
