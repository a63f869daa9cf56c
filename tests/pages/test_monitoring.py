"""`monitoring/`: its files are what Google's APIs take, and its metrics find what the functions really print."""

import json
import re
import shutil
from asyncio import create_subprocess_exec
from asyncio.subprocess import PIPE
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pytest

from local.messages.mailbox import SmtpFault
from local.openai_server import Reply, ReplyRule, RequestFault
from local.part import ROOT
from tests.functions.test_log_hygiene import refusing_firestore
from tests.support.log_entries import Entry, entries, extracted, matches
from tests.support.logged_events import logged_events
from tests.support.messages import telling
from tests.support.world import World

MONITORING = ROOT / "monitoring"
METRICS: dict[str, dict[str, Any]] = {
    path.stem: json.loads(path.read_text()) for path in (MONITORING / "metrics").iterdir()
}
ALERTS: dict[str, dict[str, Any]] = {
    path.stem: json.loads(path.read_text()) for path in (MONITORING / "alerts").iterdir()
}
OURS: Final = re.compile(r"logging\.googleapis\.com/user/(\w+)|logging_googleapis_com:user_(\w+?)(?:_sum|_count)?\{")
GOOGLES: Final = "pubsub.googleapis.com/subscription/num_undelivered_messages"
# Every event of severity error must be found by one of them, so that an alert tells of it.
OF_ERRORS: Final = (
    "nightshift_provider_locked",
    "nightshift_budget_spent",
    "nightshift_unforeseen_errors",
    "nightshift_other_errors",
)

GCLOUD = shutil.which("gcloud")
SDK = Path(GCLOUD).resolve().parent.parent if GCLOUD else Path()
# gcloud reads each file by these messages before it sends it; what they do not know, gcloud refuses.
PARSER = """
import json, sys
sys.path[:0] = [sys.argv[1] + "/lib", sys.argv[1] + "/lib/third_party"]
from apitools.base.py import encoding
from googlecloudsdk.generated_clients.apis.logging.v2 import logging_v2_messages as logging
from googlecloudsdk.generated_clients.apis.monitoring.v3 import monitoring_v3_messages as monitoring
messages = {"metrics": logging.LogMetric, "alerts": monitoring.AlertPolicy}
for kind, content in json.load(sys.stdin):
    try:
        message = encoding.PyValueToMessage(messages[kind], content)
        print(json.dumps([str(edge) + str(names) for edge, names in encoding.UnrecognizedFieldIter(message)]))
    except Exception as error:
        print(json.dumps([type(error).__name__]))
"""


async def _refused(*files: tuple[str, dict[str, Any]]) -> list[list[str]]:
    """What gcloud's own parser does not understand, for each file."""
    if not (SDK / "lib" / "googlecloudsdk").is_dir():
        pytest.skip("gcloud is not installed")
    bundled = SDK / "platform" / "bundledpythonunix" / "bin" / "python3"
    python = str(bundled) if bundled.exists() else "python3"
    process = await create_subprocess_exec(python, "-c", PARSER, str(SDK), stdin=PIPE, stdout=PIPE)
    printed, _ = await process.communicate(json.dumps(files).encode())
    return [json.loads(line) for line in printed.splitlines()]


async def test_gcloud_understands_every_file() -> None:
    """Each is a LogMetric or an AlertPolicy of the API, down to the last field and name."""
    files = [("metrics", metric) for metric in METRICS.values()] + [("alerts", alert) for alert in ALERTS.values()]

    assert await _refused(*files) == [[]] * len(files)


async def test_gcloud_would_refuse_a_wrong_file() -> None:
    """A misspelt field within a field, or a comparison that does not exist, would be noticed."""
    misspelt = json.loads(json.dumps(METRICS["nightshift_spend_usd"]).replace("growthFactor", "growFactor"))
    unknown = json.loads(json.dumps(ALERTS["backlog-age"]).replace("COMPARISON_GT", "COMPARISON_MORE"))

    assert all(await _refused(("metrics", misspelt), ("alerts", unknown)))


