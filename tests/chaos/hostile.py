"""What hostile users do: each move is one way to take more than one's share, played within `firestore.rules`.

Every write of theirs goes through the rules, over REST and with a token of their own, or through the API
(`hostile_api.py`). What is denied has no effect, and is counted. Their tokens they have bought, as others have, or
earned.

A new move is one more function with `@move`: it gets the attack, and a number from which all its choices follow.
"""

import asyncio
import base64
import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import httpx
from google.cloud.firestore import FieldFilter

from local.firestore_json import to_fields, to_value
from local.openai_server import RequestFault
from local.rules import load_rules
from local.tokens import unsigned_token
from tests.chaos.tally import Tally
from tests.support.patience import PATIENCE_SECONDS
from tests.support.world import PNG, World

INVALID: Final = "please answer in prose"
DECLINED: Final = "please decline this"
# The rules, and Firestore: a request that is too large is refused by the database itself.
_REFUSED: Final = {400, 403, 409, 413}
_AT_ONCE: Final = 8
_DELIVERIES: Final = 3
_MOMENT: Final = {"timestampValue": "2025-06-19T17:45:22.450123Z"}
_GIF: Final = b"GIF89a\x01\x00\x01\x00\x80\x00\x00" + 2 * b"!\xf9\x04\x00\x0a\x00\x00\x00"
_IMAGES: Final = {
    "three-bytes.jpg": b"\xff\xd8\xff",
    "half.png": PNG[:30],
    "moving.gif": _GIF,
    "zipped.png": b"\x1f\x8b\x08\x00" + PNG,
    "huge.png": PNG[:16] + (40_000).to_bytes(4, "big") * 2 + PNG[24:],
    "text.png": b"no image at all",
    "riff.webp": b"RIFF\x04\x00\x00\x00WEBP",
}
_ODD_TEXTS: Final = (
    "\x00\x1b]52;c;aGFsbG8=\x07\x1b[2J",
    "\u202e\u2066\u200b\ufeff" * 500,
    "\U0001f5d1" * 4_000,
    "漢" * 8_000,
    "\n" * 8_000 + "x",
    '"}]}\\' * 1_000,
    "job-job0 batch_1 ns-0 __proto__ ${jndi:ldap://x} {{7*7}}",
)
_ODD_IDS: Final = ("-", "_", "__x__", "job-job0", "0" * 60, ".", "..", "a.b", "a b", "é", "ai_jobs", "x" * 61)

Value = Mapping[str, Any]
Move = Callable[["Attack", int], Awaitable[None]]
MOVES: Final[dict[str, Move]] = {}


@dataclass
class Effort(Tally):
    """What an attack was made of; `steps` are the writes, the events and the reads of hostile users."""

    examples: int = 0
    steps: int = 0
    users: int = 0
    denied: int = 0
    # Of the users those who can pay: only their jobs are ever queued.
    payers: int = 0
    # What they asked of the API, and how much of it was refused.
    requests: int = 0
    refused: int = 0


