"""The kernels of one product of 8-bit integers, each chosen when as many rows are first asked about."""

from __future__ import annotations

from torch import Tensor

from axkit.kit.int8_choosing import ProductCase, bucket, choose
from axkit.kit.int8_products import IntegerProduct, Kernel, fitting


class IntegerKernels:
    """What computes a product, for any number of rows.

    Args:
        product: it.
    """

    def __init__(self, product: IntegerProduct) -> None:
        self.product = product
        self._by_rows: dict[int, Kernel | None] = {}  # by the bucket of their number; none: there is no kernel
        self._ready: dict[str, Kernel] = {}  # by name; each holds the weights in a layout of its own

    def kernel(self, x: Tensor) -> Kernel | None:
        """For (..., in) float32; None where this PyTorch has none for this processor.

        Raises:
            NotApplicable: as ``axkit.kit.int8_choosing.choose``.
        """
        number = bucket(x.numel() // self.product.weight.shape[1])
        return self._by_rows[number] if number in self._by_rows else self._choose(x, number)

    def _choose(self, x: Tensor, number: int) -> Kernel | None:
        product, made = self.product, dict(self._ready)

        def ready(name: str) -> Kernel:
            if name not in made:
                made[name] = fitting(name, product)
            return made[name]

        name = choose(ProductCase.of(product, number), ready, x)
        chosen = None if name is None else ready(name)
        if name is not None and chosen is not None:
            self._ready[name] = chosen  # the others go: each is the weights once more
        self._by_rows[number] = chosen
        return chosen

    def names(self) -> dict[int, str]:
        """The kernels that were chosen so far: bucket of rows -> name."""
        names = {id(kernel): name for name, kernel in self._ready.items()}
        return {number: names[id(kernel)] for number, kernel in self._by_rows.items() if kernel is not None}
