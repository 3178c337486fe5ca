"""The peer, in its own environment: rustworkx's Bellman-Ford on the best marginal rate of each pair.

Runs there as `python rustworkx_cycle.py JOB`, where the job names a NumPy file of source, target and -log(rate); prints
one JSON object: milliseconds per call, and what it returned.
"""

from __future__ import annotations

import json
import sys
import time

import numpy as np
import rustworkx


def main() -> None:
    job = json.loads(sys.argv[1])
    source, target, cost = np.load(job["file"])
    graph = rustworkx.PyDiGraph()
    graph.add_nodes_from(range(int(max(source.max(), target.max())) + 1))
    graph.add_edges_from(
        list(zip(source.astype(int).tolist(), target.astype(int).tolist(), cost.tolist(), strict=True))
    )
    times, found = [], None
    for _ in range(job["repeats"]):
        began = time.perf_counter()
        try:
            found = list(rustworkx.find_negative_cycle(graph, float))
        except ValueError:
            found = None
        times.append((time.perf_counter() - began) * 1e3)
    print(json.dumps({"ms": times, "cycle": found, "version": rustworkx.__version__}))


if __name__ == "__main__":
    main()
