# Makefile - a short front; how Bitale is built stands in CMakeLists.txt and CMakePresets.json.
# All that these targets write lies below build/.
#
#   make            builds library and command (build/bitale); installs nothing
#   make test       installs what tests need (said aloud), builds all, runs all tests
#   make demo       the same for the demo: trains a small language model within a minute
#   make asan       all tests under AddressSanitizer and UndefinedBehaviorSanitizer
#   make tsan       all tests under ThreadSanitizer (clang)
#   make clang      all tests, built by clang
#   make debug      all tests with asserts and the graph checker
#   make sweep      generated code against strips on all samples, not a part of them
#   make growth     that time grows no faster than the length of a program (large ones)
#   make mutate     rules made wrong on purpose must be caught
#   make bench      the figures of docs/PERFORMANCE.md
#   make bench-peers SUITE=folder VENV=folder   beside other systems (bench/peers.sh says more)
#   make fuzz       each fuzz target for FUZZ_SECONDS=60 (clang)
#   make lint       layers, public headers, clang-tidy (F=path narrows it)
#   make format     clang-format over our own C files
#   make ci         what CI runs: .ci/run
#   make install    to PREFIX=/usr/local (DESTDIR is honoured)
#   make clean      removes build/
#
# T=name runs only the tests whose name matches; WERROR=ON makes warnings errors; JOBS=n;
# DEPS=no leaves out the look at what is installed.

JOBS   ?= $(shell nproc 2>/dev/null || echo 2)
PREFIX ?= /usr/local
WERROR ?= OFF
DEPS   ?= yes
T      ?=
F      ?=
FUZZ_SECONDS ?= 60
DEMO_TEXT    ?= /usr/share/common-licenses/GPL-3

# MAKEFLAGS is set anew because cmake brings its own job count.
CONFIGURE = MAKEFLAGS=--no-print-directory cmake -DBTL_WERROR=$(WERROR) --preset
BUILD     = MAKEFLAGS=--no-print-directory cmake --build
CTEST     = ctest --output-on-failure --no-tests=error -j $(JOBS) $(if $(T),-R '$(T)')
C_FOLDERS = src include cmd test examples bench tools

all:
	@command -v cmake > /dev/null || { echo "make: cmake is needed (3.21 or newer) and a C compiler; on Debian: apt-get install cmake gcc libc6-dev" >&2; exit 1; }
	@$(CONFIGURE) release
	@$(BUILD) build -j $(JOBS) --target product

test: deps-test release-tests

demo: deps-demo all
	@sh examples/demo.sh build/bitale "$(DEMO_TEXT)"

release-tests:
	@$(CONFIGURE) release
	@$(BUILD) build -j $(JOBS)
	@$(CTEST) --test-dir build

asan tsan clang debug:
	@$(CONFIGURE) $@
	@$(BUILD) build/$@ -j $(JOBS)
	@$(CTEST) --test-dir build/$@

# time that must not grow faster than the length of a program: asserted only here
growth:
	@$(CONFIGURE) release
	@$(BUILD) build -j $(JOBS)
	@BTL_TIMED=1 $(CTEST) --test-dir build -j 1 -R 'hostile|schedule/offsets'

mutate:
	@$(CONFIGURE) release
	@$(BUILD) build -j $(JOBS) --target test_rewrite_rulecheck
	@build/test/rewrite/rulecheck_test -k mutants

# what the ordinary tests take samples of, in full: half an hour
sweep:
	@$(CONFIGURE) release
	@$(BUILD) build -j $(JOBS)
	@BTL_FULL=1 $(CTEST) --timeout 7200 --test-dir build -R 'sweep/'

bench:
	@$(CONFIGURE) release
	@$(BUILD) build -j $(JOBS) --target product benches
	@if [ -f bench/run.sh ]; then sh bench/run.sh build; \
	 else for b in build/bench/*; do [ -x "$$b" ] || continue; echo "$$b"; "$$b" || exit 1; done; fi

bench-peers:
	@$(CONFIGURE) release
	@$(BUILD) build -j $(JOBS) --target product benches
	@sh bench/peers.sh "$(SUITE)" "$(VENV)" build

fuzz:
	@$(CONFIGURE) fuzz
	@$(BUILD) build/fuzz -j $(JOBS)
	@sh tools/fuzz.sh build/fuzz $(FUZZ_SECONDS)

lint:
	@sh tools/check_layers.sh
	@sh tools/headertest.sh
	@$(CONFIGURE) clang
	@$(BUILD) build/clang -j $(JOBS) --target product
	@find $(if $(F),$(F),src cmd) -name '*.c' -print0 | \
	 xargs -0 -n 4 -P $(JOBS) clang-tidy --quiet -p build/clang

format:
	@find $(C_FOLDERS) -name '*.[ch]' -print0 | xargs -0 clang-format -i

ci:
	@.ci/run

install: all
	@cmake --install build --prefix "$(PREFIX)"

clean:
	@rm -rf build

help:
	@sed -n '4,/^$$/s/^#  *//p' Makefile

deps-%:
	@[ "$(DEPS)" = no ] || sh tools/install-deps.sh $*

.NOTPARALLEL:
.PHONY: all test demo release-tests asan tsan clang debug growth sweep mutate bench bench-peers fuzz lint format ci install clean help
