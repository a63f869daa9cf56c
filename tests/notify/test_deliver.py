"""Messages outside the app: each end has one message, over a real mail server and a server that speaks FCM."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio

from local.messages.mailbox import SmtpFault
from local.openai_server import Reply, ReplyRule
from tests.support.messages import Messages, telling
from tests.support.operating import operate
from tests.support.world import World


@pytest_asyncio.fixture
async def messages(world: World) -> AsyncIterator[Messages]:
    """A mail server, a push server, and Firebase Auth."""
    async with telling(world) as told:
        yield told


async def test_a_user_who_wants_it_gets_one_mail_for_an_answer(messages: Messages) -> None:
    """In text and HTML, to the verified address, with a way out; a second delivery of the event sends nothing."""
    await messages.user()
    message_id = await messages.ended()

    assert [await messages.deliver(message_id) for _ in range(2)] == [200, 200]

    (mail,) = messages.mailbox.mails
    assert mail["To"] == "alice@example.com"
    assert mail["From"] == "Nightshift <answers@example.com>"
    assert mail["List-Unsubscribe"].startswith("<https://app.example.com/v1/unsubscribe/alice/")
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert {part.get_content_type() for part in mail.walk()} >= {"text/plain", "text/html"}
    assert await messages.statuses() == ["sent"]
    (document,) = (await messages.world.documents("mail")).values()
    assert (document["to"], document["delivery"]["state"]) == (["alice@example.com"], "SUCCESS")


async def test_a_user_without_the_wish_gets_nothing_and_costs_nothing(messages: Messages) -> None:
    """A user without preferences, or who has left jobs out, has no message in the outbox."""
    await messages.user()
    for preferences in ({}, {"email": False}, {"email": True, "about": ["bulk"]}):
        await messages.wants(**preferences)
        await messages.world.submit("alice", speed="instant")

    assert not await messages.world.documents("outbox")
    assert not await messages.world.documents("digests")


async def test_several_answers_share_a_mail_an_hour(messages: Messages) -> None:
    """The first goes at once. Five more wait for the hour, and one tick then sends them together."""
    await messages.user()
    await messages.deliver(await messages.ended())
    for _ in range(5):
        await messages.deliver(await messages.ended())
    assert await messages.world.tick() == 200
    assert len(messages.mailbox.mails) == 1

    messages.world.pass_time(hours=1)
    assert await messages.world.tick() == 200

    assert [mail["Subject"] for mail in messages.mailbox.mails][1:] == ["5 requests have ended"]
    assert await messages.statuses() == ["sent"] * 6


async def test_refused_bulk_jobs_share_a_mail(messages: Messages) -> None:
    """They are free and without number: the first is sent at once, the others within the hour, together."""
    await messages.user()
    for number in range(4):
        bulk_id = await messages.world.start_bulk(items=[{"text": "x"}], template={"text": f"{{{{none{number}}}}}"})
        await messages.deliver(f"{bulk_id}.bulk_failed")
    assert len(messages.mailbox.mails) == 1

    messages.world.pass_time(hours=1)
    assert await messages.world.tick() == 200

    assert [mail["Subject"] for mail in messages.mailbox.mails][1:] == ["3 requests have ended"]


async def test_a_message_whose_event_was_lost_is_delivered_by_the_tick(messages: Messages) -> None:
    """The commit of the end has said that something waits; and where nothing waits, a tick sends nothing."""
    await messages.user()
    await messages.ended()
    for _ in range(3):
        assert await messages.world.tick() == 200

    assert len(messages.mailbox.mails) == 1
    assert "dueAt" not in await messages.world.read("digests/alice")


async def test_senders_that_run_at_once_send_one_mail(messages: Messages) -> None:
    """Eight deliveries of two events: the commit that takes the messages lands once."""
    await messages.user()
    events = [await messages.ended() for _ in range(2)]

    codes = await asyncio.gather(*(messages.deliver(message_id) for message_id in events * 4))

    assert set(codes) == {200}
    assert sum(mail["Subject"].startswith("2 requests") for mail in messages.mailbox.mails) == 1
    assert len(messages.mailbox.mails) == 1


@pytest.mark.parametrize("step", ["RCPT", "DATA"])
async def test_what_the_mail_server_refuses_for_now_is_sent_later(messages: Messages, step: Any) -> None:
    """A 451 at either step: nothing was sent, so it goes again after a pause."""
    messages.mailbox.faults.append(SmtpFault(step=step, reply="451 try again later"))
    await messages.user()
    message_id = await messages.ended()
    await messages.deliver(message_id)
    assert not messages.mailbox.mails
    assert (await messages.world.read(f"outbox/{message_id}"))["codes"] == {"email": "smtp_451"}

    messages.world.pass_time(minutes=5)
    assert await messages.world.tick() == 200

    assert len(messages.mailbox.mails) == 1
    assert await messages.statuses() == ["sent"]


async def test_an_address_that_does_not_exist_is_given_up(messages: Messages) -> None:
    """A 550 is final: the code stays, for the operator, and no later tick tries again."""
    messages.mailbox.faults.append(SmtpFault(step="RCPT", reply="550 no such mailbox"))
    await messages.user()
    message_id = await messages.ended()
    await messages.deliver(message_id)
    messages.world.pass_time(hours=5)
    assert await messages.world.tick() == 200

    assert not messages.mailbox.mails
    assert (await messages.world.read(f"outbox/{message_id}"))["codes"] == {"email": "smtp_550"}
    assert await messages.statuses() == ["failed"]


async def test_a_mail_whose_answer_is_lost_is_not_sent_twice(messages: Messages) -> None:
    """The server took it and the connection ended: it is in doubt, and stays so."""
    messages.mailbox.faults.append(SmtpFault(step="DATA", reply=None))
    await messages.user()
    await messages.deliver(await messages.ended())
    messages.world.pass_time(hours=5)
    assert await messages.world.tick() == 200

    assert len(messages.mailbox.mails) == 1
    assert await messages.statuses() == ["doubtful"]


async def test_what_a_dead_sender_left_is_in_doubt_and_holds_nothing_up(messages: Messages) -> None:
    """It had taken the message and died. Later it is doubtful; the next message goes as ever."""
    await messages.user()
    message_id = await messages.ended()
    await messages.world.firestore.document(f"outbox/{message_id}").update({"status": "sending", "sendingId": "dead"})
    messages.world.pass_time(minutes=30)
    await messages.deliver(await messages.ended())

    assert len(messages.mailbox.mails) == 1
    assert await messages.statuses() == ["doubtful", "sent"]


async def test_only_a_verified_address_is_written_to(messages: Messages) -> None:
    """Another one could be a stranger's, who would get a user's answers."""
    await messages.user(emailVerified=False)
    await messages.deliver(await messages.ended())

    assert not messages.mailbox.mails
    assert not await messages.world.documents("mail")
    assert await messages.statuses() == ["failed"]


async def test_with_external_the_document_is_left_to_another_sender(messages: Messages) -> None:
    """It has the form of firestore-send-email and no `delivery`, which the other one writes."""
    messages.world.set_env(NIGHTSHIFT_MAIL="external")
    await messages.user()
    await messages.deliver(await messages.ended())

    assert not messages.mailbox.mails
    (document,) = (await messages.world.documents("mail")).values()
    assert document.keys() == {"to", "message", "headers", "userId", "expireAt"}
    assert document["message"].keys() == {"subject", "text", "html"}
    assert await messages.statuses() == ["sent"]


async def test_a_push_goes_to_each_device_and_a_dead_one_is_forgotten(messages: Messages) -> None:
    """Its tap opens the job; two pushes of one end take each other's place on the phone."""
    await messages.user()
    await messages.wants(push=True)
    for token in ("phone", "tablet", "old"):
        await messages.device(token)
    messages.push_server.gone.add("old")
    message_id = await messages.ended()
    await messages.deliver(message_id)

    assert sorted(push["token"] for push in messages.push_server.pushes) == ["phone", "tablet"]
    push = messages.push_server.pushes[0]
    assert push["data"] == {"event": "job_completed", "jobId": message_id.partition(".")[0]}
    assert push["android"]["collapse_key"] == push["apns"]["headers"]["apns-collapse-id"] == message_id
    assert (await messages.world.documents("devices/alice/tokens")).keys() == {"phone", "tablet"}
    assert not messages.mailbox.mails
    assert await messages.statuses() == ["sent"]


