"""The caller's own account, as the API shows and takes it."""

from typing import Final

from pydantic import Field

from nightshift.api.shapes.common import ApiModel, Time, example

_LANGUAGE: Final = r"^[a-z]{2,3}(-[A-Z]{2})?$"


class WalletView(ApiModel):
    """The caller's tokens: `balance` = `totalEarned` - `totalSpent`."""

    balance: int
    totalEarned: int
    totalSpent: int


class Preferences(ApiModel):
    """How the caller wants to be told that a job has ended, besides in the app."""

    email: bool = Field(False, description="By e-mail, to the address that Firebase Auth has verified.")
    push: bool = Field(False, description="By push, to the caller's devices.")
    language: str = Field("en", pattern=_LANGUAGE, description="As `en` or `pt-BR`.")

    model_config = example(email=True, push=False, language="en")


class Me(ApiModel):
    """The caller's account."""

    userId: str
    wallet: WalletView | None = Field(None, description="None before the first tokens were given.")
    preferences: Preferences
    admittedToday: int = Field(description="Jobs admitted on this day in UTC.")
    maxJobsPerDay: int = Field(description="0 = no limit.")

    model_config = example(
        userId="kX3vQ9aBcD",
        wallet={"balance": 47, "totalEarned": 50, "totalSpent": 3},
        preferences={"email": True, "push": False, "language": "en"},
        admittedToday=3,
        maxJobsPerDay=50_000,
    )


class NewDevice(ApiModel):
    """A device that takes push messages."""

    token: str = Field(min_length=1, max_length=4_096, description="Its token of Firebase Cloud Messaging.")
    platform: str | None = Field(None, pattern=r"^(android|ios|web)$")

    model_config = example(token="fcm-token-of-the-device", platform="android")  # noqa: S106 - an example


class Device(ApiModel):
    """A device of the caller."""

    id: str
    platform: str | None = None
    updatedAt: Time

    model_config = example(id="pixel-8", platform="android", updatedAt="2026-11-28T10:30:00.000Z")
