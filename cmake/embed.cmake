# embed.cmake - turns a text file into a C file that holds it as a string:
#
#     cmake -DINPUT=vecmath.inc -DOUTPUT=embed_vecmath.c -DSYMBOL=btl_vecmath_text -P embed.cmake
#
# writes `const char btl_vecmath_text[] = { …, 0 };`. It is an array of characters, not a literal,
# because C promises only 4095 characters to a literal and -Wpedantic says so.
# SPDX-License-Identifier: BSD-3-Clause
file(READ "${INPUT}" hex HEX)
string(REGEX REPLACE "(................................)" "\\1\n    " hex "${hex}") # 16 bytes a line
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "'\\\\x\\1'," hex "${hex}")
cmake_path(GET INPUT FILENAME name)
file(WRITE "${OUTPUT}" "/* The text of ${name}, made by cmake/embed.cmake. */
extern const char ${SYMBOL}[];
const char ${SYMBOL}[] = {
    ${hex}0
};
")
