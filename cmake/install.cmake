include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(runlet_package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/runlet")

# One export set per component: a user without nlohmann/json can still load the others.
set(runlet_components runlet testing)
if(TARGET runlet_json)
  list(APPEND runlet_components json)
endif()
if(TARGET runlet_metrics AND NOT "prometheus-cpp" IN_LIST RUNLET_FETCHED)  # see dependencies.cmake
  list(APPEND runlet_components metrics)
endif()
if(TARGET runlet_durable)
  list(APPEND runlet_components durable)
endif()
if(TARGET runlet_http)
  list(APPEND runlet_components http)
endif()
foreach(component IN LISTS runlet_components)
  if(component STREQUAL "runlet")
    set(target runlet)
  else()
    set(target runlet_${component})
  endif()
  install(TARGETS ${target} EXPORT runlet_${component} FILE_SET HEADERS)
  install(EXPORT runlet_${component} FILE runlet-${component}.cmake NAMESPACE runlet:: DESTINATION "${runlet_package_dir}")
endforeach()
if(TARGET runlet_tool)
  install(TARGETS runlet_tool)
endif()

configure_package_config_file("${CMAKE_CURRENT_LIST_DIR}/runlet-config.cmake.in" "${PROJECT_BINARY_DIR}/runlet-config.cmake"
                              INSTALL_DESTINATION "${runlet_package_dir}")
# Before 1.0 a minor version may break users.
write_basic_package_version_file("${PROJECT_BINARY_DIR}/runlet-config-version.cmake" COMPATIBILITY SameMinorVersion)
install(FILES "${PROJECT_BINARY_DIR}/runlet-config.cmake" "${PROJECT_BINARY_DIR}/runlet-config-version.cmake"
        DESTINATION "${runlet_package_dir}")
