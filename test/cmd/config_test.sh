#!/bin/sh
# config_test.sh - the configuration file: what it sets, who wins over it, what is wrong with it; and the modes in the command.
# SPDX-License-Identifier: BSD-3-Clause
set -eu
work=$(mktemp -d "$PWD/config-XXXXXX")
trap 'rm -rf "$work"' EXIT
cd "$work"
bitale=$BTL_PROGRAM
unset BITALE_MODE BITALE_CACHE_DIR
export XDG_CONFIG_HOME="$work/config" HOME="$work/home"
mkdir -p config/bitale home/.config/bitale
file=config/bitale/config
printf 'input x: f64[n]\ny = log(x) + 1\noutput y\n' > p.bitale

fail() { echo "FAIL: $*" >&2; cat out err >&2; exit 1; }
# expect CODE WORDS COMMAND…: the exit code, and words in what it prints ("": none are looked for)
expect() {
    want=$1 words=$2 code=0
    shift 2
    "$@" > out 2> err || code=$?
    [ "$code" = "$want" ] || fail "$* ends with $code, $want expected"
    cat out err > all
    [ -z "$words" ] || grep -qF -- "$words" all || fail "$*: does not say: $words"
}
say() { printf '%s\n' "$@" > "$file"; }

# nothing is set
expect 0 "config/bitale/config (not there)" "$bitale" doctor
expect 0 "y: f64[2] = [nan, 1]" "$bitale" run p.bitale x='[-1, 1]' --mode linker=strips

# the file, the environment, the option
say "# how I like it" "" "mode = nan_guard,linker=strips   # all day" "cache_dir=$work/code"
expect 5 "log: makes the first NaN" "$bitale" run p.bitale x='[-1, 1]'
expect 0 "mode = nan_guard,linker=strips ($work/config/bitale/config:3)" "$bitale" doctor
expect 0 "$work/code" "$bitale" cache list
expect 0 "$work/config/bitale/config" "$bitale" version --features
expect 0 '"from": "'"$work"'/config/bitale/config:4"' "$bitale" doctor --json
expect 0 "y: f64[2] = [nan, 1]" env BITALE_MODE=fast_compile "$bitale" run p.bitale x='[-1, 1]'
expect 5 "makes the first NaN" env BITALE_MODE=fast_compile "$bitale" run p.bitale x='[-1, 1]' --mode nan_guard,linker=strips
expect 0 "$work/other" env BITALE_CACHE_DIR=$work/other "$bitale" cache list
expect 2 "BITALE_MODE: there is no mode quick; the modes are fast_run" env BITALE_MODE=quick "$bitale" run p.bitale x='[1]'

# ~/.config where XDG_CONFIG_HOME is not set, or no absolute path
cp "$file" home/.config/bitale/config
expect 5 "makes the first NaN" env XDG_CONFIG_HOME="" "$bitale" run p.bitale x='[-1, 1]'
expect 0 "$work/home/.config/bitale/config:3" env XDG_CONFIG_HOME=config "$bitale" doctor

# what is wrong with it: nothing else is done
wrong() { # WORDS LINE…
    words=$1
    shift
    say "$@"
    expect 3 "$words" "$bitale" run p.bitale x='[1]'
    [ ! -s out ] || fail "it goes on"
    expect 3 "$words" "$bitale" rules
    expect 3 "$words" "$bitale" doctor
    expect 0 "" "$bitale" version
}
wrong "config/bitale/config:2: error: there is no setting moed; did you mean mode? The settings are mode, cache_dir" "" "moed = fast_run"
wrong "config:1: error: mode: there is no mode fast; the modes are fast_run" "mode = fast"
wrong "config:1: error: mode: with fold and without fold contradict each other" "mode = fast_run,with=fold,without=fold"
wrong 'config:1: error: found "fast_run"; NAME = VALUE is expected' "fast_run"
wrong 'config:1: error: found "[bitale]"; NAME = VALUE is expected' "[bitale]"
wrong "config:1: error: cache_size is huge; a size like 500M or 2G is expected" "cache_size = huge"
wrong "config:1: error: cc_timeout is -1; a number of seconds above 0 is expected" "cc_timeout = -1"
wrong "config:1: error: isa is v5; base, v3 or v4 is expected" "isa = v5"
wrong "config:1: error: cc has no value" "cc ="
wrong "config:3: error: mode is set again; line 1 sets it already" "mode = debug" "" "mode = debug"
head -c 40000 /dev/zero | tr '\0' '#' > "$file"
expect 3 "config: has more than 32767 bytes" "$bitale" rules
printf 'mode\0 = fast_run\n' > "$file"
expect 3 "config: is no text" "$bitale" rules
rm "$file"
mkdir "$file"
expect 3 "config: cannot be read" "$bitale" rules
rmdir "$file"

# modes in the command
expect 0 "p.bitale:2:5         log, add                 y: f64[2]  min 1, max 1.693147, mean 1.346574" "$bitale" run p.bitale x='[1, 2]' --mode monitor,linker=strips
expect 0 "1 NaN" "$bitale" run p.bitale x='[1, -2]' --mode monitor,linker=strips
expect 0 '"nodes": [{"op": "log, add", "file": "p.bitale", "line": 2, "column": 5' "$bitale" run p.bitale x='[1, 2]' --mode monitor,linker=strips --json
expect 0 "step 2" "$bitale" run p.bitale x='[1, 2]' --mode monitor,linker=strips --steps 2
expect 0 "" "$bitale" run p.bitale x='[1, 2]' --mode monitor,linker=strips --quiet
[ ! -s out ] && [ ! -s err ] || fail "--quiet prints"
expect 0 "y: f64[2]" "$bitale" run p.bitale x='[1, 2]' --mode debug,linker=strips
expect 2 "with fold and without fold contradict each other" "$bitale" run p.bitale x='[1]' --with fold --without stability,fold --mode linker=strips
expect 2 "no rewrite and no tag is named nonsense" "$bitale" run p.bitale x='[1]' --without nonsense --mode linker=strips
expect 2 "there is no checks all; checks are none, debug, nan and monitor" "$bitale" run p.bitale x='[1]' --mode checks=all
printf 'input x: f64[n]\noutput y = log(1 + x)\n' > q.bitale
expect 0 "log1p(" "$bitale" print q.bitale --after lower --mode c_code --with log_one_plus
expect 0 "log(" "$bitale" print q.bitale --after lower --without log_one_plus
