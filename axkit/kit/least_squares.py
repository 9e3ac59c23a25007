"""Repair after cutting, in closed form: the weights that serve best with fewer inputs, and the order in which to cut.

A projection is Y = X W^T + b. Sources: Hassibi and Stork 1993, Optimal Brain Surgeon (the cost and the update of one
removal); Frantar and Alistarh 2022, arXiv 2208.11580, and Kurtic et al. 2023, arXiv 2302.04089 (greedy removal of
groups of inputs with exact updates); Kwon et al. 2022, arXiv 2204.09656 (least squares on what stays).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

DAMPING = 1e-3  # of the mean diagonal of X^T X
_LAZY = 64  # removals whose updates are gathered before the matrices are rewritten


class Moments:
    """Second moments of what enters a projection and of what shall leave it, over tokens.

    Args:
        inputs: values per token that enter; 0 leaves a bias to be found.
        outputs: values per token that leave.
        device: of the sums.

    Attributes:
        gram: [X 1]^T [X 1], (inputs + 1, inputs + 1), float64.
        cross: [X 1]^T Y, (inputs + 1, outputs), float64.
        square: sum of squares of Y.
        tokens: how many were seen.
    """

    def __init__(self, inputs: int, outputs: int, device: torch.device | str = "cpu") -> None:
        self.gram = torch.zeros(inputs + 1, inputs + 1, dtype=torch.float64, device=device)
        self.cross = torch.zeros(inputs + 1, outputs, dtype=torch.float64, device=device)
        self.square, self.tokens = 0.0, 0

    def add(self, inputs: Tensor, wanted: Tensor) -> None:
        """Some more tokens: (tokens, inputs) and (tokens, outputs), in float32 or float64."""
        x = torch.cat([inputs, inputs.new_ones(len(inputs), 1)], dim=1)
        # products in the type that came, sums in float64: a batch has few tokens, a calibration many
        self.gram += (x.T @ x).double()
        self.cross += (x.T @ wanted.to(x.dtype)).double()
        self.square += float(torch.linalg.vector_norm(wanted, dtype=torch.float64)) ** 2
        self.tokens += len(inputs)


class Spread:
    """How much values vary over tokens.

    Args:
        width: values per token.
        device: of the sums.

    Attributes:
        tokens: how many were seen.
    """

    def __init__(self, width: int, device: torch.device | str = "cpu") -> None:
        self.tokens = 0
        self._sum, self.square = torch.zeros(width, dtype=torch.float64, device=device), 0.0

    def add(self, values: Tensor) -> None:
        """Some more tokens: (tokens, width), of any float type."""
        self._sum += values.double().sum(0)
        self.square += float(values.double().square().sum())
        self.tokens += len(values)

    @property
    def variance(self) -> float:
        """Mean square distance from the mean token, over all values together; never 0."""
        mean = self._sum / self.tokens
        return max(self.square / self.tokens - float(mean.square().sum()), 1e-30)


@dataclass(frozen=True)
class Repair:
    """A projection on fewer inputs.

    Attributes:
        weight: (outputs, kept inputs), float64.
        bias: (outputs,), float64; zeros where the projection has none.
        error: mean square of what is missed, per token, over all outputs.
    """

    weight: Tensor
    bias: Tensor
    error: float


class Projection:
    """The least-squares problem of one projection: moments, and the weights that it has.

    Args:
        moments: of calibration tokens; they are not kept, a model's are gigabytes.
        weight: (outputs, inputs) as it is; what the moments leave open stays near it.
        bias: (outputs,), or None where the projection has none and can have none.

    Attributes:
        gram: of the inputs and, where there is a bias, a one beside them, damped, float64.
        cross: of these with the outputs, (inputs and one, outputs), damped, float64.
        damping: on the diagonal of the inputs.
        tokens: that the moments are of.
        square: sum of squares of the outputs.
    """

    def __init__(self, moments: Moments, weight: Tensor, bias: Tensor | None) -> None:
        inputs = weight.shape[1]
        self.inputs, self.has_bias = inputs, bias is not None
        self.tokens, self.square = moments.tokens, moments.square
        self.damping = DAMPING * float(moments.gram.diagonal()[:inputs].sum()) / max(1, inputs) + 1e-12
        size = inputs + self.has_bias
        self.gram = moments.gram[:size, :size].clone()
        self.gram.diagonal()[:inputs] += self.damping
        self.cross = moments.cross[:size].clone()
        self._weight = weight.detach().clone()
        self.cross[:inputs] += self.damping * self._weight.double().T

    def keep(self, kept: Sequence[int]) -> Repair:
        """The best weights on these inputs alone; the bias takes over what the others gave on average."""
        chosen, solution = self._solution(kept)
        return Repair(*self._parted(len(kept), solution), self._error(chosen, solution))

    def solve(self, kept: Sequence[int]) -> tuple[Tensor, Tensor]:
        """As ``keep``, the weight and the bias alone: a third of the work."""
        return self._parted(len(kept), self._solution(kept)[1])

    def _solution(self, kept: Sequence[int]) -> tuple[list[int], Tensor]:
        """The rows of the problem that are kept, the bias's among them, and (kept rows, outputs)."""
        chosen = [*kept, *([self.inputs] if self.has_bias else [])]
        if not chosen:
            return chosen, self.cross.new_zeros(0, self.cross.shape[1])
        factor = torch.linalg.cholesky(self.gram[chosen][:, chosen])
        return chosen, torch.cholesky_solve(self.cross[chosen], factor)

    def _parted(self, kept: int, solution: Tensor) -> tuple[Tensor, Tensor]:
        bias = solution[-1] if self.has_bias else self.cross.new_zeros(self.cross.shape[1])
        return solution[:kept].T.contiguous(), bias

    def _error(self, chosen: list[int], solution: Tensor) -> float:
        kept = chosen[:-1] if self.has_bias else chosen
        own, inner = self._weight[:, kept].double().T, solution[: len(kept)]  # without what damping has added
        gram = float((solution * (self.gram[chosen][:, chosen] @ solution)).sum())
        cross = float((solution * self.cross[chosen]).sum())
        damped = self.damping * (float(inner.square().sum()) - 2 * float((inner * own).sum()))
        return max(0.0, self.square - 2 * cross + gram - damped) / max(1, self.tokens)

    def order(self, group: int = 1, worth: Tensor | None = None) -> tuple[list[int], list[float]]:
        """Greedy removal: which group of inputs goes first, second, ..., and what each adds to the squared error.

        Args:
            group: inputs of a group, side by side: 1 for neurons, the head size for heads.
            worth: (outputs, outputs), symmetric, not negative: an error e of the outputs counts e^T worth e, in place
                of its square. It changes the order, and not the weights that serve best: each output has its own.

        Returns:
            Indices of the groups in the order of removal, and the increase of the squared error, mean over tokens.
        """
        inverse = torch.cholesky_inverse(torch.linalg.cholesky(self.gram))
        weight = (inverse @ self.cross)[: self.inputs].T.contiguous()
        if worth is not None:
            weight = _root(worth).T @ weight
        inverse = inverse[: self.inputs, : self.inputs].contiguous()
        gone, costs = _columns(inverse, weight) if group == 1 else _groups(inverse, weight, group)
        return gone, [cost / max(1, self.tokens) for cost in costs]


