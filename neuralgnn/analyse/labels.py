"""Names and units of stored variables."""

__all__ = ["about"]


def about(long_name: str, units: str) -> dict[str, str]:
    """Attributes that axis labels are made of; ``units`` is "1" for pure numbers."""
    return {"long_name": long_name, "units": units}
