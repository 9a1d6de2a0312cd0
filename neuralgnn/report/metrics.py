"""What each number means and which direction is good; statistics over seeds."""

__all__ = ["SUMMARY_METRICS", "Line", "metric_name", "summarise"]

import re
import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

Goal = Literal["high", "low", "one", "none"]

# Name, meaning, what is good. The first pattern that matches the whole name counts.
_MEANINGS: tuple[tuple[str, str, Goal], ...] = (
    ("weights_r2", "W, R² of learned against true (1 − SSE/SST)", "high"),
    ("weights_pearson2", "W, squared correlation", "high"),
    ("weights_slope", "W, slope of learned on true", "one"),
    ("weights_r2_identifiable", "W, R² over what the recording determines", "high"),
    ("weights_r2_published_correction", "W, R² as published (rescaled, line fitted)", "high"),
    ("weights_slope_published_correction", "W, slope as published (rescaled)", "one"),
    ("n_clusters", "Neuron types found", "none"),
    ("type_accuracy", "Neuron types, accuracy", "high"),
    ("type_ari", "Neuron types, adjusted Rand index", "high"),
    ("type_nmi", "Neuron types, normalised mutual information", "high"),
    ("update_error", "φ, relative L2 error", "low"),
    ("update_error_worst", "φ, relative L2 error of the worst neuron", "low"),
    ("transfer_error", "ψ, relative L2 error", "low"),
    ("time_constant_r2", "Time constants, R²", "high"),
    (r"rollout_r2_(\d+)", r"Rollout, R² after \1 frames (median over starts)", "high"),
    (r"rollout_r2_(\d+)_spread", r"Rollout, interquartile range of R² after \1 frames", "low"),
    (
        r"changed_(\w+)_(learned|published)_r2_(\d+)",
        r"Changed network \1 (\2), R² after \3 frames",
        "high",
    ),
    ("update_error_uniform", "φ, relative L2 error, evenly over the range", "low"),
    ("transfer_error_uniform", "ψ, relative L2 error, evenly over the range", "low"),
    ("horizon_frames", "Frames until chaos spoils any rollout of this error", "high"),
    ("lyapunov_exponent", "Lyapunov exponent [1/time unit]", "none"),
    ("one_step_r2", "One-step prediction on held-out frames, R²", "high"),
    ("one_step_rmse", "One-step prediction on held-out frames, RMSE", "low"),
    ("one_step_drift_r2", "Noise-free rate of change on held-out frames, R²", "high"),
    ("one_step_drift_rmse", "Noise-free rate of change on held-out frames, RMSE", "low"),
    ("fit_seconds", "Time of the fit [s]", "low"),
    ("fit_peak_mib", "Peak memory of the fit [MiB]", "low"),
    ("n_clusters_published_procedure", "Neuron types found by the published procedure", "none"),
    ("type_accuracy_published_procedure", "Neuron types, accuracy of that procedure", "high"),
    ("type_ari_published_procedure", "Neuron types, adjusted Rand index of it", "high"),
    ("graph_n_found", "Connections found", "none"),
    ("graph_precision", "Connections, share of the found ones that exist", "high"),
    ("graph_recall", "Connections, share of the existing ones that is found", "high"),
    ("graph_f1", "Connections, F1", "high"),
    ("graph_auroc", "Connections by |W|, area under the ROC curve", "high"),
    ("graph_auprc", "Connections by |W|, average precision", "high"),
    ("graph_auroc_z", "Connections by |W| / error, area under the ROC curve", "high"),
    ("graph_auprc_z", "Connections by |W| / error, average precision", "high"),
    ("spectral_radius", "Spectral radius of W [1/time unit]", "none"),
    ("spectral_radius_true", "Spectral radius of the true W [1/time unit]", "none"),
    ("spectral_radius_error", "Spectral radius, relative error", "low"),
    ("eigenvalue_error", "Ten leading eigenvalues of W, relative error", "low"),
    ("singular_value_r2", "Singular values of W, R²", "high"),
    ("singular_vector_alignment", "Ten leading singular vectors, |cosine| with true", "high"),
    ("eigenvector_alignment", "Ten leading eigenvectors, |cosine| with true", "high"),
    (r"symbolic_(update|transfer)_form", r"Formula of the \1 function: right terms", "high"),
    (
        r"symbolic_(update|transfer)_constants_error",
        r"Formula of the \1 function: relative error of its constants",
        "low",
    ),
    ("symbolic_update_decay_error", "Decay in the formula of φ, relative error", "low"),
    ("weights_identifiable_share", "W, share of the edges that the recording determines", "none"),
    ("weights_r2_real_edges", "W, R² over edges of the connectome", "high"),
    ("weights_auroc_null", "Null edges told from real ones by |W|, area under ROC", "high"),
    ("weights_auroc_null_identifiable", "The same over what the recording determines", "high"),
    ("resting_potential_r2", "Resting potentials, R²", "high"),
    ("type_bic_accuracy", "Neuron types, number by BIC, accuracy", "high"),
    ("type_bic_ari", "Neuron types, number by BIC, adjusted Rand index", "high"),
    ("type_bic_nmi", "Neuron types, number by BIC, normalised mutual information", "high"),
    ("stimulus_r2", "Stimulus that was not given, R² after one line", "high"),
    ("stimulus_siren_r2", "The same of the network of sines, over its frames", "high"),
    ("stimulus_slope", "True against found stimulus, slope", "one"),
    ("stimulus_offset", "True against found stimulus, offset, which is free", "none"),
    ("rollout_rmse", "Rollout under held-out stimuli, RMSE", "low"),
    ("rollout_pearson", "Rollout under held-out stimuli, correlation", "high"),
    ("ablated_rollout_rmse", "Rollout with silenced edges, RMSE", "low"),
    ("ablated_rollout_pearson", "Rollout with silenced edges, correlation", "high"),
    ("ablated_one_step_rmse", "One-step prediction with silenced edges, RMSE", "low"),
    ("ablated_one_step_pearson", "One-step prediction with silenced edges, correlation", "high"),
    ("effective_rank", "Effective rank of the Gram matrix of ψ(x)", "none"),
)


