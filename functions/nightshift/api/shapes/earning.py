"""What users earn, as the API takes and shows it."""

from typing import Final

from pydantic import Field

from nightshift.api.shapes.common import ApiModel, Time, example

_MOST_TOKENS: Final = 100
_LONGEST_ZONE: Final = 64


class LoginBody(ApiModel):
    """A daily login. `{}` leaves the zone as it is."""

    timeZone: str | None = Field(
        None,
        min_length=1,
        max_length=_LONGEST_ZONE,
        description="The user's zone, as `Asia/Kolkata`: stored if it may be changed now, which is once in 30 days.",
    )

    model_config = example(timeZone="Asia/Kolkata")


class ConversionBody(ApiModel):
    """Points that are to become tokens."""

    tokens: int = Field(1, ge=1, le=_MOST_TOKENS, description="How many. Each takes 100 points.")

    model_config = example(tokens=1)


class StreakView(ApiModel):
    """Days with a login, one after another."""

    day: str | None = Field(None, description="The last of them, as `2026-11-28`.")
    length: int
    longest: int


class ClaimView(ApiModel):
    """What a claim has brought, and what the user has now."""

    tokens: int = Field(description="Of the entry that was claimed. It may have been there before.")
    isNew: bool = Field(description="Whether this claim made it.")
    welcomeTokens: int = Field(description="What an account gets once, with its first claim.")
    balance: int
    points: int
    streak: StreakView
    timeZone: str
    timeZoneMayChangeAt: Time | None = None
    day: str = Field(description="The user's day, as `2026-11-28`.")

    model_config = example(
        tokens=2,
        isNew=True,
        welcomeTokens=0,
        balance=49,
        points=130,
        streak={"day": "2026-11-28", "length": 3, "longest": 9},
        timeZone="Asia/Kolkata",
        day="2026-11-28",
    )


class AchievementView(ApiModel):
    """An achievement, and how far the user has come."""

    id: str
    title: str
    tokens: int
    count: int
    atLeast: int
    isReached: bool


class AchievementList(ApiModel):
    """All achievements."""

    achievements: list[AchievementView]

    model_config = example(
        achievements=[
            {
                "id": "first_100",
                "title": "A hundred answers",
                "tokens": 20,
                "count": 12,
                "atLeast": 100,
                "isReached": False,
            }
        ]
    )
