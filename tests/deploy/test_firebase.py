"""The Firebase CLI accepts `firebase.json` and `firestore.indexes.json`, by its own schema and its own code."""

import json
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.deploy.firebase_tools import package
from tests.deploy.world import ROOT


def faults_of_config(config: object) -> list[str]:
    """What the CLI's schema has against a firebase.json."""
    schema = json.loads((package() / "schema" / "firebase-config.json").read_text())
    return [error.message for error in jsonschema.Draft7Validator(schema).iter_errors(config)]


def fault_of_indexes(indexes: object) -> str:
    """What the CLI says to an index file; nothing if it would deploy it."""
    command = ("node", str(Path(__file__).with_name("validate_indexes.js")), str(package()))
    said = subprocess.run(command, input=json.dumps(indexes), capture_output=True, text=True, check=False)  # noqa: S603
    assert said.returncode in {0, 3}, said.stderr
    return said.stderr if said.returncode else ""


def test_the_cli_accepts_firebase_json() -> None:
    """Which names rules and indexes, and no functions: the CLI deploys only such as import its own package."""
    config = json.loads((ROOT / "firebase.json").read_text())
    assert faults_of_config(config) == []
    assert "functions" not in config
    hosting = config.pop("hosting")
    assert all((ROOT / named).exists() for part in config.values() for named in part.values())
    assert (ROOT / hosting["public"] / "index.html").exists()
    assert [rewrite["source"] for rewrite in hosting["rewrites"]] == ["/v1/**", "**"], "the API comes before the pages"


def test_the_cli_accepts_the_indexes() -> None:
    """As it would before it deploys them."""
    assert fault_of_indexes(json.loads((ROOT / "firestore.indexes.json").read_text())) == ""


@pytest.mark.parametrize(
    "config",
    [{"firestore": {"rules": 1}}, {"storage": {"rules": "a", "no": "b"}}, {"functions": {"source": 1}}],
)
def test_a_wrong_firebase_json_is_refused(config: Any) -> None:
    """So the test above can fail."""
    assert faults_of_config(config)


@pytest.mark.parametrize(
    ("section", "entry", "said"),
    [
        ("indexes", {"collectionGroup": "a", "queryScope": "EVERYWHERE", "fields": []}, "queryScope"),
        ("indexes", {"collectionGroup": "a", "queryScope": "COLLECTION"}, "fields"),
        (
            "indexes",
            {"collectionGroup": "a", "queryScope": "COLLECTION", "fields": [{"fieldPath": "b", "order": "UP"}]},
            "order",
        ),
        ("fieldOverrides", {"collectionGroup": "a", "fieldPath": "b"}, "indexes"),
        ("fieldOverrides", {"collectionGroup": "a", "fieldPath": "b", "indexes": [], "ttl": "yes"}, "ttl"),
    ],
)
def test_a_wrong_index_file_is_refused(section: str, entry: object, said: str) -> None:
    """So the test above can fail."""
    assert said in fault_of_indexes({"indexes": [], "fieldOverrides": [], section: [entry]})
