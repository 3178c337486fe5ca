"""The peer, in its own environment: scipy's L-BFGS-B on the very dual, evaluated by the project's own compiled kernel.

Runs there as `python scipy_dual.py JOB`; prints one JSON object: the best seconds, the value reached, and how it ended.
"""

from __future__ import annotations

import importlib.util
import json
import sys
import time
import types

import numba
import numpy as np
import scipy
from scipy.optimize import minimize


def compiled(source: str) -> types.SimpleNamespace:
    """`fill` and `evaluate` of the kernels' source, compiled."""
    spec = importlib.util.spec_from_file_location("kernels", source)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.fill = numba.njit(module.fill)
    return types.SimpleNamespace(evaluate=numba.njit(module.evaluate))


def main() -> None:
    job = json.loads(sys.argv[1])
    arrays = np.load(job["arrays"])
    ends, stretches, pieces, start = (arrays[name] for name in ("ends", "stretches", "pieces", "start"))
    kernels = compiled(job["kernels"])
    balance, conductance, unit = np.zeros((len(start), 3)), np.zeros(len(ends)), float(job["unit"])

    def dual(logs: np.ndarray) -> tuple[float, np.ndarray]:
        prices = np.append(1.0, np.exp(logs))
        value = kernels.evaluate(prices, ends, stretches, pieces, balance, conductance)
        return value / unit, balance[1:, 0] / unit

    options = {"maxiter": 15_000, "maxfun": 30_000}
    first = np.log(start[1:])
    dual(first)
    seconds, found = [], None
    for _ in range(job["repeats"]):
        began = time.perf_counter()
        found = minimize(dual, first, jac=True, method="L-BFGS-B", options=options)
        seconds.append(time.perf_counter() - began)
    print(
        json.dumps(
            {
                "version": f"scipy {scipy.__version__}, numba {numba.__version__}",
                "seconds": seconds,
                "value": float(found.fun) * unit,
                "evaluations": int(found.nfev),
                "ended": str(found.message),
            }
        )
    )


main()