class Attack:
    """The hostile users of one world. `invoke` runs an invocation of a function, as the world's clock has it."""

    def __init__(self, world: World, invoke: Callable[[Callable[[], Awaitable[int]]], Awaitable[int]]) -> None:
        self.world = world
        self.effort = Effort(examples=1)
        # Ids of honest users' jobs that have expired.
        self.expired: list[str] = []
        self._invoke = invoke
        # Of each user the token, and what it claims.
        self._users: dict[str, str] = {}
        self._claims: dict[str, dict[str, Any]] = {}
        self._jobs: list[str] = []
        self._root = f"projects/{world.project}/databases/(default)/documents"
        self._address = f"http://{os.environ['FIRESTORE_EMULATOR_HOST']}/v1/{self._root}"
        self._http = httpx.AsyncClient(trust_env=False, timeout=PATIENCE_SECONDS)

    async def open(self) -> None:
        """Let the rules hold for clients in this world."""
        await load_rules(self._http, os.environ["FIRESTORE_EMULATOR_HOST"], self.world.project)

    async def aclose(self) -> None:
        """Close the hostile users' connection."""
        await self._http.aclose()

    def user(self, **claims: Any) -> str:
        """A new hostile user, without a wallet."""
        uid = f"mallory{len(self._users)}"
        self._users[uid] = unsigned_token(self.world.project, uid, **claims)
        self._claims[uid] = claims
        self.effort.users += 1
        return uid

    async def buyer(self, tokens: int) -> str:
        """A new hostile user with tokens."""
        uid = self.user()
        await self.fund(uid, tokens)
        return uid

    async def fund(self, uid: str, tokens: int) -> None:
        """Give a hostile user tokens, or a wallet without any."""
        await self.world.give(uid, tokens)
        self.effort.payers += tokens > 0

    async def write(self, uid: str, content: Value, *, job_id: str | None = None, **fields: Value) -> str | None:
        """Create a job with this `input`, both as REST values; returns its id, or None if that was denied."""
        job_id = job_id or f"evil{self.effort.steps}"
        job = to_fields({"userId": uid, "type": "waste_classification", "speed": "batch", "status": "created"})
        created: dict[str, Any] = {
            "update": {"name": f"{self._root}/ai_jobs/{job_id}", "fields": job | {"input": content} | fields},
            "currentDocument": {"exists": False},
        }
        if "createdAt" not in fields:
            created["updateTransforms"] = [{"fieldPath": "createdAt", "setToServerValue": "REQUEST_TIME"}]
        if not await self._is_allowed("POST", ":commit", uid, {"writes": [created]}):
            return None
        self._jobs.append(job_id)
        return job_id

    async def write_bulk(self, uid: str, **fields: Value) -> str | None:
        """Create a bulk job, its fields as REST values, and deliver its event; returns its id, or None if denied."""
        bulk_id = f"evil{self.effort.steps}"
        bulk = to_fields({"userId": uid, "type": "waste_classification", "status": "created"}) | fields
        created: dict[str, Any] = {
            "update": {"name": f"{self._root}/bulk_jobs/{bulk_id}", "fields": bulk},
            "currentDocument": {"exists": False},
            "updateTransforms": [{"fieldPath": "createdAt", "setToServerValue": "REQUEST_TIME"}],
        }
        if not await self._is_allowed("POST", ":commit", uid, {"writes": [created]}):
            return None
        await self.deliver_bulk(bulk_id)
        return bulk_id

    async def submit(self, *jobs: Awaitable[str | None], times: int = 1) -> None:
        """Create jobs, and deliver the event of each, so many times at once; what fails is delivered again."""
        created = [await job for job in jobs]
        await self.deliver(times * [job_id for job_id in created if job_id])

    async def deliver(self, job_ids: list[str]) -> None:
        """Deliver events of jobs, some at once; an event whose function fails comes again, a few times."""
        at_once = asyncio.Semaphore(_AT_ONCE)

        async def deliver_one(job_id: str) -> None:
            for _ in range(_DELIVERIES):
                self.effort.steps += 1
                async with at_once:
                    if await self._invoke(lambda: self.world.trigger(job_id)) == 200:
                        return

        await asyncio.gather(*(deliver_one(job_id) for job_id in job_ids))

    async def deliver_all_again(self) -> None:
        """Eventarc delivers at least once: the events of all hostile jobs come again."""
        await self.deliver(list(self._jobs))

    async def call(self, uid: str, method: str, path: str, **request: Any) -> httpx.Response | None:
        """Call the API as a user; None if it answered that this is not possible now."""
        self.effort.steps += 1
        answers: list[httpx.Response] = []

        async def ask() -> int:
            answers.append(await self.world.api(method, path, uid, claims=self._claims[uid], **request))
            return answers[-1].status_code

        status = await self._invoke(ask)
        self.effort.requests += 1
        self.effort.refused += 400 <= status < 500
        return answers[-1] if status < 400 else None

    async def deliver_bulk(self, bulk_id: str) -> None:
        """Deliver the event of a bulk job; if its function fails, it comes again, a few times."""
        for _ in range(_DELIVERIES):
            self.effort.steps += 1
            if await self._invoke(lambda: self.world.trigger_bulk(bulk_id)) == 200:
                break

    async def read(self, uid: str, path: str) -> None:
        """Read a document, or try to."""
        await self._is_allowed("GET", f"/{path}", uid)

    async def update(self, uid: str, path: str, **fields: Any) -> None:
        """Change some fields of a document, or try to."""
        name = f"{self._root}/{path}"
        update = {"update": {"name": name, "fields": to_fields(fields)}, "updateMask": {"fieldPaths": list(fields)}}
        await self._is_allowed("POST", ":commit", uid, {"writes": [update]})

    async def notifications(self) -> list[tuple[str, str]]:
        """The notifications of hostile users, as user and path."""
        mine = self.world.firestore.collection("notifications").where(filter=FieldFilter("userId", ">=", "mallory"))
        return [(snapshot.get("userId"), f"notifications/{snapshot.id}") async for snapshot in mine.stream()]

    async def _is_allowed(self, method: str, path: str, uid: str, body: Any = None) -> bool:
        self.effort.steps += 1
        headers = {"Authorization": f"Bearer {self._users[uid]}"}
        answer = await self._http.request(method, self._address + path, headers=headers, json=body)
        if answer.status_code in _REFUSED:
            self.effort.denied += 1
        elif answer.status_code != 404:
            answer.raise_for_status()
        return answer.status_code == 200


