"""From a found psi to the model, part by part. Axes: T frames, N neurons, K coefficients.

What each part makes follows from what the parts before it have made (:class:`Plan` says which):
plain dictionaries of tensors and numbers, so that one process can make all of them, or jobs that
hand each other files. ``pieces`` and tiles see to it that the result is the same.
"""

__all__ = ["Maker", "assembled", "make_all"]

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor

from neuralgnn.config.scatter import Plan, kind_of, number_of
from neuralgnn.models import AssemblyGNN
from neuralgnn.train.varpro.distil import covering_rows
from neuralgnn.train.varpro.evidence import evidence_ridge, raised_ridge
from neuralgnn.train.varpro.fit import distil_transfer, distil_update, interpolate
from neuralgnn.train.varpro.pieces import (
    LongSum,
    Pieces,
    TileProducts,
    share,
    sum_gram,
    tile_products,
    tiles,
)
from neuralgnn.train.varpro.rows import GramFactor, solve_row_block
from neuralgnn.train.varpro.splines import SplineBasis, refined_knots
from neuralgnn.train.varpro.updates import (
    UpdateSpace,
    latent_curves,
    shared_curve,
    spanning_space,
    update_equations,
)

_TABLE_POINTS = 1 << 15
_RIDGE_ROUNDS = 3  # of the last solve; the ridge settles at once
_MOST_POINTS = 1400  # of the neurons that cover all, in phi's distillation: the cost is cubic
_MOST_DIRECT = 2500  # neurons that all have a say in the ridge
_N_RIDGE = 512  # neurons that settle it for more

Product = dict[str, Any]