async def test_of_more_than_twenty_devices_the_oldest_are_forgotten(messages: Messages) -> None:
    """The rules cannot count; the sender keeps the twenty that were seen last."""
    await messages.user()
    await messages.wants(push=True)
    for number in range(23):
        await messages.device(f"phone{number:02}")
    await messages.deliver(await messages.ended())

    kept = await messages.world.documents("devices/alice/tokens")
    assert kept.keys() == {f"phone{number:02}" for number in range(3, 23)}
    assert len(messages.push_server.pushes) == 20


async def test_each_way_goes_on_by_itself(messages: Messages) -> None:
    """The push was refused and the mail was sent: only the push goes again."""
    await messages.user()
    await messages.wants(email=True, push=True)
    await messages.device("phone")
    messages.push_server.faults.extend([429])
    await messages.deliver(await messages.ended())
    assert (len(messages.mailbox.mails), len(messages.push_server.pushes)) == (1, 0)

    messages.world.pass_time(minutes=5)
    assert await messages.world.tick() == 200

    assert (len(messages.mailbox.mails), len(messages.push_server.pushes)) == (1, 1)
    assert await messages.statuses() == ["sent"]


async def test_nothing_is_sent_in_quiet_hours(messages: Messages) -> None:
    """What ends then goes out together when they are over."""
    await messages.user()
    now = messages.world.now()
    clock = [(now + timedelta(hours=hours)).astimezone(UTC).strftime("%H:%M") for hours in (-1, 6)]
    await messages.wants(email=True, quietHours={"from": clock[0], "to": clock[1], "timeZone": "UTC"})
    for _ in range(3):
        await messages.deliver(await messages.ended())
    assert await messages.world.tick() == 200
    assert not messages.mailbox.mails

    messages.world.pass_time(hours=6, minutes=1)
    assert await messages.world.tick() == 200

    assert [mail["Subject"] for mail in messages.mailbox.mails] == ["3 requests have ended"]