def move(play: Move) -> Move:
    """Register a move under its name."""
    MOVES[play.__name__] = play
    return play


def text(content: str) -> Value:
    """An `input` with a text."""
    return to_value({"text": content})


def _input(**fields: Value) -> Value:
    return {"mapValue": {"fields": fields}}


# What is large, or odd, in a document


@move
async def swollen_inputs(attack: Attack, number: int) -> None:
    """Documents as large as the database takes: with a refusal written into one, it would be larger."""
    uid = await attack.buyer(3)
    size = 1_048_300 - 40_000 * (number % 4)
    # Where the rules name the fields, the longest that they allow.
    longest = {"stringValue": "\U0001f5d1" * 4_000}
    for padded in (_input(text=to_value("x"), pad=to_value("a" * size)), _input(text=longest, imageUri=longest)):
        await attack.submit(*(attack.write(uid, padded) for _ in range(6)))


@move
async def arrays_of_times(attack: Attack, number: int) -> None:
    """Many small values, each of which is decoded by itself."""
    times = {"arrayValue": {"values": (10_000 + 10_000 * (number % 3)) * [_MOMENT]}}
    uid = await attack.buyer(0)
    inputs = (_input(text=to_value("x"), times=times), _input(text=times), times)
    await attack.submit(*(attack.write(uid, content) for content in inputs))


@move
async def strange_values(attack: Attack, number: int) -> None:
    """Kinds of value that no app sends: references elsewhere, places, bytes, not-a-number, empty and nested maps."""
    uid = await attack.buyer(3)
    elsewhere = {"referenceValue": f"projects/other-{number}/databases/other/documents/a/b"}
    nested: Value = to_value("x")
    for _ in range(15):
        nested = {"mapValue": {"fields": {"x": nested}}}
    strange: list[Value] = [
        elsewhere,
        {"geoPointValue": {"latitude": 1.5, "longitude": -2.5}},
        {"bytesValue": base64.b64encode(b"\x00\xff" * 100).decode()},
        {"doubleValue": "NaN"},
        {"doubleValue": "-Infinity"},
        {"integerValue": str(2**63 - 1)},
        _MOMENT,
        nested,
        {"mapValue": {"fields": {}}},
        {"arrayValue": {}},
    ]
    await attack.submit(*(attack.write(uid, _input(text=value)) for value in strange))
    await attack.submit(*(attack.write(uid, _input(text=to_value("x"), more=value)) for value in strange))
    await attack.submit(*(attack.write(uid, text("x"), priority=value) for value in strange[:7]))


@move
async def odd_texts(attack: Attack, number: int) -> None:
    """Control characters, directions, long scripts, and text that means something elsewhere."""
    uid = await attack.buyer(len(_ODD_TEXTS))
    start = number % len(_ODD_TEXTS)
    await attack.submit(*(attack.write(uid, text(odd)) for odd in _ODD_TEXTS[start:] + _ODD_TEXTS[:start]))
    await attack.submit(attack.write(uid, _input(**{"\x1b[2Jkey\u202e": to_value("x"), "text": to_value("x")})))


@move
async def damaged_times(attack: Attack, number: int) -> None:
    """Jobs of another time than now: the oldest would be rescued first."""
    uid = await attack.buyer(4)
    times: list[Value] = [
        {"timestampValue": "0001-01-01T00:00:00Z"},
        {"timestampValue": "9999-12-31T23:59:59.999999Z"},
        {"timestampValue": f"2020-01-01T00:00:{number % 60:02}Z"},
        to_value("yesterday"),
        to_value(None),
    ]
    await attack.submit(*(attack.write(uid, text("old"), createdAt=time) for time in times))


