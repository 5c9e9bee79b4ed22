# Every dependency is looked for on the system first. What is missing is fetched at a pinned commit, so that a machine
# without packages builds the same thing twice.
include(FetchContent)

set(CMAKE_POLICY_DEFAULT_CMP0077 NEW)  # the options set below reach the fetched projects
set(RUNLET_FETCHED "")

# runlet_dependency(<package> <git url> <commit> [find_package arguments...])
macro(runlet_dependency package repository commit)
  find_package(${package} ${ARGN} QUIET)
  if(NOT ${package}_FOUND)
    message(STATUS "runlet: ${package} is not installed; fetching it")
    FetchContent_Declare(runlet_${package} GIT_REPOSITORY ${repository} GIT_TAG ${commit} GIT_SUBMODULES "")
    FetchContent_MakeAvailable(runlet_${package})
    list(APPEND RUNLET_FETCHED ${package})
  endif()
endmacro()

find_package(Threads REQUIRED)

if(NOT TARGET absl::status)
  set(ABSL_PROPAGATE_CXX_STD ON)
  set(ABSL_USE_SYSTEM_INCLUDES ON)  # their headers answer to their warnings, not to ours
  runlet_dependency(absl https://github.com/abseil/abseil-cpp.git
                    4447c7562e3bc702ade25105912dce503f0c4010 # 20240722.0
                    CONFIG)
endif()
if(NOT TARGET fmt::fmt)
  set(FMT_SYSTEM_HEADERS ON)
  runlet_dependency(fmt https://github.com/fmtlib/fmt.git
                    e69e5f977d458f2650bb346dadf2ad30c5320281 # 10.2.1
                    CONFIG)
endif()

# runlet::json turns itself off without it (src/CMakeLists.txt), so it is fetched only for our own tests and examples.
if(NOT TARGET nlohmann_json::nlohmann_json)
  set(JSON_SystemInclude ON)
  if(RUNLET_BUILD_TESTS OR RUNLET_BUILD_EXAMPLES)
    runlet_dependency(nlohmann_json https://github.com/nlohmann/json.git
                      9cca280a4d0ccf0c08f47a99aa71d1b0e52f8d03 # 3.11.3
                      3.9 CONFIG)
  else()
    find_package(nlohmann_json 3.9 CONFIG QUIET)
  endif()
endif()

# The same goes for runlet::metrics. Only the core of prometheus-cpp is used, which has no dependencies.
if(NOT TARGET prometheus-cpp::core)
  if(RUNLET_BUILD_TESTS)
    foreach(part IN ITEMS PULL PUSH COMPRESSION TESTING)
      set(ENABLE_${part} OFF)
    endforeach()
    set(OVERRIDE_CXX_STANDARD_FLAGS OFF)
    runlet_dependency(prometheus-cpp https://github.com/jupp0r/prometheus-cpp.git
                      e5fada43131d251e9c4786b04263ce98b6767ba5 # 1.3.0
                      CONFIG)
  else()
    find_package(prometheus-cpp CONFIG QUIET)
  endif()
endif()

# And for runlet::durable, which stands on what every system has.
find_package(SQLite3 3.35 QUIET)

# runlet::http wants packages that are too large to fetch; src/CMakeLists.txt turns it off and says which one is missing.
set(RUNLET_HTTP_LACKS "")
include(CheckCXXSourceCompiles)
check_cxx_source_compiles("
#ifndef __cpp_exceptions
#error off
#endif
int main() {}" RUNLET_HAS_EXCEPTIONS)
find_package(Boost 1.81 CONFIG QUIET)
find_package(OpenSSL 3.0 QUIET)
find_package(ZLIB QUIET)
if(NOT RUNLET_HAS_EXCEPTIONS)
  set(RUNLET_HTTP_LACKS "Boost.Beast needs exceptions")
elseif(NOT TARGET Boost::headers)
  set(RUNLET_HTTP_LACKS "Boost 1.81 or newer was not found")
elseif(NOT TARGET OpenSSL::SSL)
  set(RUNLET_HTTP_LACKS "OpenSSL 3.0 or newer was not found")
elseif(NOT TARGET ZLIB::ZLIB)
  set(RUNLET_HTTP_LACKS "zlib was not found")
elseif(NOT TARGET nlohmann_json::nlohmann_json)
  set(RUNLET_HTTP_LACKS "nlohmann/json was not found")
endif()

# For the command-line tool, which turns itself off without it.
if(NOT TARGET CLI11::CLI11)
  if(RUNLET_BUILD_TESTS)
    set(CLI11_BUILD_TESTS OFF)
    set(CLI11_BUILD_EXAMPLES OFF)
    set(CLI11_BUILD_DOCS OFF)
    runlet_dependency(CLI11 https://github.com/CLIUtils/CLI11.git
                      6c7b07a878ad834957b98d0f9ce1dbe0cb204fc9 # 2.4.2
                      CONFIG)
  else()
    find_package(CLI11 CONFIG QUIET)
  endif()
endif()

if(RUNLET_BUILD_TESTS)
  if(NOT TARGET Catch2::Catch2)
    runlet_dependency(Catch2 https://github.com/catchorg/Catch2.git
                      fa43b77429ba76c462b1898d6cd2f2d7a9416b14 # 3.7.1
                      CONFIG)
  endif()
  find_package(Python3 REQUIRED COMPONENTS Interpreter)
endif()

if(RUNLET_BUILD_BENCH AND NOT TARGET benchmark::benchmark)
  set(BENCHMARK_ENABLE_TESTING OFF)
  set(BENCHMARK_ENABLE_INSTALL OFF)
  runlet_dependency(benchmark https://github.com/google/benchmark.git
                    eddb0241389718a23a42db6af5f0164b6e0139af # 1.9.4
                    CONFIG)
endif()

# A fetched library belongs to no export set, so an installed runlet could not name it.
if(RUNLET_INSTALL AND ("absl" IN_LIST RUNLET_FETCHED OR "fmt" IN_LIST RUNLET_FETCHED))
  message(STATUS "runlet: no install rules, because Abseil or fmt was fetched: install them as packages")
  set(RUNLET_INSTALL OFF)
endif()