@dataclass(frozen=True)
class Maker:
    """Makes the parts of one fit, but for the search, whose product is ``find``.

    ``find`` holds ``knots``, ``coefficients`` and ``ridge`` of the search, ``sample`` and
    ``scale`` of the activity.

    Attributes:
        pieces: Frames to fit.
        plan: What the fit is cut into.
        new_model: Gives a freshly initialised model for a scale of the activity.
        n_update_coefficients: Spline coefficients of phi.
        ridge: Relative ridge on W; None: by evidence.
        device: Where to compute.
    """

    pieces: Pieces
    plan: Plan
    new_model: Callable[[float], AssemblyGNN]
    n_update_coefficients: int
    ridge: float | None
    device: torch.device

    def make(self, part: str, products: Mapping[str, Product]) -> Product:
        """A part's product.

        Args:
            part: Its name.
            products: Those of the parts that it needs, by name.

        Raises:
            ValueError: If W is not determined by the samples.
        """
        make = {
            "gram_spline": self._gram_spline,
            "factor_spline": self._factor_spline,
            "curves": self._curves,
            "functions": self._functions,
            "gram_mlp": self._gram_mlp,
            "factor_mlp": self._factor_mlp,
            "rows": self._rows,
        }
        return make[kind_of(part)](part, _on(self.device, dict(products)))

    def _gram_spline(self, part: str, products: Mapping[str, Product]) -> Product:
        return self._gram(part, _Found(products["find"], self).sent)

    def _factor_spline(self, part: str, products: Mapping[str, Product]) -> Product:
        found = _Found(products["find"], self)
        factor = self._factor(part, products, found.first_ridge)
        space = found.space
        if not found.one_update:
            space = spanning_space(self.pieces, factor, found.sent, space.basis)
        return {
            "factor": _plain(factor),
            "space": {"mean": space.mean, "directions": space.directions},
        }

    def _curves(self, part: str, products: Mapping[str, Product]) -> Product:
        found, first = _Found(products["find"], self), products["factor_spline"]
        space = UpdateSpace(found.space.basis, **first["space"])
        chosen = self._tiles(part)
        information, rhs = update_equations(
            self.pieces, chosen, GramFactor(**first["factor"]), found.sent, space
        )
        return {"information": information, "rhs": rhs, "space": first["space"]}

    def _functions(self, part: str, products: Mapping[str, Product]) -> Product:
        found = _Found(products["find"], self)
        blocks = [products[name] for name in self.plan.needs(part) if name != "find"]
        space = UpdateSpace(found.space.basis, **blocks[0]["space"])
        information, rhs = (
            torch.cat([block[name] for block in blocks]) for name in ("information", "rhs")
        )
        model = self.new_model(found.scale)
        errors = {"transfer": distil_transfer(model, found.basis, found.c, found.sample)}
        if found.one_update:
            curves, rows = shared_curve(information, rhs), torch.zeros(1, dtype=torch.long)
        else:
            n_latent = model.embedding.shape[1]
            latent = latent_curves(space, information, rhs, n_latent=n_latent)
            with torch.no_grad():
                model.embedding.zero_()
                model.embedding[:, : latent.latent.shape[1]] = latent.latent.to(model.embedding)
            rows = covering_rows(latent.latent, n_most=_MOST_POINTS // (4 * space.basis.size))
            curves = latent.coefficients()
        errors["update"] = distil_update(model, space.basis, curves, rows, found.sample)
        state = model.state_dict()
        del state["weight"]
        return {"arguments": dict(model.arguments), "state": dict(state), "errors": errors}

    def _gram_mlp(self, part: str, products: Mapping[str, Product]) -> Product:
        return self._gram(part, _Functions(products, self).sent)

    @torch.no_grad()
    def _factor_mlp(self, part: str, products: Mapping[str, Product]) -> Product:
        """Factor with the ridge that the evidence of some neurons asks for."""
        functions = _Functions(products, self)
        gram = self._total(part, products)
        diagonal = gram.diagonal().clone()
        n_samples = self.pieces.n_samples

        def factored(ridge: float) -> GramFactor:
            gram.diagonal().copy_(diagonal)
            return GramFactor.of_gram(gram, ridge=ridge, n_samples=n_samples)

        used = products["find"]["ridge"] if self.ridge is None else self.ridge
        factor = factored(used)
        if self.ridge is None:
            everyone = self._everyone
            step = 1 if len(everyone) <= _MOST_DIRECT else len(everyone) // _N_RIDGE
            some = tiles(everyone[::step])
            moments = list(functions.products(some))
            left = functions.left(some)

            def wanted(factor: GramFactor) -> float:
                weight = torch.cat([_solved(factor, each) for each in moments])
                return evidence_ridge(
                    factor,
                    n_samples=n_samples,
                    n_receivers=len(weight),
                    squared_residuals=functions.squared_residuals(weight, left),
                    squared_weights=float(weight.square().sum()),
                )

            for _ in range(_RIDGE_ROUNDS):
                lower = wanted(factor)
                if lower > 0.9 * used:
                    used, factor = raised_ridge(used, factor, wanted=wanted, solved=factored)
                    break
                used = lower
                factor = factored(used)
        return {"factor": _plain(factor), "relative_ridge": used}

    @torch.no_grad()
    def _rows(self, part: str, products: Mapping[str, Product]) -> Product:
        functions, made = _Functions(products, self), products["factor_mlp"]
        factor = GramFactor(**made["factor"])
        chosen = functions.products(self._tiles(part))
        none = factor.factor.new_empty(0, self.pieces.n_neurons)
        weight = torch.cat([none, *(_solved(factor, each) for each in chosen)])
        return {"weight": weight, "relative_ridge": made["relative_ridge"]}

    @property
    def _everyone(self) -> Int[Tensor, " N"]:
        return torch.arange(self.pieces.n_neurons, device=self.device)

    def _tiles(self, part: str) -> Sequence[Int[Tensor, " I"]]:
        return share(tiles(self._everyone), number_of(part), self.plan.n_row_blocks)

    def _gram(self, part: str, sent: Callable[[Tensor], Tensor]) -> Product:
        numbers = range(len(self.pieces))
        numbers = share(numbers, number_of(part), self.plan.n_stretches)
        assert isinstance(numbers, range)
        with torch.no_grad():
            total = sum_gram(self.pieces, numbers, sent)
        return {"high": total.high, "low": total.low}

    def _total(self, part: str, products: Mapping[str, Product]) -> Float[Tensor, "N N"]:
        """Gram matrix of all stretches, its lower triangle."""
        names = [name for name in self.plan.needs(part) if name.startswith("gram")]
        total = LongSum(**products[names[0]])
        for name in names[1:]:
            total.merge(LongSum(**products[name]))
        return total.rounded()

    def _factor(self, part: str, products: Mapping[str, Product], ridge: float) -> GramFactor:
        gram = self._total(part, products)
        return GramFactor.of_gram(gram, ridge=ridge, n_samples=self.pieces.n_samples)


class _Found:
    """What the search has found, ready for use."""

    def __init__(self, find: Product, maker: Maker) -> None:
        self.basis = SplineBasis(find["knots"].cpu().numpy())
        self.c = find["coefficients"].cpu().numpy()
        self.sample = find["sample"].cpu().numpy()
        self.scale, self.one_update = find["scale"], find["one_update"]
        self.first_ridge = find["ridge"] if maker.ridge is None else maker.ridge
        knots = refined_knots(self.basis, self.c, self.sample, maker.n_update_coefficients)
        self.space = UpdateSpace(SplineBasis(knots))
        self.grid = _grid(self.basis.knots)
        self.table = torch.as_tensor(self.basis.curve(self.c, self.grid), device=maker.device)

    def sent(self, x: Float[Tensor, "T N"]) -> Float[Tensor, "T N"]:
        """Psi as a spline."""
        return interpolate(x, self.grid, self.table)


class _Functions:
    """The learned MLPs, and what follows from them for some receivers."""

    def __init__(self, products: Mapping[str, Product], maker: Maker) -> None:
        self.product, self.pieces, self.device = products["functions"], maker.pieces, maker.device
        self.grid = _grid(products["find"]["knots"].cpu().numpy())
        model = self._of(torch.zeros(1, dtype=torch.long))
        at = torch.as_tensor(self.grid, dtype=torch.float32, device=self.device)
        with torch.no_grad():
            self.table = model.transfer(at[:, None] / model.activity_scale).double()

    def sent(self, x: Float[Tensor, "T N"]) -> Float[Tensor, "T N"]:
        """Psi as an MLP."""
        return interpolate(x, self.grid, self.table)

    def products(self, chosen: Sequence[Int[Tensor, " I"]]):
        """Products of what is left for the messages to explain, tile by tile."""
        models = {int(receivers[0]): self._of(receivers) for receivers in chosen}

        def left(x: Tensor, y: Tensor, receivers: Tensor) -> Float[Tensor, "I T 1"]:
            return _left(models[int(receivers[0])], x, y).double().T[:, :, None]

        return tile_products(self.pieces, chosen, n_columns=1, sent=self.sent, columns=left)

    def left(self, chosen: Sequence[Int[Tensor, " I"]]) -> list[Float[Tensor, "T R"]]:
        """What is left for the messages to explain, of all frames, piece by piece."""
        receivers = torch.cat(list(chosen))
        model = self._of(receivers)
        return [_left(model, x[:, receivers], y[:, receivers]) for x, y in self.pieces]

    def squared_residuals(
        self, weight: Float[Tensor, "R N"], left: Sequence[Float[Tensor, "T R"]]
    ) -> float:
        """What rows of W leave of it."""
        return sum(
            float((each.double() - self.sent(x) @ weight.T).square_().sum())
            for each, (x, _) in zip(left, self.pieces, strict=True)
        )

    def _of(self, receivers: Int[Tensor, " I"]) -> AssemblyGNN:
        """The model of some neurons by themselves."""
        n = len(receivers)
        state = dict(self.product["state"]) | {"weight": torch.zeros(n, n)}
        state["embedding"] = state["embedding"][receivers.to(state["embedding"].device)]
        return _model(self.product["arguments"] | {"n_neurons": n}, state).to(self.device)


def make_all(
    maker: Maker,
    find: Product,
    *,
    on_part: Callable[[int, int], None] = lambda done, of: None,
) -> dict[str, Product]:
    """Makes all parts in this process.

    Args:
        maker: The fit.
        find: What the search has found.
        on_part: Called with the number of parts made and of all.

    Returns:
        Products of the plan's last parts.
    """
    plan, products = maker.plan, {"find": find}
    for done, part in enumerate(plan.parts):
        if part != "find":
            products[part] = maker.make(part, {name: products[name] for name in plan.needs(part)})
        wanted = {name for later in plan.parts[done + 1 :] for name in plan.needs(later)}
        products = {n: p for n, p in products.items() if n in wanted or n in plan.last}
        on_part(done + 1, len(plan.parts))
    return products


def assembled(plan: Plan, products: Mapping[str, Product]) -> tuple[AssemblyGNN, dict[str, float]]:
    """The model of the plan's last parts.

    Returns:
        The model, on the CPU; relative errors of the two MLPs, ``transfer`` and ``update``, and
        the relative ``ridge`` of the last solve.
    """
    functions = products["functions"]
    blocks = [products[name] for name in plan.last if name.startswith("rows")]
    n = functions["arguments"]["n_neurons"]
    weight = torch.empty(n, n)
    start = 0
    for block in blocks:
        stop = start + len(block["weight"])
        weight[start:stop] = block["weight"]
        start = stop
    state = {name: value.cpu() for name, value in functions["state"].items()}
    model = _model(functions["arguments"], state | {"weight": weight})
    return model, functions["errors"] | {"ridge": blocks[0]["relative_ridge"]}


def _model(arguments: dict[str, Any], state: dict[str, Tensor]) -> AssemblyGNN:
    model = AssemblyGNN(**arguments, generator=torch.Generator())
    model.load_state_dict(state)
    return model


def _left(
    model: AssemblyGNN, x: Float[Tensor, "T I"], y: Float[Tensor, "T I"]
) -> Float[Tensor, "T I"]:
    """Rates without the update functions."""
    return y - model.self_update(x)


def _solved(factor: GramFactor, products: TileProducts) -> Float[Tensor, "I N"]:
    return solve_row_block(factor, products.cross[:, :, 0].T, products.receivers)


def _grid(knots: NDArray) -> NDArray[np.float64]:
    """Activities that psi is tabulated at."""
    return np.linspace(knots[0], knots[-1], _TABLE_POINTS)


def _plain(factor: GramFactor) -> Product:
    return {
        "factor": factor.factor,
        "ridge": factor.ridge,
        "mean_square": factor.mean_square,
    }


def _on(device: torch.device, value: Any) -> Any:
    """The same with its tensors on a device."""
    if isinstance(value, dict):
        return {name: _on(device, each) for name, each in value.items()}
    return value.to(device) if isinstance(value, Tensor) else value
