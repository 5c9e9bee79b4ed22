# Included by ctest once per test executable: registers its test cases. Expects `room`, `executable`, `list_arguments`.

# Calls add_test for every test case that `spec` selects.
function(runlet_discover spec)
  execute_process(
    COMMAND "${executable}" "${spec}" ${list_arguments}
    OUTPUT_VARIABLE listed
    RESULT_VARIABLE result
  )
  # Catch2 version 2 returns the number of tests, so only a result that is no number (a signal) tells of a failure.
  if(NOT result MATCHES "^[0-9]+$")
    message(WARNING "${executable} could not list its tests: ${result}")
    add_test("${room}: list the test cases" "${executable}" "${spec}" ${list_arguments})
    return()
  endif()
  # Not a CMake list: names may contain semicolons and brackets.
  while(listed MATCHES "^([^\n]*)\n(.*)$")
    set(name "${CMAKE_MATCH_1}")
    set(listed "${CMAKE_MATCH_2}")
    string(STRIP "${name}" name)
    if(name STREQUAL "")
      continue()
    endif()
    string(REGEX REPLACE "([][,\\\\])" "\\\\\\1" pattern "${name}")  # what Catch2 takes for syntax
    set(test "${room}: ${name}")
    add_test("${test}" "${executable}" "${pattern}")
    # Catch2 version 2 is content when no test case has the name.
    set_tests_properties("${test}" PROPERTIES TIMEOUT 60 FAIL_REGULAR_EXPRESSION "No test cases matched")
    if(NOT spec MATCHES "~.realtime")
      set_tests_properties("${test}" PROPERTIES LABELS realtime RUN_SERIAL TRUE)
    endif()
  endwhile()
endfunction()

if(EXISTS "${executable}")
  runlet_discover("~[.]~[realtime]")
  runlet_discover("~[.][realtime]")
else()
  add_test("${room}: build the tests" "${executable}")  # fails, and names the missing executable
endif()
