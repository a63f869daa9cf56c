"""What the caller earns: the day's login, points that become tokens, achievements.

Only a verified account claims. The document `economy/{uid}` shows the same live.
"""

from typing import Final

from nightshift.api.route import ApiCall, ApiRoute
from nightshift.api.shapes.earning import (
    AchievementList,
    AchievementView,
    ClaimView,
    ConversionBody,
    LoginBody,
    StreakView,
)
from nightshift.database import reads
from nightshift.database.collections import ECONOMY
from nightshift.earning import claims
from nightshift.earning.achievements import achievements
from nightshift.earning.claims import Claimed
from nightshift.earning.economy import Economy
from nightshift.errors import HttpError
from nightshift.values.time_zones import is_zone


async def daily_login(call: ApiCall) -> ClaimView:
    """Claim the tokens of the day. A second claim of a day brings nothing, and is no error."""
    wanted: LoginBody = call.body
    if wanted.timeZone is not None and not is_zone(wanted.timeZone):
        raise HttpError(400, "invalid_request", "There is no such time zone; it is named as Asia/Kolkata.")
    return _view(await claims.daily_login(call.runtime, _verified(call), wanted.timeZone))


async def convert(call: ApiCall) -> ClaimView:
    """Turn points into tokens: 100 for one, at most five times a day. The same key of a day is one conversion."""
    wanted: ConversionBody = call.body
    return _view(await claims.convert(call.runtime, _verified(call), wanted.tokens, call.key))


async def claim_achievement(call: ApiCall) -> ClaimView:
    """Claim the tokens of an achievement, once. A second claim brings nothing, and is no error."""
    return _view(await claims.claim_achievement(call.runtime, _verified(call), call.path["id"]))


async def list_achievements(call: ApiCall) -> AchievementList:
    """List the achievements, and how far the caller has come."""
    economy = Economy.read((await reads.read(call.runtime, f"{ECONOMY}/{call.user_id}")).to_dict())
    return AchievementList(
        achievements=[
            AchievementView(
                id=each.id,
                title=each.title,
                tokens=each.tokens,
                count=each.count(economy),
                atLeast=each.at_least,
                isReached=each.is_reached(economy),
            )
            for each in achievements().values()
        ]
    )


def _verified(call: ApiCall) -> str:
    """The caller's uid. Raises HttpError for an anonymous or unverified account: it earns nothing."""
    user_id = call.user_id
    if call.caller is None or not call.caller.is_verified:
        raise HttpError(403, "not_verified", "Verify your e-mail address first.")
    return user_id


def _view(claimed: Claimed) -> ClaimView:
    economy = claimed.economy
    streak = economy.streak
    return ClaimView(
        tokens=claimed.tokens,
        isNew=claimed.is_new,
        welcomeTokens=claimed.welcome_tokens,
        balance=claimed.wallet.balance,
        points=economy.points,
        streak=StreakView(day=streak.day, length=streak.length, longest=streak.longest),
        timeZone=economy.calendar.zone,
        timeZoneMayChangeAt=economy.calendar.zone_may_change_at(),
        day=str(economy.calendar.day),
    )


_NOT_VERIFIED: Final = {403: "The account has no verified address.", 404: "Earning is switched off."}

ROUTES: Final = (
    ApiRoute(
        method="POST",
        path="/me/daily-login",
        who="user",
        handler=daily_login,
        body=LoginBody,
        answer=ClaimView,
        errors=_NOT_VERIFIED,
    ),
    ApiRoute(
        method="POST",
        path="/me/conversions",
        who="user",
        handler=convert,
        body=ConversionBody,
        answer=ClaimView,
        creates=True,
        errors={**_NOT_VERIFIED, 409: "There are not enough points, or the day has seen five conversions."},
    ),
    ApiRoute(method="GET", path="/me/achievements", who="user", handler=list_achievements, answer=AchievementList),
    ApiRoute(
        method="POST",
        path="/me/achievements/{id}/claim",
        who="user",
        handler=claim_achievement,
        answer=ClaimView,
        errors={
            403: "The account has no verified address.",
            404: "There is no such achievement, or earning is switched off.",
            409: "It is not reached yet.",
        },
    ),
)
