"""The numeric core of the whole-market optimum: plain Python here, compiled from this very source by `compiled.py`.

Each function uses only what Numba compiles as well, and calls only functions above it. A piece is a row of `pieces`:
rate, curvature, cap, and what the edge's earlier pieces take in and give out. Prices are in units of the numeraire,
which is node 0, per base unit; node 0 has the price 1 and never moves.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

RATE, CURVATURE, CAP, SUM_IN, SUM_OUT = range(5)
"""The columns of `pieces`."""

SURPLUS, TURNOVER, STAKE = range(3)
"""The columns of a node's balance."""

LONGEST_STEP = 0.5
"""How far one step moves a price at most, as a logarithm."""

STEEP = 0.9
"""A step along which the dual still falls or rises by less than this part of its first slope is long enough."""

HALVINGS = 40
TINY = 1e-9
MOST_STUCK = 8
STRIDE = 0.99
"""So many moves of less than `TINY`, as logarithms, that leave no less than `STRIDE` of the least residual so far are
the end of what floats can tell. One is not: where it ends because a straight edge begins to trade, the next goes on."""

RIDGE = 1e-13
"""Added to a node's own conductance, relative to it, so that a floating group of nodes can be solved for."""


MOST_DENSE = 300
"""Up to how many nodes a step is solved for by elimination; more, by conjugate gradients."""

ITERATED_TO = 1e-6
MOST_ITERATIONS = 500


def fill(price: float, first: int, last: int, pieces: Floats) -> tuple[float, float, float]:
    """What an edge does where its marginal price meets `price`: amount in, amount out, and -d(amount in) / d(price).

    Solves max over x ≥ 0 of G(x) - price · x for the concave G made of `pieces[first:last]`.
    """
    low, high = first, last
    while low < high:
        middle = (low + high) // 2
        if pieces[middle, RATE] > price:
            low = middle + 1
        else:
            high = middle
    if low == first:
        return 0.0, 0.0, 0.0
    at = low - 1
    rate, curvature, cap = pieces[at, RATE], pieces[at, CURVATURE], pieces[at, CAP]
    root = math.sqrt(rate / price)
    step, slope = (root - 1.0) / curvature, root / (2.0 * curvature * price)
    if step >= cap:
        step, slope = cap, 0.0
    return pieces[at, SUM_IN] + step, pieces[at, SUM_OUT] + rate * step / (1.0 + curvature * step), slope


def evaluate(
    prices: Floats,
    ends: Ints,
    stretches: Ints,
    pieces: Floats,
    balance: Floats,
    conductance: Floats,
) -> float:
    """The dual value at `prices`: Σ over edges i → j of max over x of p_j · G(x) - p_i · x.

    Writes each node's `balance`: what the edges bring it less what they take, what they bring and take, both at its
    price, and what its edges deliver at all; and each edge's `conductance`, by which its value's Hessian in log prices
    is that of an electrical conductor between its ends.
    """
    value = 0.0
    balance[:] = 0.0
    for edge in range(ends.shape[0]):
        source, target = ends[edge, 0], ends[edge, 1]
        first = stretches[edge, 0]
        price = prices[source] / prices[target]
        conductance[edge] = 0.0
        if pieces[first, RATE] <= price:
            continue
        amount_in, amount_out, slope = fill(price, first, stretches[edge, 1], pieces)
        worth_in, worth_out = prices[source] * amount_in, prices[target] * amount_out
        value += worth_out - worth_in
        balance[source, SURPLUS] -= worth_in
        balance[target, SURPLUS] += worth_out
        balance[source, TURNOVER] += worth_in
        balance[target, TURNOVER] += worth_out
        balance[source, STAKE] += worth_out
        balance[target, STAKE] += worth_out
        conductance[edge] = slope * price * prices[source]
    return value


def eliminate(matrix: Floats, right: Floats) -> None:
    """Solve `matrix` · x = `right` for a symmetric positive definite matrix, in place; `right` becomes x.

    Uses the lower triangle only, and skips its zeros: with hubs last, a market's matrix stays sparse.
    """
    size = right.shape[0]
    for pivot in range(size):
        below = matrix[pivot + 1 :, pivot].copy()
        scaled = below / matrix[pivot, pivot]
        for offset in range(size - pivot - 1):
            if below[offset] != 0.0:
                row = pivot + 1 + offset
                rest = matrix[row, pivot + 1 : row + 1]
                np.subtract(rest, scaled[offset] * below[: offset + 1], rest)
                right[row] -= scaled[offset] * right[pivot]
    for row in range(size - 1, -1, -1):
        total = right[row] - (matrix[row + 1 :, row] * right[row + 1 :]).sum()
        right[row] = total / matrix[row, row]


