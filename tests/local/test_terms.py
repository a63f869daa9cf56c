"""`local/terms.py`: a name for two classes is found, and a term whose class does not exist."""

from pathlib import Path

from local.terms import classes, faults

GLOSSARY = "| term | class | meaning |\n|---|---|---|\n| lease | `Lease` | a right |\n| tick | | a duty |\n"


def test_two_classes_of_one_name_are_found(tmp_path: Path) -> None:
    """Also where one of them is private to its file."""
    (tmp_path / "one.py").write_text("class Lease: ...\n")
    (tmp_path / "two.py").write_text("class _Lease: ...\n")

    (fault,) = faults(classes([tmp_path]), GLOSSARY)

    assert fault.startswith("Lease is the name of 2 classes")


def test_a_server_that_speaks_anothers_api_has_that_apis_words(tmp_path: Path) -> None:
    """A folder that is left out shares its names with the rest."""
    server = tmp_path / "their_server"
    server.mkdir()
    (server / "one.py").write_text("class Batch: ...\n")
    (tmp_path / "two.py").write_text("class Batch: ...\n")

    assert list(faults(classes([tmp_path]), ""))
    assert not list(faults(classes([tmp_path], without=[server]), ""))


def test_a_term_whose_class_does_not_exist_is_found(tmp_path: Path) -> None:
    """A rename has to reach the glossary."""
    (tmp_path / "one.py").write_text("class Hold: ...\n")

    assert list(faults(classes([tmp_path]), GLOSSARY)) == [
        "docs/GLOSSARY.md names the class Lease, which does not exist."
    ]


def test_a_glossary_that_is_true_has_no_fault(tmp_path: Path) -> None:
    """A term without a class needs none."""
    (tmp_path / "one.py").write_text("class Lease: ...\n")

    assert not list(faults(classes([tmp_path]), GLOSSARY))
