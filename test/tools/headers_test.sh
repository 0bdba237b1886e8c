#!/bin/sh
# headers_test.sh - each public header compiles alone, as C11 and as C++11.
# SPDX-License-Identifier: BSD-3-Clause
exec sh "$BTL_SOURCE_DIR/tools/headertest.sh"
