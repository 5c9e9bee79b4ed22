# What runlet's own targets are compiled with, and nothing that users inherit.
function(runlet_own_code target)
  set_target_properties(${target} PROPERTIES CXX_EXTENSIONS OFF)
  # Sign conversions are left out: sizes and differences meet in every container loop, and the casts hide more bugs
  # than the warning finds.
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wpedantic -Wconversion -Wno-sign-conversion)
  if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
    target_compile_options(${target} PRIVATE -Wshadow -Wthread-safety -Werror=thread-safety)
  else()
    # Plain -Wshadow of gcc also minds a local named like an accessor; members cannot be mistaken, they end in `_`.
    target_compile_options(${target} PRIVATE -Wshadow=local)
  endif()
  if(RUNLET_WARNINGS_AS_ERRORS)
    target_compile_options(${target} PRIVATE -Werror)
  endif()
endfunction()