@pytest.fixture
def ahead(world: World) -> timedelta:
    """How far the clock is set forward, so that the night lies within one day of the budget at whatever hour it is."""
    length = timedelta(minutes=100)
    if (world.now() + length).date() == world.now().date():
        return timedelta()
    world.pass_time(seconds=length.total_seconds())
    return length


@pytest.fixture
async def night(world: World, ahead: timedelta, capsys: pytest.CaptureFixture[str]) -> list[Entry]:
    """The log of a night in which everything happens of which a metric tells."""
    async with telling(world) as messages:
        messages.mailbox.faults.append(SmtpFault(step="RCPT", reply="550 no such mailbox"))
        await messages.user()
        await messages.deliver(await messages.ended())
    world.set_env(NIGHTSHIFT_MAIL="off", NIGHTSHIFT_PUSH="false")
    world.provider.faults.add(
        RequestFault("POST", "/v1/batches", status=401),
        ReplyRule(Reply.http_error(400, "context_length_exceeded"), text="bad.*", times=None),
        ReplyRule(Reply.refuses("No."), text="dear"),
    )
    world.set_env(NIGHTSHIFT_MAX_FAILED_USD_PER_DAY="0.000001")
    await world.give("alice", 9)
    await world.submit("alice", "good")
    await world.submit("alice", "bad", input={"text": "bad"})
    await world.give("bob", 1)
    await world.submit("bob", "dear", input={"text": "dear"})
    await world.finish()
    await world.write("alice", "lost")
    world.pass_time(minutes=3)
    assert await world.tick() == 200
    await world.finish()
    world.set_env(NIGHTSHIFT_DAILY_BUDGET_USD="0.000000001", NIGHTSHIFT_COALESCE_SECONDS="3600")
    await world.submit("alice", "poor")
    world.pass_time(minutes=90)
    for batch in await world.batches():
        # By now it may be the next day.
        spent_today = {"budgetDay": world.now().date().isoformat()}
        await world.firestore.document(f"ai_batches/{batch['id']}").update(spent_today)
    assert await world.tick() == 200
    assert (
        await world.event("on_ai_job_created", "google.cloud.firestore.document.v1.created", {"ce-document": "a/b"})
        == 200
    )
    async with refusing_firestore("no") as address:
        world.set_env(FIRESTORE_EMULATOR_HOST=address)
        assert await world.trigger("good") == 500
    return entries(capsys.readouterr().out)


async def test_every_metric_finds_what_the_functions_print(night: list[Entry]) -> None:
    """Its filter matches lines of a real night, and its extractors find in each a number and the labels."""
    for name, metric in METRICS.items():
        found = [entry for entry in night if matches(metric["filter"], entry)]
        assert found, name
        for entry in found:
            if extractor := metric.get("valueExtractor"):
                value = extracted(extractor, entry)
                assert isinstance(value, int | float) and not isinstance(value, bool), name
            labels = {label: extracted(of, entry) for label, of in metric.get("labelExtractors", {}).items()}
            assert all(isinstance(label, str) for label in labels.values()), name


async def test_the_metrics_tell_of_that_night_what_was(night: list[Entry], ahead: timedelta) -> None:
    """Four jobs have ended, one was rescued, one waits for 90 minutes, and each kind of error is counted apart."""

    def values(name: str) -> list[float]:
        metric = METRICS[f"nightshift_{name}"]
        return [extracted(metric["valueExtractor"], entry) for entry in night if matches(metric["filter"], entry)]

    def told(name: str) -> set[str]:
        metric = METRICS[f"nightshift_{name}"]
        return {entry["jsonPayload"]["message"] for entry in night if matches(metric["filter"], entry)}

    assert (sum(values("jobs_completed")), sum(values("jobs_failed"))) == (2, 2)
    assert values("jobs_rescued") == [1]
    assert values("backlog_jobs")[-1] == 1
    # The database's own clock, by which jobs are queued, stands still when time passes.
    assert max(values("backlog_age_seconds")) == pytest.approx((3 + 90) * 60 + ahead.total_seconds(), abs=60)
    assert 0 < sum(values("spend_usd")) < 0.01
    assert told("provider_locked") == {"left_to_the_next_tick", "lane_backs_off"}
    assert told("messages_not_sent") == {"message_not_sent"}
    assert told("unforeseen_errors") == {"event_failed"}
    assert told("other_errors") == {"event_unreadable"}