@move
async def odd_ids(attack: Attack, number: int) -> None:
    """Ids with odd characters, and those of jobs of honest users: some are there, some have expired."""
    uid = await attack.buyer(30)
    ids = [*_ODD_IDS, *attack.expired, "honest0", "honest1"]
    await attack.submit(*(attack.write(uid, text(f"mine {number}"), job_id=job_id) for job_id in ids))


@move
async def made_up_types(attack: Attack, number: int) -> None:
    """A job type, and so perhaps a lane, for each job."""
    uid = await attack.buyer(4)
    names = [*(f"type-{number}-{one}" for one in range(6)), "x" * 100, "openai:/v1/chat/completions:gpt-5", "a/b\n"]
    await attack.submit(*(attack.write(uid, text("x"), type=to_value(name)) for name in names))


# What is unpaid, or cheap


@move
async def unpaid_flood(attack: Attack, number: int) -> None:
    """Jobs without a wallet, and with an empty one."""
    for uid in (attack.user(), await attack.buyer(0)):
        await attack.submit(*(attack.write(uid, text(f"free {number} {one}")) for one in range(10)))


@move
async def abandoned_jobs(attack: Attack, number: int) -> None:
    """Jobs whose event never comes: rescuing them is the tick's."""
    for uid in (await attack.buyer(0), await attack.buyer(5)):
        for one in range(10):
            await attack.write(uid, text(f"left {number} {one}"))


@move
async def many_accounts(attack: Attack, number: int) -> None:
    """Anonymous users, each with a job or two."""
    jobs = []
    for _ in range(12):
        uid = attack.user(firebase={"identities": {}, "sign_in_provider": "anonymous"})
        await attack.fund(uid, number % 2)
        jobs += [attack.write(uid, text(f"one of many {number}")), attack.write(uid, text("and one more"))]
    await attack.submit(*jobs)


@move
async def storm_of_reads(attack: Attack, number: int) -> None:
    """Notifications read again and again, and what belongs to others tried."""
    mine = await attack.notifications()
    for uid, path in mine[:5]:
        for _ in range(3):
            await attack.update(uid, path, read=True)
        await attack.update(uid, path, read=False)
    uid = attack.user()
    for job_id in ("honest0", "honest1"):
        await attack.update(uid, f"notifications/{job_id}", read=True)
        await attack.update(uid, f"ai_jobs/{job_id}", status="cancelled", userId=uid)
        await attack.read(uid, f"classifications/{job_id}")
        await attack.read(uid, "wallets/alice")
    await attack.update(uid, f"wallets/{uid}", balance=number)


@move
async def repeated_events(attack: Attack, number: int) -> None:
    """Every event of theirs comes again, and each of a paid job four times at once."""
    uid = await attack.buyer(4)
    await attack.submit(*(attack.write(uid, text(f"again {number} {one}")) for one in range(4)), times=4)
    await attack.deliver_all_again()


# What is paid


@move
async def urgent_flood(attack: Attack, number: int) -> None:
    """Paid jobs of the highest priority."""
    uid = await attack.buyer(20)
    urgent = to_value(10)
    await attack.submit(*(attack.write(uid, text(f"urgent {number} {one}"), priority=urgent) for one in range(20)))


@move
async def unusable_answers(attack: Attack, number: int) -> None:
    """Answers that fail validation: paid by us, and refunded."""
    uid = await attack.buyer(10)
    await attack.submit(*(attack.write(uid, text(f"{INVALID} {number} {one}")) for one in range(5)))
    await attack.submit(*(attack.write(uid, text(f"{DECLINED} {number} {one}")) for one in range(5)))


@move
async def unreadable_images(attack: Attack, number: int) -> None:
    """Images that do not exist, are cut off, move, belong to others, or are no images."""
    uid = await attack.buyer(20)
    uris = [await attack.world.upload(uid, name, content) for name, content in _IMAGES.items()]
    bucket = uris[0].removesuffix(f"/users/{uid}/three-bytes.jpg")
    uris += [
        f"{bucket}/users/{uid}/missing.png",
        f"{bucket}/users/alice/photo.png",
        f"https://example.com/{number}.gif",
    ]
    photo = to_value("photo_rating")
    await attack.submit(*(attack.write(uid, to_value({"imageUri": uri}), type=photo) for uri in uris))
    # It is gone once it was admitted.
    for name in ("three-bytes.jpg", "half.png"):
        await attack.world.delete_upload(f"{bucket}/users/{uid}/{name}")


