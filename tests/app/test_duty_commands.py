"""Consent, keep, zone and policy on the command line."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from fusiform import policy
from fusiform.app.cli import app
from fusiform.core.errors import ChoiceError, PolicyDamaged, PolicyForbids
from fusiform.gallery import Store


@pytest.fixture
def invoke(copied):
    """invoke("people"): (exit code, stdout, stderr) over a copy of the album's gallery."""

    def answer(*words: object, answers: str = "") -> tuple[int, str, str]:
        env = {"FUSIFORM_GALLERY": str(copied)}
        told = list(map(str, words))
        done = CliRunner().invoke(app, told, env=env, input=answers, catch_exceptions=False)
        return done.exit_code, done.stdout, done.stderr

    return answer


@pytest.mark.parametrize("verb", ["add", "list", "remove"])
def test_what_helps_with_zones(verb, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    shown = CliRunner().invoke(app, ["zone", verb, "--help"]).stdout
    assert f"fusiform zone {verb}" in shown
    assert "--json" in shown
    assert "<bool>" not in shown
    assert max(map(len, shown.splitlines())) <= 80


def aged(path) -> None:
    with Store(path) as store, store.write() as db:
        db.execute("UPDATE photos SET added_at = '2001-01-01T00:00:00+00:00'")


def test_consent_in_words(invoke):
    assert [row.split()[2:4] for row in invoke("consent")[1].splitlines()[1:]] == [
        ["nothing", "noted"],
        ["nothing", "noted"],
    ]
    one, two = (row.split()[0] for row in invoke("people")[1].splitlines()[1:3])
    told = invoke("consent", one, "--given", "by e-mail, 2024-05-01", "--until", "2030-12-31")
    assert told[0] == 0
    assert told[1].splitlines()[1].split()[2:] == [
        *("given", "2030-12-31", "by", "e-mail,", "2024-05-01"),
    ]
    assert "consent given until 2030-12-31: by e-mail, 2024-05-01" in invoke("show", one)[1]
    told = invoke("consent", two, "--withdrawn", "by telephone")
    assert f"`fusiform forget {two}` erases this person" in told[2]
    assert "withdrawn" in invoke("consent", two)[1]
    shown = invoke("journal")[1]
    assert f"consent of person {one} given" in shown
    assert f"consent of person {two} withdrawn" in shown
    assert invoke("undo")[1] == f"undone: consent of person {two} withdrawn\n"


def test_consent_that_makes_no_sense(invoke):
    for words in (
        ("--given", "by letter"),
        ("--until", "2030-01-01"),
        ("1", "--until", "2030-01-01"),
        ("1", "--given", "a", "--withdrawn", "b"),
        ("1", "--forget-withdrawn"),
        ("--forget-withdrawn", "--given", "a"),
    ):
        with pytest.raises(ChoiceError):
            invoke("consent", *words)


def test_whose_consent_is_gone_is_erased_after_asking(invoke):
    assert invoke("consent", "--forget-withdrawn")[1] == "nobody's consent is gone\n"
    one, two = (row.split()[0] for row in invoke("people")[1].splitlines()[1:3])
    invoke("consent", one, "--given", "by letter", "--until", "2001-01-01")
    code, _, asked = invoke("consent", "--forget-withdrawn", answers="n\n")
    assert code == 1
    assert f"Erase 1 person for good (Person {one})?" in asked
    assert len(invoke("consent")[1].splitlines()) == 3
    code, shown, _ = invoke("consent", "--forget-withdrawn", answers="y\n")
    assert code == 0
    assert "1 notes; no trace left in the file" in shown
    assert [row.split()[0] for row in invoke("consent")[1].splitlines()[1:]] == [two]
    assert invoke("consent", "--forget-withdrawn", "--json")[1].strip().startswith("{")


def test_keep_in_words(invoke, copied, album):
    assert invoke("keep")[1] == "faces are kept for ever\n"
    assert invoke("keep", "18m")[1] == "faces are kept for 18m\n"
    aged(copied)
    assert invoke("keep")[1].splitlines() == [
        "faces are kept for 18m",
        "9 faces kept longer; `index` and `keep --apply` erase them",
    ]
    assert invoke("keep", "off", "--apply")[1].startswith("erased: 0 faces")
    shown = invoke("index", album, "--keep", "90d")[1]
    assert "9 erased (kept long enough, or in a zone)" in shown
    assert "9 faces erased (retention)" in invoke("journal")[1]
    assert invoke("keep", "show")[1] == "faces are kept for 90d\n"
    with pytest.raises(ChoiceError):
        invoke("keep", "two years")


def test_zones_in_words(invoke, album, tmp_path):
    assert "no zones" in invoke("zone", "list")[2]
    code, _, asked = invoke("zone", "add", album, 0, 0, 1, 1, answers="n\n")
    assert code == 1
    assert "Erase 9 faces that lie there for good?" in asked
    assert "no zones" in invoke("zone", "list")[2]
    shown = invoke("zone", "add", album, 0, 0, 1, 1, "--yes")[1].splitlines()
    assert shown[0] == f"zone 1: no faces in 0 0 1 1 of pictures in {album}"
    assert shown[1].startswith("erased: 9 faces")
    invoke("zone", "add", tmp_path, 0.5, 0, 1, "0.25")
    assert len(invoke("zone", "list")[1].splitlines()) == 2
    assert invoke("zone", "remove", 1)[1].startswith("zone 1 removed")
    assert len(invoke("zone", "list")[1].splitlines()) == 1
    with pytest.raises(ChoiceError):
        invoke("zone", "add", tmp_path, 0, 0, 640, 480)


def test_the_policy_in_words(invoke, album, tmp_path, monkeypatch):
    rows = [line.split() for line in invoke("policy")[1].splitlines()[1:]]
    assert {row[0]: row[1] for row in rows} == {
        **{f"allow.{switch}": "true" for switch in policy.SWITCHES},
        "keep.retention": "none",
        "consent.required": "false",
    }
    monkeypatch.setattr(policy, "SYSTEM", tmp_path / "policy.toml")
    (tmp_path / "policy.toml").write_text(
        '[allow]\nsearch_by_picture = false\n[keep]\nretention = "2y"'
    )
    assert f"allow.search_by_picture  false  {tmp_path}" in invoke("policy")[1]
    assert "this machine's policy says: no longer than 2y" in invoke("keep")[1]
    with pytest.raises(PolicyForbids, match="search by picture is switched off by"):
        invoke("find", album / "grace_hopper.jpg")
    assert invoke("find", "1")[0] == 0
    (tmp_path / "policy.toml").write_text("[allow]\nserch_by_picture = false")
    for words in (("policy",), ("find", album / "grace_hopper.jpg"), ("index", album)):
        with pytest.raises(PolicyDamaged, match=r"has allow\.serch_by_picture"):
            invoke(*words)
    assert json.loads(invoke("forget", "1", "--yes", "--json")[1])["proven"]
