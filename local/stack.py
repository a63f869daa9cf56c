"""The whole backend on one computer: emulators, the providers' servers, functions, and what joins them.

    async with running_stack(Options(speed=200)) as stack:
        ...

Everything starts at the same time, since each part waits mostly for its own imports; what joins them
(buckets, topics, the trigger) is made when both ends are ready. Each process is on a leash, so nothing
survives this one. In this process itself listen the relay, for nothing may be lost between an emulator and a
function, and Firebase Auth and Storage, which would take longer to start than to do their work.
"""

import asyncio
import os
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from local.answering import STAND_IN, Answering
from local.clock import Clock
from local.cloud import CloudAddresses, create_bucket, start_cloud
from local.dashboard import PORT as DASHBOARD
from local.dashboard import EmulatorPorts, LocalHosting
from local.environment import basic_environment, bucket_names, own_settings
from local.errors import StackError
from local.firebase.auth_routes import AuthRoutes
from local.firebase.serving import FirebaseAddresses, running_firebase
from local.grant import grant_tokens
from local.lanes import LocalLane, models_setting
from local.messages.mailbox import MailServer
from local.messages.serving import MessageAddresses, running_messages
from local.openai_server.webhooks import new_secret
from local.part import READY_WITHIN_SECONDS, ROOT, Part, stop
from local.ports import HOST, free_ports, standard_ports
from local.provider_parts import ProviderParts
from local.provider_server.pace import Pace
from local.pubsub import Topics
from local.relay import Relay, running_relay
from local.rules import RULES
from local.served_functions import ServedFunctions
from local.setup import find_toolchain
from nightshift.functions import DEAD_LETTERS, FUNCTIONS, SECRETS, Function
from scheduler.declared import declared

_CREATED = "google.cloud.firestore.document.v1.created"
_LOOK_EVERY_SECONDS = 0.25


@dataclass(frozen=True, kw_only=True)
class Options:
    """What can be chosen; the defaults are a quiet stack in real time."""

    project: str = "demo-nightshift"
    speed: float = 1.0  # virtual seconds per second of the clock that sends the ticks
    answering: Answering = STAND_IN
    validating_seconds: float = 0.5  # how long the local server keeps a batch in each status
    in_progress_seconds: float = 1.0
    finalizing_seconds: float = 0.5
    answer_seconds: float = 0.0  # how long it takes for an answer in real time
    lanes: Sequence[LocalLane] = ()  # those beside OpenAI's; only where the stand-in answers
    settings: Mapping[str, str] = field(default_factory=dict)  # NIGHTSHIFT_*, over the caller's own
    source: Path = ROOT / "functions" / "main.py"
    functions: Sequence[Function] = FUNCTIONS
    framework: Sequence[str] = ("functions_framework",)  # the module that serves a function, and its arguments
    rules: Path = RULES  # without the file, everybody may do everything
    storage_rules: Path = ROOT / "storage.rules"  # the same
    standard_ports: bool = False  # those of the Firebase Emulator Suite, where they are free
    lan: bool = False  # a phone in the same network reaches Firestore, Auth and Storage; so does everybody in it
    messages: bool = False  # a mail server, and one for pushes, to which the functions send
    dashboard: bool = False  # the dashboard's pages
    welcome_tokens: int = 0  # what each user gets who signs up
    follow_changes: bool = False  # start the functions again when their code changes
    caller: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))

    @property
    def pace(self) -> Pace:
        """How long every provider's server takes."""
        return Pace(
            validating_seconds=self.validating_seconds,
            in_progress_seconds=self.in_progress_seconds,
            finalizing_seconds=self.finalizing_seconds,
            answer_seconds=self.answer_seconds,
        )


