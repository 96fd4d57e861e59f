"""A machine's policy holds in every verb, the stricter rule wins, what is unclear is refused."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

import fusiform
from fusiform import policy
from fusiform.core.errors import PolicyDamaged, PolicyForbids, UnknownPerson
from fusiform.core.periods import Period
from fusiform.policy import SWITCHES, read_policy

GRACE = "grace_hopper.jpg"


@pytest.fixture
def own(tmp_path, monkeypatch) -> Callable[[str], Path]:
    """own("[allow]..."): writes the policy that FUSIFORM_POLICY names."""
    file = tmp_path / "own.toml"

    def write(text: str) -> Path:
        file.write_text(text, "utf-8")
        monkeypatch.setenv("FUSIFORM_POLICY", str(file))
        return file

    return write


@pytest.fixture
def system(tmp_path, monkeypatch) -> Callable[[str], Path]:
    """The same of the policy for everybody on the machine."""
    file = tmp_path / "system.toml"
    monkeypatch.setattr(policy, "SYSTEM", file)

    def write(text: str) -> Path:
        file.write_text(text, "utf-8")
        return file

    return write


# Reading


def test_without_a_policy_all_is_allowed():
    told = read_policy()
    assert [rule.value for rule in told.rules.values()] == [True] * len(SWITCHES) + [None, False]
    assert (told.files, told.retention, told.consent_required) == ((), None, False)
    for switch in SWITCHES:
        policy.ask(switch)


def test_the_policy_of_the_home(tmp_path, monkeypatch):
    monkeypatch.setenv("FUSIFORM_HOME", str(tmp_path))
    (tmp_path / "policy.toml").write_text("[allow]\nverify = false")
    assert read_policy().files == (tmp_path / "policy.toml",)
    with pytest.raises(PolicyForbids, match=r"comparing two pictures is switched off by .*policy"):
        policy.ask("verify")
    policy.ask("embed")


@pytest.mark.parametrize(
    ("ours", "theirs", "holds"),
    [("2y", "1y", "1y"), ("300d", "1y", "300d"), ("11m", "1y", "11m"), ("53w", "1y", "1y")],
)
def test_the_stricter_rule_holds(own, system, ours, theirs, holds):
    one = own(f'[keep]\nretention = "{ours}"\n[allow]\nindex = true\nverify = false')
    two = system(f'[keep]\nretention = "{theirs}"\n[allow]\nindex = false\nverify = true')
    told = read_policy()
    assert told.files == (two, one)
    assert told.retention == Period.of(holds)
    assert told.rules["keep.retention"].file == (one if holds == ours else two)
    for switch, file in (("index", two), ("verify", one)):
        with pytest.raises(PolicyForbids, match=str(file)):
            policy.ask(switch)


def test_consent_is_required_if_either_says_so(own, system):
    own("[consent]\nrequired = false")
    assert not read_policy().consent_required
    system("[consent]\nrequired = true")
    assert read_policy().consent_required


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[allow", "cannot be read as TOML"),
        ("[allow]\nindex = false\nindex = true", "cannot be read as TOML"),
        ("[alow]\nindex = false", r"has alow, which is none of \[allow\], \[keep\], \[consent\]"),
        ("[allow]\nindexing = false", "has allow.indexing, which is none of embed, export, index"),
        ("allow = false", "has allow, which is none of"),
        ('[allow]\nindex = "no"', "allow.index must be true or false"),
        ("[consent]\nrequired = 1", "consent.required must be true or false"),
        ('[keep]\nretention = "two years"', "such as 90d, 6w, 18m, 2y"),
        ("[keep]\nretention = 2", "such as 90d, 6w, 18m, 2y"),
        ("[keep]\nretention = false", "such as 90d, 6w, 18m, 2y"),
    ],
)
def test_what_is_unclear_is_refused(own, album, text, says):
    file = own(text)
    with pytest.raises(PolicyDamaged, match=says) as told:
        fusiform.embed(album / GRACE)
    assert str(file) in str(told.value)
    assert "until it is mended, what it may forbid is forbidden" in str(told.value)


def test_a_policy_that_cannot_be_read_is_none_that_allows(tmp_path, monkeypatch, own, system):
    file = own("")
    file.write_bytes(b"\xff")
    with pytest.raises(PolicyDamaged, match="cannot be read as TOML"):
        read_policy()
    file.unlink()
    with pytest.raises(PolicyDamaged, match="does not exist"):
        read_policy()
    file.mkdir()
    with pytest.raises(PolicyDamaged, match="cannot be read as TOML"):
        read_policy()
    file.rmdir()
    file.symlink_to(tmp_path / "nowhere")
    with pytest.raises(PolicyDamaged, match="cannot be read as TOML"):
        read_policy()


def test_the_page_shows_a_policy_with_every_switch(own):
    page = (Path(__file__).parents[1] / "docs" / "gallery.md").read_text("utf-8")
    (example,) = re.findall(r"^```toml\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    own(example)
    told = read_policy()
    assert all(rule.file for rule in told.rules.values())
    assert (told.retention, told.consent_required) == (Period(2, "y"), True)


# Holding in the library's verbs


@pytest.fixture
def verbs(gallery, folder, album, tmp_path) -> dict[str, list[Callable[[], object]]]:
    """What every switch switches off."""
    one, two = (person.id for person in gallery.people())
    gallery.name(two, "Grace Hopper")
    return {
        "index": [lambda: gallery.index(folder)],
        "embed": [lambda: fusiform.embed(album / GRACE)],
        "verify": [lambda: fusiform.verify(album / GRACE, album / GRACE)],
        "search_by_picture": [lambda: gallery.find(album / GRACE)],
        "search_by_name": [
            lambda: gallery.person("Grace Hopper"),
            lambda: gallery.photos("Grace Hopper"),
            lambda: gallery.photos("nobody"),
        ],
        "names": [lambda: gallery.name(one, "Ada Lovelace"), gallery.read_names],
        "write_names": [gallery.write_names],
        "export": [
            lambda: gallery.export(tmp_path / "a.fusiform", force=True),
            lambda: gallery.table(tmp_path / "a.csv", force=True),
        ],
    }


@pytest.mark.parametrize("switch", SWITCHES)
def test_each_switch_is_real(own, verbs, gallery, switch):
    assert verbs.keys() == SWITCHES.keys()
    file = own(f"[allow]\n{switch} = false")
    before = gallery.people()
    for verb in verbs[switch]:
        with pytest.raises(PolicyForbids, match=f"{SWITCHES[switch]} is switched off by {file}"):
            verb()
    assert gallery.people() == before
    for other in SWITCHES.keys() - {switch}:
        for verb in verbs[other]:
            verb()


def test_by_number_everybody_can_be_looked_after(own, gallery):
    one, two = (person.id for person in gallery.people())
    gallery.name(two, "Grace Hopper")
    own("[allow]\nsearch_by_name = false\nnames = false\n[consent]\nrequired = true")
    assert gallery.person(two).name == gallery.person(f" {two} ").name == "Grace Hopper"
    assert gallery.forget("Grace Hopper").proven
    assert [person.id for person in gallery.people()] == [one]


def test_without_consent_nobody_is_found_named_or_written(own, gallery, folder):
    one, two = (person.id for person in gallery.people())
    gallery.name(one, "Eileen Collins")
    gallery.name(two, "Grace Hopper")
    gallery.duties.consent(two, given="by letter")
    photos = {who.id: who.faces[0].photo for who in gallery.people()}
    own("[consent]\nrequired = true")
    assert gallery.find(photos[one], at_least=0.9)[0].matches == ()
    assert len(gallery.find(photos[one])[0].matches) == 2  # all of them the other's
    assert {match.person for match in gallery.find(photos[two])[0].matches} == {two}
    assert gallery.person("Grace Hopper").id == two
    for search in (gallery.person, gallery.photos):
        with pytest.raises(PolicyForbids, match=f"no consent of person {one} stands"):
            search("Eileen Collins")
        with pytest.raises(UnknownPerson, match=r"lists all\.$"):
            search("Eileen Colins")
    with pytest.raises(PolicyForbids, match=f"fusiform consent {one} --given"):
        gallery.name(one, "Eileen")
    with pytest.raises(UnknownPerson):
        gallery.name(77, "Eileen")
    assert gallery.name(two, "Grace").name == "Grace"
    assert gallery.write_names().regions == 2
    assert not [f for f in folder.glob("*.xmp") if b"Eileen" in f.read_bytes()]
    gallery.duties.consent(two, withdrawn="by letter")
    assert gallery.find(photos[two])[0].matches == ()
    assert gallery.photos("nobody OR unnamed") == []
    assert [row.people for row in gallery.photos("alone")] == [()] * 4
