"""Whole numbers of clients.

Android's and React Native's SDKs write every number as a double, so 5 arrives as 5.0. That is the same number; 5.5, a
text and a boolean are not.
"""

from typing import Annotated, Any

from pydantic import BeforeValidator, StrictInt


def _whole(number: Any) -> Any:
    return int(number) if isinstance(number, float) and number.is_integer() else number


# A client's field that holds a whole number, in a job and in an input.
WholeNumber = Annotated[StrictInt, BeforeValidator(_whole)]
