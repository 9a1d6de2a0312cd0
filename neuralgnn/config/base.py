"""What every section of the configuration has in common."""

__all__ = ["COLOR", "Color", "Name", "PathName", "Section", "Seed"]

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=64)]
PathName = Annotated[str, Field(min_length=1)]
COLOR = r"^(#[0-9a-fA-F]{6}|0|1|0\.[0-9]+)$"
Color = Annotated[str, Field(pattern=COLOR)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]  # what numpy's legacy generator takes


class Section(BaseModel):
    """A section of an experiment file: immutable, and every key it does not know is an error."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        allow_inf_nan=False,
        use_attribute_docstrings=True,
        validate_default=True,
    )