class Stack:
    """A running stack: where everything is. Made by `running_stack`."""

    def __init__(self, options: Options, say: Callable[[str], None]) -> None:
        self._schedules = declared()
        self.options = options
        self.project = options.project
        model = {"NIGHTSHIFT_MODEL": options.answering.model} if options.answering.model else {}
        self.settings = own_settings(options.caller) | model | dict(options.settings)
        self.buckets = bucket_names(self.project, self.settings)
        self.log_dir = Path(tempfile.mkdtemp(prefix="nightshift-"))
        self._say = say
        self._parts: list[Part] = []
        self._watch: asyncio.Task[str]

        self._cloud = CloudAddresses.choose(standard=options.standard_ports)
        self._firebase = FirebaseAddresses.choose(standard=options.standard_ports)
        self._messages = MessageAddresses.choose() if options.messages else None
        self.dashboard_url = ""
        self.lanes = tuple(options.lanes) if options.answering.is_stand_in else ()
        openai_port, *ports = free_ports(1 + len(self.lanes))
        self._openai_address = f"{HOST}:{openai_port}"
        self._lane_addresses = [f"{HOST}:{port}" for port in ports]
        self._functions = ServedFunctions(
            options.functions, options.source, options.framework, self.function_environment, self.log_dir
        )
        self.function_urls = self._functions.urls
        self.relay_url = ""
        self.firestore_host = self._cloud.firestore
        self.pubsub_host = self._cloud.pubsub
        self.storage_url = f"http://{self._cloud.storage}"
        self.auth_host = self._firebase.auth
        self.app_storage_host = self._firebase.storage
        self.users: AuthRoutes
        self.clock: Clock
        self.mailbox: MailServer
        self.mail_dir = self.log_dir / "mail"
        self.answering = options.answering
        self.openai_api_key = self.answering.api_key
        own_url = f"http://{self._openai_address}/v1"
        self.openai_base_url = own_url if self.answering.base_url is None else self.answering.base_url
        # The function does not start without one. Another server cannot reach this computer; there, ticks do it all.
        self.webhook_secret = new_secret()

    @property
    def environment(self) -> dict[str, str]:
        """The settings of docs/SETTINGS.md, and every secret."""
        variables = {
            "GOOGLE_CLOUD_PROJECT": self.project,
            **self._cloud.environment,
            "OPENAI_API_KEY": self.openai_api_key,
            "OPENAI_BASE_URL": self.openai_base_url,
            "OPENAI_WEBHOOK_SECRET": self.webhook_secret,
            **(self._messages.environment if self._messages else {}),
            **models_setting(self.lanes),
            **self.settings,
        }
        for lane, address in zip(self.lanes, self._lane_addresses, strict=True):
            variables |= lane.environment(address)
        return {name: value for name, value in variables.items() if value}

    @property
    def auth_environment(self) -> dict[str, str]:
        """What a function that reads ID tokens has besides."""
        return {"FIREBASE_AUTH_EMULATOR_HOST": self.auth_host}

    @property
    def operators_environment(self) -> dict[str, str]:
        """What a shell needs in which `./nightshift` is to work on this stack.

        A key that the shell has already is not shown again: it may be a real one.
        """
        known = {name for name, value in self.options.caller.items() if self.environment.get(name) == value}
        every = self.environment | self.auth_environment
        return {name: value for name, value in every.items() if name not in known | {"OPENAI_WEBHOOK_SECRET"}}

    async def failure(self) -> str:
        """Wait until a part stops by itself; returns the sentence about it, which has been said by then."""
        return await asyncio.shield(self._watch)

    async def watch_parts(self) -> str:
        """Say it when a part stops by itself. Runs from when the stack is ready until it is stopped on purpose."""
        while not (stopped := self.stopped_parts()):  # noqa: ASYNC110 - processes have no asyncio.Event
            await asyncio.sleep(_LOOK_EVERY_SECONDS)
        sentence = stopped[0].obituary("stopped by itself")
        self._say(sentence)
        return sentence

    def start_watching(self) -> asyncio.Task[str]:
        """Begin `watch_parts`, for `failure` to wait on."""
        self._watch = asyncio.create_task(self.watch_parts())
        return self._watch

    def stopped_parts(self) -> list[Part]:
        """The parts that run no more."""
        return [part for part in self._parts if part.exit_code() is not None] + self._functions.stopped()

    def function_logs(self) -> list[Path]:
        """The logs of the functions, which stay the same when they start again."""
        return [part.log for part in self._functions.parts]

    def function_environment(self, function: Function) -> dict[str, str]:
        """All that one function sees: of the secrets, those that it is deployed with."""
        auth = self.auth_environment if function.reads_id_tokens or function.sends_messages else {}
        others = set(SECRETS.values()) - set(function.variables)
        settings = {name: text for name, text in self.environment.items() if name not in others}
        return basic_environment(self.options.caller) | settings | auth

    def relay(self) -> Relay:
        """Which function gets which event: a trigger goes by the name of its function, a topic by its own."""
        return Relay(
            project=self.project,
            triggers={t.target: self.function_urls[t.target] for t in self.options.functions if t.created_document},
            topics={t.topic: self.function_urls[t.target] for t in self.options.functions if t.topic},
        )

    async def start_parts(self, relay_address: str) -> None:
        """Start every process and wait until all are ready and joined."""
        self.relay_url = f"http://{relay_address}"
        toolchain = await find_toolchain(self.options.caller, say=self._say)
        functions = self._functions.start()
        self._parts += start_cloud(
            self._cloud,
            toolchain,
            caller=self.options.caller,
            log_dir=self.log_dir,
            rules=self.options.rules if self.options.rules.exists() else None,
            events_to=relay_address,
            lan=self.options.lan,
        )
        if self.answering.base_url is None:
            self._parts += self._start_providers()
        # A busy computer takes its time over the first answers.
        async with httpx.AsyncClient(trust_env=False, timeout=READY_WITHIN_SECONDS) as client:
            await _all(*(self._announce_when_ready(part, client) for part in (*functions, *self._parts)))
            await self._join(client)

    def _start_providers(self) -> list[Part]:
        parts = ProviderParts(pace=self.options.pace, caller=self.options.caller, log_dir=self.log_dir)
        webhook_url = self.function_urls.get("openai_webhook")
        others = [parts.lane(lane, address) for lane, address in zip(self.lanes, self._lane_addresses, strict=True)]
        return [parts.openai(self._openai_address, self.answering, webhook_url, self.webhook_secret), *others]

    @asynccontextmanager
    async def serving_firebase(self) -> AsyncIterator[None]:
        """Serve Auth and Storage, once the emulators are ready."""
        running = running_firebase(
            self._firebase,
            project=self.project,
            firestore=self.firestore_host,
            storage_url=self.storage_url,
            rules=self.options.storage_rules,
            welcome=self._welcome if self.options.welcome_tokens else None,
            lan=self.options.lan,
            say=self._say,
        )
        async with running as self.users:
            self._say(f"  {'Firebase Auth':<22} {self.auth_host:<16} ready")
            self._say(f"  {'Firebase Storage':<22} {self.app_storage_host:<16} ready")
            yield

    @asynccontextmanager
    async def serving_messages(self) -> AsyncIterator[None]:
        """Serve mail and pushes, if the stack is to."""
        if self._messages is None:
            yield
            return
        async with running_messages(self._messages, self.mail_dir, self._say) as (self.mailbox, _):
            yield

    @asynccontextmanager
    async def serving_dashboard(self) -> AsyncIterator[None]:
        """Serve the dashboard, if the stack is to."""
        if not self.options.dashboard:
            yield
            return
        (port,) = standard_ports((DASHBOARD,)) if self.options.standard_ports else free_ports(1)
        emulators = EmulatorPorts(
            auth=_port(self.auth_host), firestore=_port(self.firestore_host), storage=_port(self.app_storage_host)
        )
        hosting = LocalHosting(self.project, self.buckets[1], emulators, self.function_urls["api"])
        async with hosting.running(port, lan=self.options.lan):
            self.dashboard_url = f"http://{HOST}:{port}"
            self._say(f"  {'dashboard':<22} {HOST}:{port:<6} ready")
            yield

    async def run_clock(self) -> None:
        """Send the ticks until cancelled."""
        async with httpx.AsyncClient(trust_env=False, timeout=READY_WITHIN_SECONDS) as client:
            topics = Topics(client, self.pubsub_host, self.project)
            self.clock = Clock(self._schedules, topics.publish, speed=self.options.speed, say=self._say)
            await self.clock.run()

    async def follow_changes(self) -> None:
        """Start the functions again whenever their code changes, until cancelled."""
        await self._functions.follow_changes(self._say)

    def stop_parts(self) -> None:
        """End every process; returns when all are gone."""
        stop([*self._parts, *self._functions.parts])

    def let_go(self) -> None:
        """Ask every process to end; returns at once."""
        for part in (*self._parts, *self._functions.parts):
            part.let_go()

    async def _welcome(self, uid: str) -> None:
        """What an app's own backend does for a new user."""
        try:
            await grant_tokens(self.firestore_host, self.project, uid, self.options.welcome_tokens)
        except StackError as error:
            self._say(str(error))

    async def _announce_when_ready(self, part: Part, client: httpx.AsyncClient) -> None:
        seconds = await part.ready(client)
        self._say(f"  {part.name:<22} {part.address:<16} ready after {seconds:.1f} s")

    async def _join(self, client: httpx.AsyncClient) -> None:
        topics = Topics(client, self.pubsub_host, self.project)
        declared = {topic.name for topic in self._schedules.topics}
        names = declared | {function.topic for function in self.options.functions if function.topic}
        await _all(
            *(topics.create(name) for name in names),
            *(create_bucket(client, self._cloud.storage, self.project, bucket) for bucket in self.buckets),
        )
        await _all(
            *(topics.keep(topic.name) for topic in self._schedules.topics if topic.kept),
            *(
                topics.push(t.topic, f"{self.relay_url}/pubsub/{t.topic}", DEAD_LETTERS if t.has_dead_letters else None)
                for t in self.options.functions
                if t.topic
            ),
            *(
                self._set_trigger(client, t.target, t.created_document)
                for t in self.options.functions
                if t.created_document
            ),
        )

    async def _set_trigger(self, client: httpx.AsyncClient, trigger: str, document: str) -> None:
        answer = await client.post(
            f"http://{self.firestore_host}/emulator/v1/projects/{self.project}/eventarcTrigger",
            params={"eventarcTriggerId": trigger},
            json={
                "eventType": _CREATED,
                "database": "(default)",
                "namespace": "(default)",
                "document": {"value": document, "matchType": "PATH_PATTERN"},
            },
        )
        if answer.is_error:
            raise StackError(f"The Firestore emulator refused the trigger {trigger}: {answer.text.strip()}")


