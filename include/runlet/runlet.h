// All of runlet's core: functions, calls, events and the engine. Codecs and the test kit have headers of their own.
#ifndef RUNLET_RUNLET_H_
#define RUNLET_RUNLET_H_

#include "runlet/engine/engine.h"      // IWYU pragma: export
#include "runlet/event/context.h"      // IWYU pragma: export
#include "runlet/event/status.h"       // IWYU pragma: export
#include "runlet/function/function.h"  // IWYU pragma: export

#endif  // RUNLET_RUNLET_H_
