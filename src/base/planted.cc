#include "base/planted.h"

#include <cstdlib>

namespace runlet {

#if defined(RUNLET_PLANTED_BUGS)

std::string_view PlantedBug() {
  const char* name = std::getenv("RUNLET_PLANTED_BUG");
  return name == nullptr ? std::string_view() : name;
}

void PlantGlobal() {
  struct WithDestructor {
    volatile int value = 0;
    ~WithDestructor() { value = 1; }
  };
  thread_local WithDestructor planted;
  planted.value = 1;
}

#else

std::string_view PlantedBug() { return {}; }
void PlantGlobal() {}

#endif

}  // namespace runlet
