#!/usr/bin/env python3
"""Tables of docs/PERFORMANCE.md from the records of bench/peers.sh: python3 peers_table.py RUNS.jsonl

A record is one line of JSON of the suite's compare.py, in the order of the runs: A B C A B C ... for each workload.
Each figure is the median over the rounds of a round's median call. A ratio is formed within a round, so that what
disturbs a round disturbs both sides; its median is shown with the least and the largest. Beside it stands the ratio of
the least calls of all rounds, which a busy machine disturbs least. Only what was judged correct counts.
SPDX-License-Identifier: BSD-3-Clause
"""
import json
import statistics
import sys

OURS = "bitale"


def duration(s):
    for unit, factor in (("s", 1), ("ms", 1e3), ("us", 1e6), ("ns", 1e9)):
        if s * factor >= 1 or unit == "ns":
            return f"{s * factor:.3g} {unit}"


def mebibytes(b):
    return f"{b / 2**20:.1f}"


def read(path):
    """The rounds of (workload, threads, peer): a list of records; and the warm compiles of each. The second run
    of an external program in the first round, which the suite makes for its warm compile, is no round."""
    rounds, warm, last = {}, {}, None
    with open(path) as f:
        for line in filter(str.strip, f):
            r = json.loads(line)
            key = r["workload"], r["threads"], r["peer"]
            reason = r.get("reason", "wrong: error %.1e" % r.get("error", float("nan")))
            if not r.get("ok") and not reason.startswith("NotImplementedError"):
                print(f"{r['peer']} {r['workload']}: {reason}", file=sys.stderr)
            if not r.get("ok"):
                continue
            if r.get("cold") is False and "compile_s" in r:
                warm.setdefault(key, []).append(r["compile_s"])
            if key != last and "call_s_median" in r:
                rounds.setdefault(key, []).append(r)
            last = key
    return rounds, warm


def print_table(head, rows):
    print("| " + " | ".join(head) + " |\n" + "|---" * len(head) + "|")
    for row in rows:
        print("| " + " | ".join(row) + " |")
    print()


def ratios(ours, theirs):
    return [a["call_s_median"] / b["call_s_median"] for a, b in zip(ours, theirs)]


def call_rows(rounds, workloads, threads, ours, peers):
    for w in workloads:
        mine = rounds.get((w, threads, ours))
        if not mine:
            continue
        theirs = {p: rounds[w, threads, p] for p in peers if (w, threads, p) in rounds}
        time = {p: statistics.median(r["call_s_median"] for r in rs) for p, rs in {ours: mine, **theirs}.items()}
        best = min(theirs, key=time.get, default=None)
        ratio = least = ""
        if best:
            q = ratios(mine, theirs[best])
            ratio = f"{statistics.median(q):.2f} ({min(q):.2f} .. {max(q):.2f})"
            fastest = min(r["call_s_min"] for p in theirs for r in theirs[p])
            least = f"{min(r['call_s_min'] for r in mine) / fastest:.2f}"
        cells = [f"**{duration(time[p])}**" if p == best else duration(time[p]) if p in time else "" for p in peers]
        linker = ", ".join(dict.fromkeys(r.get("linker", "?") for r in mine))
        yield [w, f"{duration(time[ours])} ({linker})", ratio, least, *cells, f"{max(r['error'] for r in mine):.0e}"]


def value_rows(rounds, workloads, threads, peers, value, text):
    for w in workloads:
        v = {p: value(w, p) for p in peers if (w, threads, p) in rounds}
        v = {p: x for p, x in v.items() if x is not None}
        if v:
            yield [w, *(text(v[p]) if p in v else "" for p in peers)]


def main():
    rounds, warm = read(sys.argv[1])
    workloads = list(dict.fromkeys(w for w, _, _ in rounds))
    names = list(dict.fromkeys(p for _, _, p in rounds))
    own = [p for p in names if p.startswith(OURS)]
    peers = [p for p in names if p not in own]
    for p in names:
        r = next(r[0] for k, r in rounds.items() if k[2] == p)
        print(f"- {p.rstrip('_')}: {r.get('version', '?')}" + (f"; BLAS: {r['blas']}" if "blas" in r else ""))
    print()
    for threads in sorted({t for _, t, _ in rounds}):
        for ours in own:
            n = [len(r) for k, r in rounds.items() if k[1:] == (threads, ours)]
            if not n:
                continue
            print(f"Time of a call, {threads} thread{'s' * (threads > 1)}, {ours}, {min(n)} to {max(n)} rounds; "
                  "the linker in brackets; the fastest peer in bold\n")
            head = ["workload", ours, "times the fastest peer (least .. most)", "least calls"]
            print_table([*head, *(p.rstrip("_") for p in peers), "error"],
                        call_rows(rounds, workloads, threads, ours, peers))
    head = ["workload", *(p.rstrip("_") for p in own + peers)]
    print("Compile, cold: to the end of the first call, empty cache (the least)\n")
    print_table(head, value_rows(rounds, workloads, 1, own + peers, lambda w, p: min(
        (r["compile_s"] for r in rounds[w, 1, p] if r.get("cold")), default=None), duration))
    print("Compile, warm: a later process with the same cache (the least)\n")
    print_table(head, value_rows(rounds, workloads, 1, own + peers,
                                 lambda w, p: min(warm.get((w, 1, p), []), default=None), duration))
    print("Memory of a call, MiB, outputs included (the least); `+`: what our functions keep between calls for their "
          "intermediate values, which the suite's measure does not see in any system\n")
    print_table(head, value_rows(rounds, workloads, 1, own + peers, lambda w, p: min(
        ((r["call_peak_bytes"], r.get("arena_bytes")) for r in rounds[w, 1, p] if r.get("call_peak_bytes") is not None),
        default=None), lambda b: mebibytes(b[0]) + ("" if b[1] is None else " + " + mebibytes(b[1]))))


if __name__ == "__main__":
    main()
