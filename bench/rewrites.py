#!/usr/bin/env python3
"""rewrites.py BITALE PROGRAM [NAME=SIZE ...] - what rewriting makes of a program.

Prints: nodes as written, after canonicalize, after lower; kernels run in a call; bytes that they read and write
(each operand once, views as what they show of it, scalars not). BITALE is the command; sizes that the program leaves open are given.
"written" is each op by itself (mode c_code); "fused" is fusion with the rules that stability needs (fast_compile); "rewritten" is fast_run.
SPDX-License-Identifier: BSD-3-Clause
"""
import re
import subprocess
import sys

BYTES = {"bool": 1, "i8": 1, "u8": 1, "i16": 2, "u16": 2, "f16": 2, "bf16": 2, "i32": 4, "u32": 4, "f32": 4, "i64": 8, "u64": 8, "f64": 8}
VIEWS = {"dimshuffle", "reshape", "subtensor", "broadcast_to", "size"}
LINE = re.compile(r"^(\S.*?) = (\w[\w.]*)\((.*)\)$")
NAME = r"(?:%\d+|[A-Za-z_]\w*)"
TYPE = re.compile(rf"({NAME}): (\w+)(?:\[([^\]]*)\])?")


def count(bitale, program, mode, after):
    out = subprocess.run([bitale, "print", program, "--after", after, "--mode", mode], capture_output=True, text=True, check=True).stdout
    return [line for line in out.splitlines() if line and not line[0].isspace()]


def elems(dims, sizes):
    n = 1
    for d in filter(None, (dims or "").split(",")):
        n *= eval(d, {"max": max, "min": min}, sizes)
    return n


def measure(lines, sizes):
    size, source, nodes, kernels, moved = {}, {}, 0, 0, 0
    for line in lines:
        head = re.match(r"^(?:input|shared|const) (.*?)(?: = .*)?$", line)
        if head:
            for name, dtype, dims in TYPE.findall(head.group(1)):
                size[name] = elems(dims, sizes) * BYTES[dtype]
            continue
        m = LINE.match(line)
        if not m:
            continue
        nodes += 1
        op, results = m.group(2), [(n, elems(d, sizes) * BYTES[t]) for n, t, d in TYPE.findall(m.group(1))]
        operands = [n for n in dict.fromkeys(re.findall(NAME, re.sub(r"body=%\w+|\w+=|\"[^\"]*\"", "", m.group(3)))) if n in size]
        for name, n in results:
            size[name] = n
        if op in VIEWS:
            for name, n in results:
                size[name] = min(n, size[operands[0]]) if operands else 0
            continue
        kernels += 1
        moved += sum(size[n] for n in operands if size[n] > 8) + sum(n for _, n in results if n > 8)
    return nodes, kernels, moved


def main():
    bitale, program = sys.argv[1:3]
    sizes = {k: int(v) for k, v in (a.split("=") for a in sys.argv[3:])}
    written = measure(count(bitale, program, "fast_run", "import"), sizes)[0]
    canonical = measure(count(bitale, program, "fast_run", "canonicalize"), sizes)[0]
    lowered = measure(count(bitale, program, "fast_run", "lower"), sizes)[0]
    print(f"{program.split('/')[-1]}: nodes {written} written, {canonical} canonical, {lowered} lowered")
    for name, mode in (("written", "c_code"), ("fused", "fast_compile"), ("rewritten", "fast_run")):
        nodes, kernels, moved = measure(count(bitale, program, mode, "layout"), sizes)
        print(f"  {name:9} {nodes:5} nodes, of them {kernels:5} kernels  {moved / 1e6:10.2f} MB")


if __name__ == "__main__":
    main()
