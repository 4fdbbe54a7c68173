"""The kinds of values that records of a bundle are made of."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from foveal_audit.bundle.identity import six_digits


def _storable(text: str) -> str:
    """File names may hold bytes that are no text; show those as escapes, as every encoder refuses them."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


Text = Annotated[str, AfterValidator(_storable)]
Number = Annotated[float, Field(allow_inf_nan=False), AfterValidator(six_digits)]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False), AfterValidator(six_digits)]
Count = Annotated[int, Field(ge=0)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Id = Annotated[str, Field(pattern=r"^[AG]-[0-9a-f]{8}$")]


class Record(BaseModel):
    """Base of all records: frozen, no unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)
