#!/bin/sh
# peers.sh SUITE VENV [BUILD] - compares bench/peer with other systems, interleaved, and prints the tables of
# docs/PERFORMANCE.md on standard output.
#   SUITE  the folder of the benchmark suite (compare.py, run.py, workloads.py, peers/)
#   VENV   a Python environment with what the suite's requirements.txt asks for, or part of it
# From the environment:
#   PEERS      names of the suite's adaptors, separated by commas
#   OURS       NAME=COMMAND, separated by commas, names beginning with bitale; default bitale=BUILD/bench/peer
#   WORKLOADS  which, separated by commas; default: those that bench/peer has a program for
#   ROUNDS=3 SECONDS_EACH=1 THREADS=1 LIMIT=170 (seconds that one process may take)
#   RUNS       a file to which the records are appended; default: a new one in BUILD/bench
#   BENCH_LOCK, BENCH_DATA, OPENBLAS_CORETYPE, PYTENSOR_FLAGS ... go through to the suite and the peers
# SPDX-License-Identifier: BSD-3-Clause
set -eu
if [ $# -lt 2 ] || [ ! -f "$1/compare.py" ] || [ ! -x "$2/bin/python" ]; then
    echo "peers.sh: wrong use; peers.sh SUITE VENV [BUILD]: a folder with compare.py, and one with bin/python" >&2
    exit 2
fi
suite=$(cd "$1" && pwd)
python=$(cd "$2" && pwd)/bin/python
root=$(cd "$(dirname "$0")/.." && pwd)
build=$(cd "${3:-$root/build}" && pwd)
[ -x "$build/bench/peer" ] || { echo "peers.sh: $build/bench/peer is missing: make bench-peers, or build the target bench_peer" >&2; exit 1; }

# The workloads for which a program is there: its own, or its kind's.
programs() {
    (cd "$suite" && "$python" -c 'import workloads as w
for k in w.WORKLOADS.values(): print(k.name, k.kind)') | while read -r name kind; do
        for folder in "$build/bench/workloads" "$root/bench/workloads"; do
            if [ -f "$folder/$name.bitale" ] || [ -f "$folder/$kind.bitale" ]; then echo "$name"; break; fi
        done
    done | paste -s -d, -
}

export PYTHONDONTWRITEBYTECODE=1
workloads=${WORKLOADS:-$(programs)}
[ -n "$workloads" ] || { echo "peers.sh: no program in bench/workloads" >&2; exit 1; }
runs=${RUNS:-$build/bench/peers-$(date +%Y%m%d-%H%M%S).jsonl}
ours=${OURS:-bitale=$build/bench/peer}
peers=${PEERS:-numpy_,jax_,torch_eager,numba_,casadi_,casadi_c,pytensor_c}

echo "peers.sh: records go to $runs" >&2
[ ! -r /proc/loadavg ] || echo "Load before: $(cut -d' ' -f1-3 /proc/loadavg). $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)."
"$python" "$suite/compare.py" --peers "$ours,$peers" --workloads "$workloads" --rounds "${ROUNDS:-3}" \
    --seconds "${SECONDS_EACH:-1}" --threads "${THREADS:-1}" --limit "${LIMIT:-170}" --out "$runs"
[ ! -r /proc/loadavg ] || echo "Load after: $(cut -d' ' -f1-3 /proc/loadavg)."
echo
"$python" "$root/bench/peers_table.py" "$runs"