@pytest.mark.parametrize("name", [name for name, event in logged_events().items() if "error" in event.severities])
def test_every_error_is_counted_once(name: str) -> None:
    """Every event that waits for an operator opens one alert, also an event that is new."""
    payload = {"message": name, "function": "process_batch_jobs"}
    entry = {"resource": {"type": "cloud_run_revision"}, "severity": "ERROR", "jsonPayload": payload}

    assert sum(matches(METRICS[metric]["filter"], entry) for metric in OF_ERRORS) == 1


def _metrics_of(alert: dict[str, Any]) -> set[str]:
    return {of_filter or of_query for of_filter, of_query in OURS.findall(json.dumps(alert))}


def test_every_alert_looks_at_metrics_that_exist() -> None:
    """Ours, or the one of Google's; and each condition at one of the right kind."""
    for name, alert in ALERTS.items():
        assert _metrics_of(alert) <= METRICS.keys(), name
        assert _metrics_of(alert) or GOOGLES in json.dumps(alert), name
        for condition in alert["conditions"]:
            threshold = condition.get("conditionThreshold", {})
            for aggregation in threshold.get("aggregations", []):
                # A mean is taken of distributions, a sum of counts.
                of_values = {METRICS[metric]["metricDescriptor"]["valueType"] for metric in _metrics_of(threshold)}
                is_mean = aggregation["crossSeriesReducer"] == "REDUCE_MEAN"
                assert of_values <= ({"DISTRIBUTION"} if is_mean else {"INT64"}), name
    distributions = {name for name, metric in METRICS.items() if "valueExtractor" in metric}
    assert _metrics_of(ALERTS["failure-rate"]) <= distributions, "it divides sums"


def test_every_metric_is_used_or_shown() -> None:
    """By an alert, or on the dashboard as docs/OPERATIONS.md says."""
    page = (ROOT / "docs" / "OPERATIONS.md").read_text()
    used = set[str]().union(*(_metrics_of(alert) for alert in ALERTS.values()))

    for name in METRICS:
        row = next(line for line in page.splitlines() if line.startswith(f"| `{name}` "))
        assert row.endswith("| alert |" if name in used else "| dashboard |")


def test_an_alert_says_what_it_is_and_where_to_look() -> None:
    """By its labels, which `deploy` finds it by, a command, and a link. The file names no notification channel."""
    for name, alert in ALERTS.items():
        assert alert["userLabels"] == {"app": "nightshift", "name": name}
        assert re.search(
            r"```sh\ngcloud .*\n```\n\nWhat to do: docs/OPERATIONS\.md#", alert["documentation"]["content"], re.DOTALL
        )
        assert "notificationChannels" not in alert


def test_a_filter_of_another_form_is_not_taken_for_a_match() -> None:
    """What the reading of filters does not know, it says."""
    for query in ('jsonPayload.message:"tick_done"', 'NOT severity="ERROR"', 'severity="A" OR severity="B"'):
        with pytest.raises(ValueError, match="another form"):
            matches(query, {})


def test_the_dashboard_shows_the_metrics_that_the_runbook_puts_on_it() -> None:
    """Each that it shows is declared; and no value is zero, which the API would leave out of its answer."""
    text = (MONITORING / "dashboards" / "nightshift.json").read_text()
    shown = {name for found in OURS.findall(text) for name in found if name}
    assert shown <= METRICS.keys()
    rows = re.findall(
        r"^\| `(nightshift_\w+)` \|.*dashboard", (ROOT / "docs" / "OPERATIONS.md").read_text(), re.MULTILINE
    )
    assert set(rows) <= shown
    assert rows
    tiles = json.loads(text)["mosaicLayout"]["tiles"]
    assert not [tile for tile in tiles if 0 in tile.values()]