def _root(worth: Tensor) -> Tensor:
    """Its lower Cholesky factor; what it leaves open counts a little."""
    damped = worth.double().clone()
    damped.diagonal().add_(DAMPING * float(damped.diagonal().mean()) + 1e-30)
    factor: Tensor = torch.linalg.cholesky(damped)
    return factor


def _groups(inverse: Tensor, weight: Tensor, size: int) -> tuple[list[int], list[float]]:
    """Of few large groups: each step looks at all that are left, and rewrites the matrices."""
    left, gone, costs = list(range(len(inverse) // size)), [], []
    inverse, weight = inverse.clone(), weight.clone()
    while left:
        found = []
        for group in left:
            at = slice(group * size, (group + 1) * size)
            found.append(float((weight[:, at] * torch.linalg.solve(inverse[at, at], weight[:, at].T).T).sum()))
        best = min(range(len(left)), key=found.__getitem__)
        group = left.pop(best)
        gone.append(group)
        costs.append(found[best])
        at = slice(group * size, (group + 1) * size)
        step = torch.linalg.solve(inverse[at, at], inverse[at, :])
        weight -= weight[:, at] @ step
        inverse -= inverse[:, at] @ step
        # never looked at again, but it must stay regular
        inverse[at, at] = torch.eye(size, dtype=inverse.dtype, device=inverse.device)
    return gone, costs


def _columns(inverse: Tensor, weight: Tensor) -> tuple[list[int], list[float]]:
    """Of single columns: the updates of some steps are kept as factors, and applied to the matrices together.

    Only the products W^T W are needed of the weights. A removal takes ``l l^T`` off the inverse and ``l b^T + b l^T``
    off the products. Both are symmetric: what is called a column is read as a row.
    """
    products = weight.T @ weight
    names = torch.arange(len(inverse), device=inverse.device)
    gone: list[int] = []
    costs: list[float] = []
    while len(names):
        taken, cost = _some_columns(inverse, products, min(_LAZY, len(names)))
        gone += names[taken].tolist()
        costs += cost.tolist()
        stays = torch.ones(len(names), dtype=torch.bool, device=inverse.device)
        stays[taken] = False
        names, inverse, products = names[stays], inverse[stays][:, stays], products[stays][:, stays]
    return gone, costs


def _some_columns(inverse: Tensor, products: Tensor, steps: int) -> tuple[Tensor, Tensor]:
    """The next removals, and what each costs, (steps,) each; both matrices are brought up to date in place.

    Which one goes stays a tensor: of a GPU nothing is asked before all are done.
    """
    pivots, norms = inverse.diagonal().clone(), products.diagonal().clone()
    factors, besides = (inverse.new_zeros(steps, len(inverse)) for _ in range(2))
    taken, costs = torch.zeros(steps, dtype=torch.long, device=inverse.device), inverse.new_zeros(steps)
    for step in range(steps):
        cost = norms.clamp_min(0) / pivots.clamp_min(1e-300)
        best = cost.index_fill(0, taken[:step], torch.inf).argmin(0, keepdim=True)
        low, by = factors[:step], besides[:step]
        at_low, at_by = low.index_select(1, best)[:, 0], by.index_select(1, best)[:, 0]
        column = inverse.index_select(0, best)[0] - at_low @ low
        product = products.index_select(0, best)[0] - at_by @ low - at_low @ by
        pivot = column.index_select(0, best)
        root = pivot.clamp_min(1e-300).sqrt()
        factor = column / root
        beside = (product - column * (product.index_select(0, best) / (2 * pivot))) / root
        factors[step], besides[step] = factor, beside
        pivots -= factor * factor
        norms -= 2 * factor * beside
        taken[step], costs[step] = best[0], cost.index_select(0, best)[0]
    inverse -= factors.T @ factors
    mixed = factors.T @ besides
    products -= mixed + mixed.T
    return taken, costs