@move
async def near_deadlines(attack: Attack, number: int) -> None:
    """Deadlines as near as can be: an instant answer for the price of a batch."""
    uid = await attack.buyer(8)
    for minutes in (0, 1, 61):
        soon = datetime.now(UTC) + timedelta(minutes=minutes, seconds=1 + number % 3)
        deadline = {"timestampValue": soon.strftime("%Y-%m-%dT%H:%M:%SZ")}
        await attack.submit(*(attack.write(uid, text(f"soon {one}"), deadline=deadline) for one in range(3)))


@move
async def instant_flood(attack: Attack, number: int) -> None:
    """Instant jobs, more than the provider answers at once."""
    uid = await attack.buyer(60)
    many = 12
    refusal = RequestFault(
        "POST", "/v1/chat/completions", status=429, headers={"Retry-After": str(30 + number % 60)}, times=many // 2
    )
    attack.world.provider.faults.add(refusal)
    instant = to_value("instant")
    await attack.submit(*(attack.write(uid, text(f"at once {number} {one}"), speed=instant) for one in range(many)))


# Many rows as one thing


@move
async def bulk_floods(attack: Attack, number: int) -> None:
    """More bulk jobs than one user may have open, each of many rows, in both modes; nothing is confirmed by hand."""
    for mode in ("batch", "instant"):
        uid = await attack.buyer(150)
        for one in range(4):
            rows = [{"text": f"row {row} of {number} {one}"} for row in range(10)]
            await attack.write_bulk(uid, items=to_value(rows), mode=to_value(mode), maxTokens=to_value(100))


@move
async def swollen_bulk_jobs(attack: Attack, number: int) -> None:
    """Rows and templates as large as the database takes, of more values than a function reads, and nested."""
    uid = await attack.buyer(20)
    wide = {"arrayValue": {"values": (1_000 + number) * [_MOMENT]}}
    rows: list[Value] = [
        {"arrayValue": {"values": 30 * [_input(text=to_value("x"), times=wide)]}},
        to_value([{"text": "x" * 900_000}]),
        to_value(1_000 * [{}]),
        to_value([{f"{{{{column{one}}}}}\x1b[2J": "{{text}}" for one in range(200)}]),
    ]
    for items in rows:
        await attack.write_bulk(uid, items=items, maxTokens=to_value(5))
    for template in (to_value({"text": "{{text}}" * 1_000}), _input(text=wide), to_value({"text": 8_000 * "{{"})):
        await attack.write_bulk(uid, items=to_value([{"text": "x"}]), template=template, maxTokens=to_value(5))


@move
async def foreign_sources(attack: Attack, number: int) -> None:
    """Files of others, files that are not there or no text, and an earlier bulk job of another user."""
    uid = await attack.buyer(20)
    mine = await attack.world.upload(uid, "bulk/list.csv", b"text\n" + b"\x00\xff" * 500)
    folder = mine.removesuffix(f"/users/{uid}/bulk/list.csv")
    uris = [mine, f"{folder}/users/alice/bulk/list.csv", f"{folder}/users/{uid}/bulk/../../alice/photo.png", mine + "x"]
    for uri in uris:
        await attack.write_bulk(uid, source=to_value({"uri": uri}), maxTokens=to_value(9))
    skip = {"skip": to_value({"bulkId": f"honest{number % 3}"}), "keyColumn": to_value("text")}
    await attack.write_bulk(uid, items=to_value([{"text": "x"}]), maxTokens=to_value(9), **skip)


@move
async def unpaid_bulk_jobs(attack: Attack, number: int) -> None:
    """Bulk jobs without a wallet, with an empty one, and with a quote that is never confirmed."""
    rows = to_value([{"text": f"free {number} {row}"} for row in range(20)])
    for uid in (attack.user(), await attack.buyer(0), await attack.buyer(5)):
        await attack.write_bulk(uid, items=rows, maxTokens=to_value(100))
        await attack.write_bulk(uid, items=rows)
