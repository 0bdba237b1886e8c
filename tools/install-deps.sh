#!/bin/sh
# install-deps.sh GOAL - finds out what this machine lacks for GOAL (build, demo, test, ci), says
# what it would install and why, and installs it with apt: at once when it is root, after asking when
# sudo and a terminal are there. Otherwise it prints the list; exit code 1 if something necessary is
# missing. With nothing missing it is silent. BTL_YES=1 answers yes.
# SPDX-License-Identifier: BSD-3-Clause
set -u
goal=${1:-build}
packages='' # what to install
necessary='' # those of them without which the goal cannot be reached

# need PACKAGE WHY: without it the goal cannot be reached.  want PACKAGE WHY: it is better with it.
need() {
    packages="$packages $1"
    necessary="$necessary $1"
    printf '  %-20s %s\n' "$1" "$2" >&2
}
want() {
    packages="$packages $1"
    printf '  %-20s %s (optional)\n' "$1" "$2" >&2
}
have() { command -v "$1" > /dev/null 2>&1; }
compiler=$(for c in "${CC:-cc}" cc gcc clang; do have "$c" && { echo "$c"; break; }; done)
header() { # is <$1> there? Without a compiler, look where it would look.
    if [ -n "$compiler" ]; then
        echo "#include <$1>" | "$compiler" -E -x c - > /dev/null 2>&1
    else
        [ -f "/usr/include/$1" ] || ls /usr/include/*/"$1" > /dev/null 2>&1
    fi
}
library() { # does a shared library whose file name begins with $1 lie where programs look?
    for d in /lib /usr/lib /usr/local/lib /lib64 /usr/lib64 /usr/lib/*-linux-gnu* \
        /usr/lib/*-linux-gnu*/openblas-serial; do
        ls "$d/$1"* > /dev/null 2>&1 && return 0
    done
    return 1
}
cmake_is_new_enough() {
    have cmake || return 1
    cmake --version | awk 'NR == 1 { split($3, v, "."); exit !(v[1] > 3 || (v[1] == 3 && v[2] >= 21)) }'
}

missing=$(
    exec 2>&1
    [ -n "$compiler" ] || need gcc "a C compiler"
    if [ -z "$compiler" ] || ! header stdio.h; then need libc6-dev "headers of the C library"; fi
    have make || need make "runs the Makefile"
    cmake_is_new_enough || need cmake "builds Bitale (3.21 or newer)"
    case $goal in
    demo | test | ci)
        library libopenblas.so || library libblis.so || library libmkl_rt.so ||
            want libopenblas0-serial "fast matrix products, loaded at run time"
        ;;
    esac
    case $goal in
    test | ci)
        header cmocka.h || need libcmocka-dev "runs the tests"
        # mpfr.h includes gmp.h, so one of them alone is no use
        header mpfr.h || need libmpfr-dev "higher precision, to which results are compared"
        header gmp.h || need libgmp-dev "belongs to MPFR"
        header zip.h || want libzip-dev "reads .npz files"
        header zlib.h || want zlib1g-dev "reads .gz files"
        have pkg-config || want pkg-config "a test builds a program through it"
        ;;
    esac
    if [ "$goal" = ci ]; then
        have "${CXX:-c++}" || need g++ "public headers must compile as C++ too"
        have aarch64-linux-gnu-gcc || want gcc-aarch64-linux-gnu "standalone C on aarch64"
        [ -f /usr/aarch64-linux-gnu/include/stdio.h ] || want libc6-dev-arm64-cross "its C library"
        have qemu-aarch64 || want qemu-user "runs it"
        have arm-none-eabi-gcc || want gcc-arm-none-eabi "standalone C compiles for Cortex-M"
    fi
    echo "packages:$packages"
    echo "necessary:$necessary"
)
packages=$(echo "$missing" | sed -n 's/^packages: *//p')
necessary=$(echo "$missing" | sed -n 's/^necessary: *//p')
[ -n "$packages" ] || exit 0

echo "For 'make $goal' this machine lacks:"
echo "$missing" | grep -v '^packages:\|^necessary:'

give_up() {
    if [ -z "$necessary" ]; then
        echo "All of it is optional: going on without."
        exit 0
    fi
    echo "$1"
    echo "Install it, then call make again:"
    echo "    apt-get install -y --no-install-recommends $packages"
    exit 1
}

have apt-get || give_up "This machine has no apt-get; the names above are Debian's."
as_root=
if [ "$(id -u)" != 0 ]; then
    have sudo || give_up "Installing takes root, and there is no sudo."
    if [ "${BTL_YES:-}" != 1 ]; then
        [ -t 0 ] || give_up "Installing takes root, and there is nobody to ask."
        printf 'Install with: sudo apt-get install -y --no-install-recommends %s ? [y/N] ' "$packages"
        read -r answer
        case $answer in
        y | Y | yes | Yes | j | J) ;;
        *) give_up "Not installed." ;;
        esac
    fi
    as_root=sudo
fi

echo "Installing with apt-get: $packages"
export DEBIAN_FRONTEND=noninteractive
apt_install() { # shellcheck disable=SC2086
    $as_root apt-get install -y -q --no-install-recommends $1
}
# The package lists of a fresh machine are empty, those of an old one out of date.
ls /var/lib/apt/lists/*_Packages* > /dev/null 2>&1 || $as_root apt-get update -q
apt_install "$packages" && exit 0
$as_root apt-get update -q && apt_install "$packages" && exit 0
# Perhaps only an optional one cannot be had.
if [ -n "$necessary" ]; then
    apt_install "$necessary" || give_up "apt-get could not install it."
fi
echo "Going on without the optional ones."
