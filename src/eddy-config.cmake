# find_package(eddy): eddy::eddy, and eddy::lint for the warnings. It needs no other package.
include("${CMAKE_CURRENT_LIST_DIR}/eddy-targets.cmake")

# What eddy::lint warns of stands in the words of eddy's headers, and gcc says nothing of what comes out of a
# system header, as those of an imported target are by default. So they are none; a CMake that
# cannot say so, and gcc's own search path, in which all are, need to be asked for more.
get_target_property(eddy_include eddy::eddy INTERFACE_INCLUDE_DIRECTORIES)
if(CMAKE_VERSION VERSION_LESS 3.25 OR eddy_include IN_LIST CMAKE_C_IMPLICIT_INCLUDE_DIRECTORIES)
    set_property(TARGET eddy::lint APPEND PROPERTY
        INTERFACE_COMPILE_OPTIONS "$<$<COMPILE_LANG_AND_ID:C,GNU>:-Wsystem-headers>")
else()
    set_target_properties(eddy::eddy PROPERTIES SYSTEM OFF)
endif()
unset(eddy_include)
