"""``metrics.json``: the numbers of a fit, with what was published beside them."""

__all__ = ["write_metrics"]

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from neuralgnn.config.analysis import AnalysisConfig
from neuralgnn.config.fit import FitConfig
from neuralgnn.data.provenance import provenance
from neuralgnn.data.store import write_json

logger = logging.getLogger(__name__)


def write_metrics(
    path: Path,
    metrics: Mapping[str, Mapping[str, float | None]],
    *,
    training: Mapping[str, Any],
    fit: FitConfig,
    analysis: AnalysisConfig,
    recording: str,
    experiment: str,
    name: str,
    seed: int,
    gauge: str,
    published: Mapping[str, float] | None,
) -> None:
    """Writes the numbers of a fit.

    Args:
        path: The file.
        metrics: For each metric its ``value`` and ``ceiling``.
        training: What the trainer said about itself.
        fit: The fit.
        analysis: What was computed.
        recording: Digest of the recording.
        experiment: Name of the experiment.
        name: Name of the fit.
        seed: Seed of the fit.
        gauge: How free scales were fixed, in words.
        published: Published values by metric.
    """
    settings = {
        "fit": fit.model_dump(mode="json"),
        "analysis": analysis.model_dump(mode="json"),
        "seed": seed,
    }
    costs = {f"fit_{key}": training.get(key) for key in ("seconds", "peak_mib")}
    every = dict(metrics) | {
        key: {"value": value, "ceiling": None} for key, value in costs.items()
    }
    known = published or {}
    write_json(
        path,
        {
            "experiment": experiment,
            "seed": seed,
            "fit": name,
            "trainer": fit.trainer.kind,
            "target": fit.target.kind,
            "gauge": gauge,
            **costs,
            "provenance": provenance(settings, recording=recording),
            "metrics": {
                key: {**entry, "published": known.get(key)} for key, entry in every.items()
            },
        },
    )
    if unused := sorted(set(known) - set(every)):
        logger.warning(
            "published has %s, which this analysis does not give (a frame that is not in "
            "report_frames, or a misspelt name?)",
            ", ".join(unused),
        )