async def test_a_user_who_changes_their_mind_is_not_written_to(messages: Messages) -> None:
    """Between the end and the delivery the wish was taken back."""
    await messages.user()
    message_id = await messages.ended()
    await messages.wants(email=False)
    await messages.deliver(message_id)

    assert not messages.mailbox.mails
    assert await messages.statuses() == ["unwanted"]


async def test_a_failed_job_is_told_and_what_it_says_is_text(messages: Messages) -> None:
    """A refusal's sentence stands in the mail as it is; tags of an answer are shown and do nothing."""
    await messages.user()
    messages.world.provider.faults.add(ReplyRule(Reply.refuses("no <script>alert(1)</script>")))
    await messages.deliver(await messages.ended())

    (mail,) = messages.mailbox.mails
    html = mail.get_body(("html",))
    assert html is not None
    assert "<script" not in html.get_content()
    assert await messages.statuses() == ["sent"]


def test_quiet_hours_go_over_midnight() -> None:
    """From 22:00 to 07:00 in Berlin: at 23:30 there are seven and a half hours left, at noon none."""
    from nightshift.notify.preferences import QuietHours

    hours = QuietHours.read({"from": "22:00", "to": "07:00", "timeZone": "Europe/Berlin"})
    assert hours is not None
    late = datetime(2026, 11, 28, 22, 30, tzinfo=UTC)
    assert hours.end_after(late) == late + timedelta(hours=7, minutes=30)
    assert hours.end_after(datetime(2026, 11, 28, 11, tzinfo=UTC)) is None


async def test_a_mails_footer_turns_e_mail_off_without_a_sign_in(messages: Messages) -> None:
    """The address in the mail, and no other: a click asks, a post does it, twice as well as once."""
    await messages.user()
    await messages.deliver(await messages.ended())
    link = (
        str(messages.mailbox.mails[0]["List-Unsubscribe"]).partition(">")[0].removeprefix("<https://app.example.com/v1")
    )

    page = await messages.world.api("GET", link, None)
    wrong = await messages.world.api("POST", f"{link}0", None)
    assert (await messages.world.read("preferences/alice"))["email"] is True
    one_click = {"List-Unsubscribe": "One-Click"}
    done = [await messages.world.api("POST", link, None, data=data) for data in (one_click, {})]

    assert '<form method="post">' in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert wrong.status_code == 404
    assert [answer.status_code for answer in done] == [200, 200]
    assert (await messages.world.read("preferences/alice"))["email"] is False


async def test_an_operator_lets_what_failed_go_again(messages: Messages, capsys: pytest.CaptureFixture[str]) -> None:
    """`mail` lists it with its code, and `--send-again` makes it wait for the next tick."""
    messages.mailbox.faults.append(SmtpFault(step="RCPT", reply="550 no such mailbox"))
    await messages.user()
    message_id = await messages.ended()
    await messages.deliver(message_id)

    code, listed, _ = await operate(messages.world, capsys, "mail", "--json")
    again = await operate(messages.world, capsys, "mail", "--send-again", "--yes", "--json")
    assert await messages.world.tick() == 200

    assert code == 1
    told = {"messageId": message_id, "userId": "alice", "status": "failed", "why": "email: smtp_550"}
    assert json.loads(listed.splitlines()[1]) == {"message": told}
    assert (again[0], json.loads(again[1].splitlines()[-1])) == (0, {"summary": {"again": 1}})
    assert len(messages.mailbox.mails) == 1
    assert await messages.statuses() == ["sent"]
    assert (await operate(messages.world, capsys, "mail"))[0] == 0
