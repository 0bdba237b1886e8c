#!/usr/bin/env python3
"""memory.py BITALE RECORDS PROGRAMS... - what a call of each training workload takes, beside other systems.

For each program FOLDER/WORKLOAD.bitale: the bytes of its results and of the arena (`bitale plan --json`, at the sizes below), and the least of what other
systems were measured to take for a call (RECORDS: lines of JSON with workload, peer, call_peak_bytes, as the suite's runs.jsonl). Figures below the
bytes of the results can't be the whole: a system that writes into memory that it kept from the call before; they are left out, and counted.
Programs whose loops are unrolled are made by bench/workloads/generate.sh. SPDX-License-Identifier: BSD-3-Clause
"""
import json
import os
import subprocess
import sys

# sizes that a program leaves open, by workload; several rows of one program
ROWS = {
    "mlp_step": {"mlp_step_b20": {"n": 20}, "mlp_step_b256": {"n": 256}},
    "axpy_chain": {"axpy_chain_1e3": {"n": 1000}, "axpy_chain_1e5": {"n": 100000}, "axpy_chain_1e7": {"n": 10000000}},
    "blackscholes_f32": {"blackscholes_f32": {"n": 1000000}}, "blackscholes_f64": {"blackscholes_f64": {"n": 1000000}},
}


def planned(bitale, program, sizes):
    run = subprocess.run([bitale, "plan", program, "--json", "--mode", "fast_run,gc=on", *(f"{k}={v}" for k, v in sizes.items())], capture_output=True, text=True)
    if run.returncode:
        sys.exit(f"memory.py: {program}: {run.stderr.strip()}")
    return json.loads(run.stdout)


def measured(path):
    least = {}
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            r = json.loads(line)
            if r.get("call_peak_bytes") is None or not r.get("ok", True):
                continue
            of = least.setdefault(r["workload"], {})
            of[r["peer"]] = min(r["call_peak_bytes"], of.get(r["peer"], r["call_peak_bytes"]))
    return least


def main():
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    bitale, records, programs = sys.argv[1], measured(sys.argv[2]), sys.argv[3:]
    print("| workload | results | arena | results and arena | lowest of the others | ratio | left out |\n|---|---|---|---|---|---|---|")
    for program in programs:
        name = os.path.splitext(os.path.basename(program))[0]
        for workload, sizes in ROWS.get(name, {name: {}}).items():
            plan = planned(bitale, program, sizes)
            results, arena = plan["results_bytes"], plan["arena_bytes"]
            credible = {p: b for p, b in records.get(workload, {}).items() if b >= results}
            out = len(records.get(workload, {})) - len(credible)
            best = min(credible, key=credible.get, default=None)
            beside = f"{credible[best]} ({best.rstrip('_')}) | {(results + arena) / credible[best]:.2f}" if best else "none | "
            print(f"| {workload} | {results} | {arena} | {results + arena} | {beside} | {out} |")


if __name__ == "__main__":
    main()
