// Bugs put in on purpose, to show that the tests find them. Only a build with RUNLET_PLANTED_BUGS=ON has them.
#ifndef RUNLET_SRC_BASE_PLANTED_H_
#define RUNLET_SRC_BASE_PLANTED_H_

#include <string_view>

// True where the bug `name` is switched on, by the environment variable RUNLET_PLANTED_BUG. Used in sources, never in
// headers: a header would differ between the library and its tests.
#if defined(RUNLET_PLANTED_BUGS)
#define RUNLET_PLANTED(name) (::runlet::PlantedBug() == (name))
#else
#define RUNLET_PLANTED(name) false
#endif

namespace runlet {

std::string_view PlantedBug();
// Leaves behind what keeps a shared library from being unloaded.
void PlantGlobal();

}  // namespace runlet

#endif  // RUNLET_SRC_BASE_PLANTED_H_
