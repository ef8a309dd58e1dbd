"""What every group of settings is."""

from __future__ import annotations

from typing import Final

from pydantic import BaseModel, ConfigDict

# What a header's value may hold: nothing that ends its line (RFC 9110, 5.5).
HEADER_TEXT: Final = r"^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$"


class Settings(BaseModel):
    """Frozen, and a name that is no setting is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")
