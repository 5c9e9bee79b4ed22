# Configures, builds and runs the consumer in WORK_DIR: `cmake -DWAY=find_package|add_subdirectory ... -P run.cmake`.

function(run)
  execute_process(COMMAND ${ARGV} COMMAND_ECHO STDOUT RESULT_VARIABLE result)
  if(NOT result EQUAL 0)
    message(FATAL_ERROR "failed: ${ARGV}")
  endif()
endfunction()

set(options)
if(WAY STREQUAL "find_package")
  # Its own prefix each time: a file that is no longer installed must not be found from the last time.
  file(REMOVE_RECURSE "${WORK_DIR}/prefix")
  run("${CMAKE_COMMAND}" --install "${RUNLET_BINARY_DIR}" --prefix "${WORK_DIR}/prefix")
  list(APPEND options "-DCMAKE_PREFIX_PATH=${WORK_DIR}/prefix")
else()
  list(APPEND options "-DRUNLET_SOURCE_DIR=${RUNLET_SOURCE_DIR}")
endif()
if(LAUNCHER)
  list(APPEND options "-DCMAKE_CXX_COMPILER_LAUNCHER=${LAUNCHER}")
endif()

# No build type: nothing is optimised, which is the quickest way to see that it builds.
run("${CMAKE_COMMAND}" -S "${CMAKE_CURRENT_LIST_DIR}" -B "${WORK_DIR}/build" -G "${GENERATOR}"
    "-DCMAKE_CXX_COMPILER=${COMPILER}" "-DCMAKE_CXX_FLAGS=${FLAGS}" -DCMAKE_BUILD_TYPE= ${options})
run("${CMAKE_COMMAND}" --build "${WORK_DIR}/build" --target hello simulated)
run("${CMAKE_CTEST_COMMAND}" --test-dir "${WORK_DIR}/build" --output-on-failure --no-tests=error)
