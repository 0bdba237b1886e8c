# bitale-functions.cmake - functions of programs as libraries of other projects; read by find_package(bitale).
#
#   bitale_add_function(TARGET MODEL FUNCTION [NAME name] [STATE] [LOAD file] [CBLAS] [ALIGN bytes] [MODE mode])
#
# A static library TARGET with a function of the program MODEL (a .bitale file) as plain C, written by `bitale emit-c` when it
# is built and again when MODEL changes. `#include "NAME.h"` (NAME is FUNCTION's, or the file's for main) tells how it is
# called. STATE keeps the shared variables in a struct, LOAD gives it first values from a .safetensors file. CBLAS: link
# TARGET with one. Nothing of Bitale is needed when the program runs.
#
# BITALE_PROGRAM is the command; where another machine is built for, set it to one that runs on this one.
# SPDX-License-Identifier: BSD-3-Clause
function(bitale_add_function target model function)
  cmake_parse_arguments(PARSE_ARGV 3 arg "STATE;CBLAS" "NAME;LOAD;ALIGN;MODE" "")
  if(arg_UNPARSED_ARGUMENTS OR arg_KEYWORDS_MISSING_VALUES)
    message(FATAL_ERROR "bitale_add_function(${target}): wrong arguments: ${arg_UNPARSED_ARGUMENTS} ${arg_KEYWORDS_MISSING_VALUES}")
  endif()
  get_filename_component(model "${model}" ABSOLUTE BASE_DIR "${CMAKE_CURRENT_SOURCE_DIR}")
  if(NOT EXISTS "${model}")
    message(FATAL_ERROR "bitale_add_function(${target}): there is no file ${model}")
  endif()
  get_filename_component(stem "${model}" NAME_WLE)
  string(REGEX REPLACE "[^A-Za-z0-9_]" "_" stem "${stem}")
  string(REGEX REPLACE "^([^A-Za-z])" "f\\1" stem "${stem}") # as emit-c makes a name of it
  if(arg_NAME)
    set(name "${arg_NAME}")
  elseif(function STREQUAL "main")
    set(name "${stem}")
  else()
    set(name "${function}")
  endif()
  set(folder "${CMAKE_CURRENT_BINARY_DIR}/${target}.bitale")
  set(files "${folder}/${name}.c" "${folder}/${name}.h")
  set(options --name "${name}" --quiet)
  set(needs "${model}")
  if(arg_STATE)
    list(APPEND files "${folder}/${stem}_state.c" "${folder}/${stem}_state.h")
    list(APPEND options --state)
  endif()
  if(arg_LOAD)
    get_filename_component(load "${arg_LOAD}" ABSOLUTE BASE_DIR "${CMAKE_CURRENT_SOURCE_DIR}")
    list(APPEND options --load "${load}")
    list(APPEND needs "${load}")
  endif()
  foreach(word ALIGN MODE)
    if(arg_${word})
      string(TOLOWER "--${word}" option)
      list(APPEND options "${option}" "${arg_${word}}")
    endif()
  endforeach()
  if(arg_CBLAS)
    list(APPEND options --cblas)
  endif()
  add_custom_command(OUTPUT ${files}
    COMMAND "${BITALE_PROGRAM}" emit-c "${model}" "${function}" -o "${folder}" ${options}
    DEPENDS ${needs} COMMENT "bitale emit-c ${function}" VERBATIM)
  add_library(${target} STATIC ${files})
  set_target_properties(${target} PROPERTIES C_STANDARD 99 C_STANDARD_REQUIRED ON C_EXTENSIONS OFF)
  target_include_directories(${target} PUBLIC "$<BUILD_INTERFACE:${folder}>")
  if(CMAKE_C_COMPILER_ID MATCHES "GNU|Clang")
    target_compile_options(${target} PRIVATE -ffp-contract=off -fno-math-errno -fno-trapping-math -fopenmp-simd)
    target_compile_definitions(${target} PRIVATE BTL_OPENMP_SIMD)
  endif()
  if(UNIX)
    target_link_libraries(${target} PUBLIC m)
  endif()
endfunction()
