"""What a trainer left, for the settings that the next steps are given."""

__all__ = ["training_of"]

from typing import Any

from pydantic import ValidationError

from neuralgnn.config.fit import FitConfig
from neuralgnn.data.store import read_json
from neuralgnn.steps.folders import FitFolder


def training_of(folder: FitFolder, fit: FitConfig) -> dict[str, Any]:
    """Reads the record of a finished fit.

    Args:
        folder: The fit.
        fit: Its settings, as the next step is given them.

    Raises:
        FileNotFoundError: If the fit is not finished.
        ValueError: If it was made with other settings.
    """
    training = read_json(folder.training)
    try:
        made_with = FitConfig.model_validate(training["provenance"]["config"])
    except (KeyError, TypeError, ValidationError):
        raise ValueError(
            f"{folder.training} does not say what the fit was made with, or another version of "
            "neuralgnn wrote it; fit again"
        ) from None
    how = set(FitConfig.HOW_IT_RUNS)
    now, then = (each.model_dump(mode="json", exclude=how) for each in (fit, made_with))
    if differing := [name for name in now if now[name] != then[name]]:
        name = differing[0]
        raise ValueError(
            f"{folder.training} is of a fit with other settings ({', '.join(differing)}: "
            f"{_short(then[name])} there, {_short(now[name])} here); fit again, or set them back"
        )
    return training


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) < 80 else f"{text[:80]}…"
