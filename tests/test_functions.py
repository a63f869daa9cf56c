"""The table of functions is what `main.py` serves, and what settings, stack, schedules and deployment are made from."""

import ast
import os
import re
import subprocess
import sys
from dataclasses import FrozenInstanceError
from pathlib import Path
from typing import Any

import pytest

from deploy.accounts import ACCOUNTS
from local.part import ROOT
from local.stack import Options
from nightshift import settings
from nightshift.errors import InvalidSettings
from nightshift.functions import FUNCTIONS, KEYS, PROVIDERS, SECRETS, Function, needed_by
from scheduler.declared import declared, read_declared

_MAIN = ROOT / "functions" / "main.py"
_VALUES = {"OPENAI_API_KEY": "sk-1", "OPENAI_WEBHOOK_SECRET": "whsec_a2V5"}


def served() -> dict[str, set[str]]:
    """The targets that main.py declares to functions-framework, with their decorators' names."""
    functions = [node for node in ast.parse(_MAIN.read_text()).body if isinstance(node, ast.AsyncFunctionDef)]
    marks = {one.name: {ast.unparse(mark) for mark in one.decorator_list} for one in functions}
    return {name: found for name, found in marks.items() if "functions.http" in found}


def test_main_serves_the_functions_of_the_table_and_no_others() -> None:
    """Each by its target, and as it is called: a CloudEvent to those with a document or topic, HTTP to the others."""
    assert served().keys() == {function.target for function in FUNCTIONS}
    assert {target for target, marks in served().items() if "takes_event" in marks} == {
        function.target for function in FUNCTIONS if function.takes_events
    }


def test_every_row_is_one_that_google_cloud_takes() -> None:
    """Names, accounts and topics stand once; the deployed name is the target's; a schedule publishes on a topic."""
    for key in ("target", "name", "account", "topic", "created_document"):
        values = [value for function in FUNCTIONS if (value := getattr(function, key))]
        assert len(values) == len(set(values)), key
    for function in FUNCTIONS:
        words = function.target.split("_")
        assert function.name == words[0] + "".join(word.title() for word in words[1:]).replace("Openai", "OpenAi")
        # https://cloud.google.com/iam/docs/service-accounts-create: 6 to 30 characters.
        assert re.fullmatch(r"[a-z][a-z0-9-]{4,28}[a-z0-9]", function.account)
        assert bool(function.created_document) + bool(function.topic) == function.takes_events
        assert function.topic or not function.schedule
        assert function.takes_events or not function.has_dead_letters
        assert not function.created_document or function.has_dead_letters
        assert function.takes_events or function.timeout_seconds <= 60
        assert set(function.secrets) <= SECRETS.keys()


def test_all_functions_together_fit_into_what_a_new_project_has_in_a_region() -> None:
    """20 vCPU and 40 GiB, so that the first deployment is taken, and a flood at one leaves the others their own."""
    assert sum(function.max_instances for function in FUNCTIONS) <= 20
    gibibytes = {"512Mi": 0.5, "1Gi": 1.0}
    assert sum(function.max_instances * gibibytes[function.memory] for function in FUNCTIONS) <= 40


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.target)
def test_a_function_starts_with_its_secrets_and_with_no_fewer(
    function: Function, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each that it needs is missed by name; no other is, so a provider without a key is not missed."""
    for variable in SECRETS.values():
        monkeypatch.delenv(variable, raising=False)
    for name, value in {"GOOGLE_CLOUD_PROJECT": "p", "FUNCTION_TARGET": function.target}.items():
        monkeypatch.setenv(name, value)
    for variable in needed_by(function.target, "openai"):
        with pytest.raises(InvalidSettings, match=f"{variable}: this function needs it"):
            settings.load()
        monkeypatch.setenv(variable, _VALUES[variable])
    assert settings.load().target == function.target


@pytest.mark.parametrize("provider", PROVIDERS)
def test_the_key_that_is_needed_is_that_of_the_model(provider: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every provider's key opens it, beside its address; and a model of it needs no other provider's key."""
    for variable in SECRETS.values():
        monkeypatch.delenv(variable, raising=False)
    started = {"GOOGLE_CLOUD_PROJECT": "p", "FUNCTION_TARGET": "process_batch_jobs"}
    for name, value in (started | {"NIGHTSHIFT_MODEL": f"{provider}:a-model"}).items():
        monkeypatch.setenv(name, value)
    with pytest.raises(InvalidSettings, match=f"^{provider.upper()}_API_KEY: this function needs it$"):
        settings.load()
    monkeypatch.setenv(f"{provider.upper()}_API_KEY", "a-key")
    monkeypatch.setenv(f"{provider.upper()}_BASE_URL", "http://127.0.0.1:1")

    loaded = settings.load()

    access = loaded.access_to(provider)
    assert access is not None
    assert (access.api_key, access.base_url) == ("a-key", "http://127.0.0.1:1")
    assert "a-key" not in repr(access)
    assert {name for name in PROVIDERS if loaded.access_to(name)} == {provider}
    assert KEYS[f"{provider}-api-key"] == f"{provider.upper()}_API_KEY"


def test_all_else_is_made_from_the_table(tmp_path: Path) -> None:
    """The local stack's functions, the deployment's accounts, the schedules, which a file would take as well."""
    assert Options().functions is FUNCTIONS
    assert {function.account for function in FUNCTIONS} < ACCOUNTS.keys()
    jobs = declared().jobs
    assert [job.name for job in jobs] == [function.name for function in FUNCTIONS if function.schedule]
    tables = "".join(
        f'[[job]]\nname = "{job.name}"\ndescription = "{job.description}"\n'
        f'schedule = "{job.schedule}"\ntopic = "{job.topic}"\n'
        for job in jobs
    )
    file = tmp_path / "jobs.toml"
    file.write_text(f'time_zone = "{declared().time_zone.key}"\n{tables}')
    assert read_declared(file).jobs == jobs


def test_the_table_cannot_be_changed_and_imports_nothing() -> None:
    """Every cold start reads it: only Python's own modules are loaded with it."""
    row: Any = FUNCTIONS[0]
    with pytest.raises(FrozenInstanceError):
        row.max_instances = 1000
    code = (
        "import sys; before = set(sys.modules); import nightshift.functions\n"
        "print(*sorted({name.partition('.')[0] for name in sys.modules.keys() - before} - sys.stdlib_module_names))"
    )
    said = subprocess.run(  # noqa: S603 - our own Python
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(ROOT / "functions")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout.split() == ["nightshift"]
