"""How fast a job is to be answered."""

from typing import Literal

Speed = Literal["batch", "instant"]
