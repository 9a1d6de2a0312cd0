"""``metrics.json``: the numbers of a fit, with what was published beside them."""

__all__ = ["AnalysisTask"]

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from neuralgnn.config.analysis import AnalysisConfig
from neuralgnn.config.fit import FitConfig
from neuralgnn.data.provenance import provenance
from neuralgnn.data.store import write_json
from neuralgnn.steps.folders import FitFolder

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class AnalysisTask:
    """What is analysed, and under which names its numbers are kept.

    Attributes:
        recording: Folder of the recording.
        fit: The fit.
        folder: Where its files lie.
        analysis: What to compute.
        experiment: Name of the experiment.
        name: Name of the fit.
        seed: Seed of the fit.
        published: Published values by metric.
    """

    recording: Path
    fit: FitConfig
    folder: FitFolder
    analysis: AnalysisConfig
    experiment: str
    name: str
    seed: int
    published: Mapping[str, float]

    @property
    def settings(self) -> dict[str, Any]:
        """All that the results follow from, beside the recording."""
        return {
            "fit": self.fit.model_dump(mode="json"),
            "analysis": self.analysis.model_dump(mode="json"),
            "seed": self.seed,
        }

    def write_metrics(
        self,
        metrics: Mapping[str, Mapping[str, float | None]],
        *,
        training: Mapping[str, Any],
        recording: str,
        gauge: str,
    ) -> None:
        """Writes the numbers of the fit.

        Args:
            metrics: For each metric its ``value`` and ``ceiling``.
            training: What the trainer said about itself.
            recording: Digest of the recording.
            gauge: How free scales were fixed, in words.
        """
        costs = {f"fit_{key}": training.get(key) for key in ("seconds", "peak_mib")}
        every = dict(metrics) | {
            key: {"value": value, "ceiling": None} for key, value in costs.items()
        }
        write_json(
            self.folder.metrics,
            {
                "experiment": self.experiment,
                "seed": self.seed,
                "fit": self.name,
                "trainer": self.fit.trainer.kind,
                "target": self.fit.target.kind,
                "gauge": gauge,
                **costs,
                "provenance": provenance(self.settings, recording=recording),
                "metrics": {
                    key: {**entry, "published": self.published.get(key)}
                    for key, entry in every.items()
                },
            },
        )
        if unused := sorted(set(self.published) - set(every)):
            logger.warning(
                "published has %s, which this analysis does not give (a frame that is not in "
                "report_frames, or a misspelt name?)",
                ", ".join(unused),
            )
