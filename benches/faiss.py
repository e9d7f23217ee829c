#!/usr/bin/env python3
"""Runs FAISS and the index on the same files, turn by turn, and prints the ratios of their times.

Needs `faiss-cpu` and `numpy` from PyPI, and `cargo build --release --example index_bench`. One thread; CPU time; the
mean over all queries, of which the median over the rounds. The ids of both are compared: a difference ends the run.

    faiss.py --codes CODES --queries QUERIES --radius 31 [--rounds 3] [--kinds flat,hash11,hash16]
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time

# This script has the library's name, and would import itself.
HERE = sys.path.pop(0)

import faiss  # noqa: E402
import numpy as np  # noqa: E402

TARGET = os.environ.get("CARGO_TARGET_DIR", os.path.join(HERE, "..", "target"))
BENCH = os.path.join(TARGET, "release", "examples", "index_bench")


def build(kind, codes, bits):
    """A FAISS index, and the CPU seconds that it took."""
    if kind == "flat":
        index = faiss.IndexBinaryFlat(bits)
    elif kind == "hash16":
        index = faiss.IndexBinaryMultiHash(bits, 16, 16)
        index.nflip = 1
    elif kind == "hash11":
        index = faiss.IndexBinaryMultiHash(bits, 11, 23)
        index.nflip = 2
    else:
        sys.exit(f"no kind {kind}")
    start = time.thread_time()
    index.add(codes)
    return index, time.thread_time() - start


def covers(kind, radius):
    """Whether the answer is exact: some band differs in no more bits than are flipped."""
    return {"flat": True, "hash16": radius < 16 * 2, "hash11": radius < 11 * 3}[kind]


def search(index, queries, radius):
    """CPU seconds, and for each query its ids in ascending order. FAISS returns what is nearer than its radius."""
    start = time.thread_time()
    limits, _, ids = index.range_search(queries, radius + 1)
    seconds = time.thread_time() - start
    return seconds, [np.sort(ids[a:b]) for a, b in zip(limits[:-1], limits[1:])]


def ours(arguments, ids_file):
    """The line that the bench prints, and for each query its ids."""
    command = [BENCH, "--codes", arguments.codes, "--queries", arguments.queries, "--bits", str(arguments.bits)]
    command += ["--radius", str(arguments.radius), "--batch", str(arguments.batch), "--ids", ids_file]
    line = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    flat = np.fromfile(ids_file, dtype="<u8").astype(np.int64)
    lists, at = [], 0
    while at < len(flat):
        count = flat[at]
        lists.append(flat[at + 1 : at + 1 + count])
        at += 1 + count
    return line, lists


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--codes", required=True)
    parser.add_argument("--queries", required=True)
    parser.add_argument("--bits", type=int, default=256)
    parser.add_argument("--radius", type=int, default=31)
    parser.add_argument("--batch", type=int, default=0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--few", type=int, default=100, help="queries that the slower kinds of FAISS are given")
    parser.add_argument("--kinds", default="flat,hash11,hash16")
    arguments = parser.parse_args()
    faiss.omp_set_num_threads(1)
    width = arguments.bits // 8
    codes = np.fromfile(arguments.codes, dtype=np.uint8).reshape(-1, width)
    queries = np.fromfile(arguments.queries, dtype=np.uint8).reshape(-1, width)
    kinds = [kind for kind in arguments.kinds.split(",") if covers(kind, arguments.radius)]
    built = {kind: build(kind, codes, arguments.bits) for kind in kinds}
    times = {kind: [] for kind in ["ours", *kinds]}
    for _ in range(arguments.rounds):
        with tempfile.NamedTemporaryFile() as file:
            line, expected = ours(arguments, file.name)
        times["ours"].append(line["us_mean"])
        for kind in kinds:
            few = queries if kind == "hash11" else queries[: arguments.few]
            seconds, lists = search(built[kind][0], few, arguments.radius)
            times[kind].append(seconds / len(few) * 1e6)
            for number, (theirs, own) in enumerate(zip(lists, expected)):
                assert np.array_equal(theirs, own), f"{kind} and the index disagree about query {number}"
    mean = {kind: float(np.median(values)) for kind, values in times.items()}
    report = {
        "codes": len(codes),
        "queries": len(queries),
        "radius": arguments.radius,
        "us_mean": mean,
        "ratio": {kind: mean[kind] / mean["ours"] for kind in kinds},
        "faiss_build_s": {kind: seconds for kind, (_, seconds) in built.items()},
        "ours": line,
    }
    print(json.dumps(report))


if __name__ == "__main__":
    main()