def iterate(ends: Ints, conductance: Floats, slot: Ints, diagonal: Floats, right: Floats) -> None:
    """Solve (L + D) · x = `right` by conjugate gradients scaled by the diagonal; `right` becomes x.

    For more nodes than a dense matrix has room for. `diagonal` is that of L + D; `slot` numbers the nodes, -1: none.
    """
    solution = np.zeros(right.shape[0])
    scaled = right / diagonal
    heading = scaled.copy()
    product = np.zeros(right.shape[0])
    strength = float((right * scaled).sum())
    goal = strength * ITERATED_TO * ITERATED_TO
    for _ in range(MOST_ITERATIONS):
        if strength <= goal:
            break
        np.multiply(diagonal, heading, product)
        for edge in range(ends.shape[0]):
            one, other = slot[ends[edge, 0]], slot[ends[edge, 1]]
            if conductance[edge] > 0.0 and one >= 0 and other >= 0:
                product[one] -= conductance[edge] * heading[other]
                product[other] -= conductance[edge] * heading[one]
        length = strength / float((heading * product).sum())
        solution += length * heading
        right -= length * product
        scaled = right / diagonal
        before, strength = strength, float((right * scaled).sum())
        heading = scaled + strength / before * heading
    for node in range(right.shape[0]):
        right[node] = solution[node]


def direction(surplus: Floats, ends: Ints, conductance: Floats, damping: float, step: Floats) -> None:
    """The semismooth Newton step in log prices, into `step`: (L + D) · step = -surplus without node 0.

    L is the Laplacian of the conductances; D damps each node by its surplus, so that a node without any conductor
    moves by about 1 / damping, and by what is negligible beside its conductors near the optimum.
    """
    size = surplus.shape[0]
    slot = np.full(size, -1, dtype=np.int64)
    diagonal = np.zeros(size)
    for edge in range(ends.shape[0]):
        if conductance[edge] > 0.0:
            diagonal[ends[edge, 0]] += conductance[edge]
            diagonal[ends[edge, 1]] += conductance[edge]
    count = 0
    for node in range(1, size):
        if diagonal[node] > 0.0 or surplus[node] != 0.0:
            slot[node] = count
            count += 1
    right, own = np.zeros(count), np.zeros(count)
    for node in range(1, size):
        if slot[node] >= 0:
            own[slot[node]] = diagonal[node] * (1.0 + RIDGE) + damping * abs(surplus[node]) + 1e-300
            right[slot[node]] = -surplus[node]
    if count > MOST_DENSE:
        iterate(ends, conductance, slot, own, right)
    else:
        matrix = np.zeros((count, count))
        for at in range(count):
            matrix[at, at] = own[at]
        for edge in range(ends.shape[0]):
            one, other = slot[ends[edge, 0]], slot[ends[edge, 1]]
            if conductance[edge] > 0.0 and one >= 0 and other >= 0:
                matrix[max(one, other), min(one, other)] -= conductance[edge]
        eliminate(matrix, right)
    for node in range(size):
        step[node] = right[slot[node]] if slot[node] >= 0 else 0.0
        step[node] = min(max(step[node], -LONGEST_STEP), LONGEST_STEP)


def residual(balance: Floats, hung: float) -> float:
    """What hangs on the flows that do not balance: of each node but the numeraire, that part of what is at stake.

    Where a token has become nearly worthless, a lack of it looks small at its own price, and is not: at stake is what
    its edges deliver, and `hung` at the least.
    """
    total = 0.0
    for node in range(1, balance.shape[0]):
        if balance[node, TURNOVER] > 0.0:
            total += abs(balance[node, SURPLUS]) / balance[node, TURNOVER] * max(balance[node, STAKE], hung)
    return total


def move(
    prices: Floats,
    step: Floats,
    descent: float,
    ends: Ints,
    stretches: Ints,
    pieces: Floats,
    balance: Floats,
    conductance: Floats,
) -> tuple[float, float]:
    """Move `prices` along `step`, down which the dual falls by `descent` at first: its value there, and how far.

    It is convex, so the whole step is taken unless it rises there, nearly as steeply; else the place between is sought
    where it neither falls nor rises steeply. The slope is the surplus along the step: exact also where the fall of the
    value itself is lost in rounding, and where an edge begins to trade within a hair.
    """
    start = prices.copy()
    low, high, length = 0.0, 1.0, 1.0
    value = 0.0
    for _ in range(HALVINGS):
        np.multiply(start, np.exp(length * step), prices)
        value = evaluate(prices, ends, stretches, pieces, balance, conductance)
        slope = float((balance[:, SURPLUS] * step).sum())
        if slope > -STEEP * descent:
            high = length
        elif slope < STEEP * descent and length < 1.0:
            low = length
        else:
            break
        length = 0.5 * (low + high)
    return value, length


