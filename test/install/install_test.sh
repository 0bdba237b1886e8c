#!/bin/sh
# install_test.sh - what `make install` leaves behind can be used: by find_package(bitale) with the
# shared and the static library, by pkg-config, after the tree was moved; it exports no symbol but
# the API; it has a SONAME; other versions are refused. SPDX-License-Identifier: BSD-3-Clause
set -eu
source=$BTL_SOURCE_DIR/test/install
work=$(mktemp -d "$PWD/install-XXXXXX")
trap 'rm -rf "$work"' EXIT
cd "$work"
quiet() { "$@" > log 2>&1 || { cat log; echo "install_test: failed: $*"; exit 1; }; }

quiet cmake --install "$BTL_BINARY_DIR" --prefix "$work/first"
mv first moved # nothing in it may know where it was installed
prefix=$work/moved
libdir=$(dirname "$(find "$prefix" -name 'libbitale.so')")
version=$(sed -n 's/^#define BTL_VERSION_STRING "\(.*\)"/\1/p' "$prefix/include/bitale/base.h")
! grep -rlF "$BTL_BINARY_DIR" "$prefix/include" "$libdir/cmake" "$libdir/pkgconfig" ||
    { echo "install_test: these files name the build folder"; exit 1; }

if command -v readelf > /dev/null; then
    readelf -d "$libdir/libbitale.so" | grep -q 'SONAME.*libbitale\.so\.0\]' || { echo "no SONAME libbitale.so.0"; exit 1; }
    needed=$(readelf -d "$libdir/libbitale.so" | sed -n 's/.*NEEDED.*\[\(.*\)\]/\1/p' |
        grep -v '^\(libc\|libm\|libpthread\|libdl\)\.so' | grep -v '^ld-linux' || true)
    [ -z "$needed" ] || { echo "install_test: loads more than libc, libm, pthread: $needed"; exit 1; }
fi
if command -v nm > /dev/null; then
    nm -D --defined-only "$libdir/libbitale.so" | awk '$3 !~ /^btl_/ { print "not of the API: " $0; bad = 1 } END { exit bad }'
    # a program that links the static library shares its names with it
    nm -g --defined-only "$libdir/libbitale.a" 2> /dev/null |
        awk 'NF == 3 && $3 !~ /^btl_/ { print "a name without btl_ in the static library: " $3; bad = 1 } END { exit bad }'
fi

# What a program prints when it is built in the way named.
expect() { [ "$2" = "bitale $version" ] || { echo "install_test: $1 printed: $2"; exit 1; }; }

quiet cmake -S "$source" -B consumer -DCMAKE_PREFIX_PATH="$prefix" -DCMAKE_C_COMPILER="$CC"
quiet cmake --build consumer
expect "find_package, shared" "$(consumer/consumer)"
expect "find_package, static" "$(consumer/consumer_static)"
[ "$(consumer/functions)" = "functions: right" ] || { echo "install_test: bitale_add_function: functions are wrong"; exit 1; }
if cmake -S "$source" -B other -DCMAKE_PREFIX_PATH="$prefix" -DWANTED=99.0 -DCMAKE_C_COMPILER="$CC" > log 2>&1; then
    echo "install_test: find_package(bitale 99.0) was content with $version"
    exit 1
fi

if command -v pkg-config > /dev/null; then
    PKG_CONFIG_PATH=$libdir/pkgconfig
    export PKG_CONFIG_PATH
    [ "$(pkg-config --modversion bitale)" = "$version" ] || { echo "install_test: pkg-config's version is not $version"; exit 1; }
    # shellcheck disable=SC2046  # flags are words
    quiet "$CC" "$source/consumer.c" -o by_pkg_config $(pkg-config --cflags --libs bitale)
    expect "pkg-config, shared" "$(LD_LIBRARY_PATH=$libdir ./by_pkg_config)"
else
    echo "install_test: there is no pkg-config, its file was not tried"
fi

# As a part of another CMake project.
quiet cmake -S "$source" -B subproject -DSUBPROJECT="$BTL_SOURCE_DIR" -DCMAKE_C_COMPILER="$CC"
grep -q "emit-c" -r subproject/CMakeFiles --include=build.make || { echo "install_test: a subproject has no bitale_add_function"; exit 1; }
[ ! -e subproject/bitale/test ] || { echo "install_test: a subproject builds our tests"; exit 1; }