SUMMARY_METRICS = frozenset(
    {
        "weights_r2",
        "weights_slope",
        "type_accuracy",
        "n_clusters",
        "update_error",
        "transfer_error",
        "fit_seconds",
    }
)
"""What is shown of every fit; the other numbers are a click away."""


@dataclass(frozen=True)
class Line:
    """A metric of one fit, over seeds.

    Args:
        metric: Its name in the table.
        meaning: What it is, in words.
        mean: Mean over seeds.
        spread: Standard deviation over seeds; None for one seed.
        worst: Worst seed; the mean's other half of the story.
        published: Published value, if there is one.
        ceiling: Largest value that the recording permits, if known.
        n_seeds: Number of seeds.
    """

    metric: str
    meaning: str
    mean: float
    spread: float | None
    worst: float | None
    published: float | None
    ceiling: float | None
    n_seeds: int


def summarise(rows: Iterable[Mapping[str, Any]]) -> list[Line]:
    """Gives one line per metric, in the order of their first appearance.

    Args:
        rows: Rows of the table that belong to one fit of one experiment.
    """
    grouped: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        if row["value"] is not None:
            grouped.setdefault(row["metric"], []).append(row)
    lines = [_line(metric, group) for metric, group in grouped.items()]
    return sorted(lines, key=lambda line: _rank(line.metric))


def metric_name(metric: str) -> tuple[str, Goal]:
    """Meaning of a metric and what is good; unknown ones are named by themselves."""
    for pattern, meaning, goal in _MEANINGS:
        if match := re.fullmatch(pattern, metric):
            return match.expand(meaning), goal
    return metric.replace("_", " "), "none"


def _line(metric: str, rows: list[Mapping[str, Any]]) -> Line:
    values = [float(row["value"]) for row in rows]
    meaning, goal = metric_name(metric)
    return Line(
        metric=metric,
        meaning=meaning,
        mean=statistics.fmean(values),
        spread=statistics.stdev(values) if len(values) > 1 else None,
        worst=_worst(values, goal) if len(values) > 1 else None,
        published=next((row["published"] for row in rows if row["published"] is not None), None),
        ceiling=next((row["ceiling"] for row in rows if row["ceiling"] is not None), None),
        n_seeds=len(values),
    )


def _worst(values: list[float], goal: Goal) -> float | None:
    if goal == "high":
        return min(values)
    if goal == "low":
        return max(values)
    return max(values, key=lambda value: abs(value - 1)) if goal == "one" else None


def _rank(metric: str) -> int:
    for rank, (pattern, _, _) in enumerate(_MEANINGS):
        if re.fullmatch(pattern, metric):
            return rank
    return len(_MEANINGS)
