"""How a model's graph may differ from the connectome. Axes: E edges, N neurons.

Source: Allier, Lappalainen & Saalfeld 2026, whose published removal also took the edges out of the
simulation; here that is a named variant.
"""

__all__ = ["Network", "perturb"]

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from neuralgnn.config.fly import Ablation, EdgeRemoval, NullEdges, Perturbation
from neuralgnn.simulate.fly.connectome import Connectome


@dataclass(frozen=True, eq=False, kw_only=True)
class Network:
    """Edges with weights, as simulated or as a model is given them.

    Attributes:
        pre: Sending neuron of each edge.
        post: Receiving neuron of each edge.
        weight: Weight of each edge in the simulation, 0 where it does not act.
        is_null: Edges that are not in the connectome.
        is_ablated: Edges of the connectome that do not act.
    """

    pre: Int[np.ndarray, " E"]
    post: Int[np.ndarray, " E"]
    weight: Float[np.ndarray, " E"]
    is_null: Bool[np.ndarray, " E"]
    is_ablated: Bool[np.ndarray, " E"]

    def only(self, kept: Bool[np.ndarray, " E"] | Int[np.ndarray, " K"]) -> "Network":
        """The same with some of the edges."""
        return Network(**{name: values[kept] for name, values in vars(self).items()})


def perturb(
    config: Perturbation,
    connectome: Connectome,
    weight: Float[np.ndarray, " E"],
    *,
    generator: np.random.Generator,
) -> tuple[Network, Network]:
    """The network that is simulated, and the one whose edges a model is given.

    Args:
        config: The perturbation.
        connectome: What is perturbed.
        weight: Weight of each of its edges.
        generator: Where edges are drawn from.
    """
    nothing = np.zeros(connectome.n_edges, dtype=bool)
    whole = Network(
        pre=connectome.pre,
        post=connectome.post,
        weight=weight,
        is_null=nothing,
        is_ablated=nothing,
    )
    match config:
        case NullEdges():
            pre, post = _null_edges(config, connectome, generator)
            return whole, _with_null(whole, pre, post)
        case EdgeRemoval():
            kept = ~_removed(config, connectome, generator)
            model = whole.only(kept)
            return (whole if config.removed_from == "model" else model), model
        case Ablation():
            n_ablated = round(config.fraction * connectome.n_edges)
            chosen = generator.choice(connectome.n_edges, n_ablated, replace=False)
            ablated = np.isin(np.arange(connectome.n_edges), chosen)
            changed = {"weight": np.where(ablated, 0, weight), "is_ablated": ablated}
            network = Network(**(vars(whole) | changed))
            return network, network
        case _:
            return whole, whole


def _with_null(
    network: Network, pre: Int[np.ndarray, " K"], post: Int[np.ndarray, " K"]
) -> Network:
    none, null = np.zeros(len(pre), dtype=bool), np.ones(len(pre), dtype=bool)
    return Network(
        pre=np.concatenate([network.pre, pre]),
        post=np.concatenate([network.post, post]),
        weight=np.concatenate([network.weight, np.zeros(len(pre))]),
        is_null=np.concatenate([network.is_null, null]),
        is_ablated=np.concatenate([network.is_ablated, none]),
    )


def _null_edges(
    config: NullEdges, connectome: Connectome, generator: np.random.Generator
) -> tuple[Int[np.ndarray, " K"], Int[np.ndarray, " K"]]:
    """Pairs that are not connected, neither with each other twice nor with themselves."""
    n = connectome.n_cells
    if config.mode == "random":
        taken = np.concatenate([connectome.pre * n + connectome.post, np.arange(n) * (n + 1)])
        chosen = _unused(
            np.unique(taken), n * n, round(config.ratio * connectome.n_edges), generator
        )
        return chosen // n, chosen % n
    order = np.argsort(connectome.pre, kind="stable")
    targets = np.split(connectome.post[order], np.cumsum(_out_degree(connectome))[:-1])
    post = [
        _unused(
            np.union1d(known, [sender]), n, max(1, round(config.ratio * len(known))), generator
        )
        if len(known)
        else known
        for sender, known in enumerate(targets)
    ]
    return np.repeat(np.arange(n), [len(row) for row in post]), np.concatenate(post)


def _unused(
    taken: Int[np.ndarray, " K"], n_all: int, n_wanted: int, generator: np.random.Generator
) -> Int[np.ndarray, " M"]:
    """Distinct numbers below ``n_all`` that are not taken, fewer than wanted if there are none."""
    n_free = n_all - len(taken)
    rank = generator.choice(n_free, min(n_wanted, n_free), replace=False)
    return rank + np.searchsorted(taken - np.arange(len(taken)), rank, side="right")


def _removed(
    config: EdgeRemoval, connectome: Connectome, generator: np.random.Generator
) -> Bool[np.ndarray, " E"]:
    n_edges = connectome.n_edges
    removed = np.zeros(n_edges, dtype=bool)
    if config.mode == "random":
        n_kept = int(n_edges * (1 - config.fraction))
        removed[generator.choice(n_edges, n_edges - n_kept, replace=False)] = True
        return removed
    degree = _out_degree(connectome)[connectome.pre]
    n_removed = np.minimum(np.maximum(1, np.round(config.fraction * degree)), degree - 1)
    order = np.lexsort((generator.random(n_edges), connectome.pre))
    rank = np.empty(n_edges, dtype=np.int64)
    starts = np.cumsum(_out_degree(connectome)) - _out_degree(connectome)
    rank[order] = np.arange(n_edges) - starts[connectome.pre[order]]
    return rank < n_removed


def _out_degree(connectome: Connectome) -> Int[np.ndarray, " N"]:
    return np.bincount(connectome.pre, minlength=connectome.n_cells)