@asynccontextmanager
async def running_stack(options: Options | None = None, say: Callable[[str], None] = print) -> AsyncIterator[Stack]:
    """The stack for the length of an `async with`; `say` gets a line per part.

    Raises StackError, in one sentence with the end of a log, if a part does not come up. The logs go with the
    stack, unless something failed: then they stay in `stack.log_dir`.
    """
    started_at = time.monotonic()
    stack = Stack(options or Options(), say)
    keep_logs = True
    try:
        async with AsyncExitStack() as closing:
            closing.push_async_callback(asyncio.to_thread, stack.stop_parts)
            address = await closing.enter_async_context(running_relay(stack.relay()))
            # First in the order of closing: every process begins to end while the relay drains.
            closing.callback(stack.let_go)
            await closing.enter_async_context(stack.serving_messages())
            await stack.start_parts(address)
            await closing.enter_async_context(stack.serving_firebase())
            await closing.enter_async_context(stack.serving_dashboard())
            clock = asyncio.create_task(stack.run_clock())
            closing.callback(clock.cancel)
            if stack.options.follow_changes:
                closing.callback(asyncio.create_task(stack.follow_changes()).cancel)
            closing.callback(stack.start_watching().cancel)
            say(f"Ready after {time.monotonic() - started_at:.1f} s. Logs: {stack.log_dir}")
            yield stack
            keep_logs = bool(stack.stopped_parts())
    except asyncio.CancelledError:
        keep_logs = False
        raise
    finally:
        if not keep_logs:
            shutil.rmtree(stack.log_dir, ignore_errors=True)


def _port(address: str) -> int:
    return int(address.rpartition(":")[2])


async def _all(*work: Coroutine[Any, Any, None]) -> None:
    """Do it all at the same time; the first problem ends the rest and is raised."""
    try:
        async with asyncio.TaskGroup() as group:
            for one in work:
                group.create_task(one)
    except* (StackError, httpx.HTTPError) as failures:
        first = failures.exceptions[0]
        raise (first if isinstance(first, StackError) else StackError(f"A part did not answer: {first!r}.")) from None