def newton(
    prices: Floats,
    ends: Ints,
    stretches: Ints,
    pieces: Floats,
    tolerance: float,
    least: float,
    most_steps: int,
    hung: float,
) -> tuple[float, float, int]:
    """Minimise the dual over `prices`, in place; its value, the residual, and the steps taken.

    Ends when the residual is at most `tolerance` times the value, or `least`; the part `hung` of the value is taken to
    hang on every node. Source: Angeris et al., arXiv 2302.04938 (the dual); the step is a semismooth Newton step,
    damped after Levenberg and Marquardt.
    """
    size = prices.shape[0]
    balance, step = np.zeros((size, 3)), np.zeros(size)
    conductance = np.zeros(ends.shape[0])
    value = evaluate(prices, ends, stretches, pieces, balance, conductance)
    off = residual(balance, hung * value)
    closest, damping = off, 1.0
    taken = stuck = 0
    while taken < most_steps and off > max(tolerance * value, least):
        direction(balance[:, SURPLUS], ends, conductance, damping, step)
        descent = float((balance[:, SURPLUS] * step).sum())
        if not descent < 0.0:
            break
        taken += 1
        value, length = move(prices, step, descent, ends, stretches, pieces, balance, conductance)
        off = residual(balance, hung * value)
        if off < STRIDE * closest:
            closest, stuck = off, 0
        elif length * np.abs(step).max() < TINY:
            stuck += 1
        if stuck == MOST_STUCK:
            break
        damping = max(damping * 0.3, 1e-6) if length == 1.0 else min(damping * 3.0, 1e3)
    return value, off, taken


def flows(prices: Floats, ends: Ints, stretches: Ints, pieces: Floats, amounts: Floats) -> None:
    """What each edge takes in and gives out at `prices`, in base units, into the rows of `amounts`."""
    for edge in range(ends.shape[0]):
        price = prices[ends[edge, 0]] / prices[ends[edge, 1]]
        amount_in, amount_out, _ = fill(price, stretches[edge, 0], stretches[edge, 1], pieces)
        amounts[edge, 0], amounts[edge, 1] = amount_in, amount_out


def gains(prices: Floats, ends: Ints, stretches: Ints, pieces: Floats, edges: Ints, worth: Floats) -> None:
    """What each of `edges` is worth at `prices`: max over x of p_j · G(x) - p_i · x, into `worth`, in their order."""
    for position in range(edges.shape[0]):
        edge = edges[position]
        source, target = prices[ends[edge, 0]], prices[ends[edge, 1]]
        first = stretches[edge, 0]
        worth[position] = 0.0
        if pieces[first, RATE] * target > source:
            amount_in, amount_out, _ = fill(source / target, first, stretches[edge, 1], pieces)
            worth[position] = target * amount_out - source * amount_in


def widen(
    nodes: Ints,
    moves: Floats,
    prices: Floats,
    first: Ints,
    ordered: Ints,
    slack: Floats,
    ends: Ints,
    stretches: Ints,
    pieces: Floats,
    resting: Floats,
    inside: Ints,
    least: float,
    found: Ints,
) -> tuple[int, float]:
    """How many ways outside the active set are worth more than `least` at moved prices, and what the others gained.

    The ways go into `found`, and into the active set, where `inside` is 1; `resting` is what each is worth unmoved.
    `moves` are log price changes since `slack` was taken: how far a way's price was above its rate. `ordered` holds
    every node's ways, those in and those out, by rising slack, from `first[node]` on. Two moves add up to no more than
    twice the greater: so each way is looked at from the end that moved more, and a node's scan ends at twice its move.
    """
    count, gained = 0, 0.0
    for node in nodes:
        moved = abs(moves[node])
        if moved == 0.0:
            continue
        for position in range(first[node], first[node + 1]):
            edge = ordered[position]
            if slack[edge] >= 2.0 * moved or count == found.shape[0]:
                break
            source, target = ends[edge, 0], ends[edge, 1]
            other = source + target - node
            if inside[edge] == 1 or abs(moves[other]) > moved or (abs(moves[other]) == moved and other < node):
                continue
            if slack[edge] >= moves[target] - moves[source]:
                gained -= resting[edge]
                continue
            price_in, price_out = prices[source] * math.exp(moves[source]), prices[target] * math.exp(moves[target])
            amount_in, amount_out, _ = fill(price_in / price_out, stretches[edge, 0], stretches[edge, 1], pieces)
            worth = price_out * amount_out - price_in * amount_in
            if worth > least:
                inside[edge] = 1
                found[count] = edge
                count += 1
            else:
                gained += worth - resting[edge]
    return count, gained
