"""What a cold start loads of the providers: no adapter before it is asked for, and then no other provider's SDK."""

import os
import subprocess
import sys

from local.part import ROOT

_OPEN = """
import sys
import main
started = set(sys.modules)
for provider in sys.argv[1:]:
    main.runtime.providers.named(provider)
print(*sorted(started if len(sys.argv) == 1 else sys.modules))
"""
_KEYS = {f"{name}_API_KEY": "key" for name in ("OPENAI", "ANTHROPIC", "GEMINI", "GROQ", "XAI")}
_SDKS = {"openai", "anthropic", "groq", "google.genai", "xai_sdk", "httpx2"}


def _loaded(*opened: str) -> set[str]:
    """The modules of a process that has started, and opened these adapters."""
    said = subprocess.run(  # noqa: S603 - our own Python
        [sys.executable, "-c", _OPEN, *opened],
        env={**os.environ, **_KEYS, "PYTHONPATH": str(ROOT / "functions"), "GOOGLE_CLOUD_PROJECT": "p"},
        capture_output=True,
        text=True,
        check=True,
    )
    return set(said.stdout.split())


def test_a_start_loads_no_adapter_and_no_sdk() -> None:
    """Neither one that there was, nor one that is new: the import of main has not grown by them."""
    loaded = _loaded()
    assert not loaded & _SDKS
    assert not [name for name in loaded if name.startswith("nightshift.providers.")]


def test_anthropic_and_gemini_need_no_sdk() -> None:
    """Their adapters load the HTTP client alone."""
    assert _loaded("anthropic", "gemini") & _SDKS == {"httpx2"}
