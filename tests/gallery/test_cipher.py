"""Sealed values open with their key at their place only, and as the published ciphers say."""

from __future__ import annotations

import copy
import hashlib
import json
import os
import stat
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusiform.core.errors import ChoiceError, GalleryDamaged, GalleryError
from fusiform.gallery import cipher as module
from fusiform.gallery.cipher import (
    Seal,
    Secret,
    WrongKey,
    key_file,
    lock,
    make_key_file,
    new_key,
    passphrase,
    relock,
    secret_from,
    unlock,
)

pytest.importorskip("cryptography", reason='needs pip install "fusiform[security]"')

KEY = bytes(range(32))
FILE = Secret("key file", bytes(range(32, 64)))
CAFE = passphrase("Cafe\N{COMBINING ACUTE ACCENT} au lait")
PLACE = "embeddings/17/3"

needs_argon2id = pytest.mark.skipif(
    not module._has_argon2id(), reason="this build of cryptography lacks Argon2id"
)


def record(kdf: str, costs: dict[str, int], wrapped: str, check: str) -> dict:
    salt, nonce = bytes(range(100, 116)).hex(), bytes(range(200, 212)).hex()
    made = {"version": 1, "kdf": kdf, "costs": costs, "salt": salt, "nonce": nonce}
    return forged(made, wrapped=wrapped, check=check)


def forged(record: dict, **changes: object) -> dict:
    """`record` with changes and a checksum that agrees with them."""
    made = {k: v for k, v in (record | changes).items() if k != "checksum"}
    text = json.dumps(made, sort_keys=True, separators=(",", ":"))
    return made | {"checksum": hashlib.sha256(text.encode()).hexdigest()}


# Made by PyCryptodome and argon2-cffi from the description of the formats: KEY under CAFE (its é
# as one letter, U+00E9) and under FILE, and a value closed by KEY for PLACE.
ARGON2ID = record(
    "argon2id",
    {"memory_cost": 1024, "iterations": 2, "lanes": 2},
    "7644e408cc2a701b2ba9045503b66af8997885befc4d91f9"
    "9ae9489106c0fda380116fa59299fb943a6d34dcd1436393",
    "1de28fc5e31776873127652b11f4cc24e5eb7cf89660590c72866aae9575ac89",
)
SCRYPT = record(
    "scrypt",
    {"n": 1024, "r": 8, "p": 2},
    "265bd10a557e8be92dd63f80d782c7f780801b9b3e8e1123"
    "952870db32d49cb918ef6fcba7d5298e80f9aae49667223a",
    "ca52ef295b78ae363587b1dc163786894179e8b4f4ad3a3470d672681a84bd74",
)
UNSTRETCHED = record(
    "none",
    {},
    "3349f49dc1b6d8b6a2f4f8bc55f0295bfc3b101052ef9dd3"
    "4ed79189d5ecc1f4b472b92d98785d01778369ca5fded0af",
    "917a179201c320b77abd074522999927e1392f609ef8967979c69e6d1aedf395",
)
SEALED = bytes.fromhex(
    "01404142434445464748494a4b4c4d4e4f50515253545556571fe132b68d8309184dc303e2d81aa98a51"
    "3980b840eeba2fd694946fe898b5d235f7beccde7b46219171"
)


@pytest.fixture
def seal() -> Seal:
    return Seal(KEY, "album")


@pytest.mark.parametrize(
    ("byte", "about", "expected"),
    [
        (1, "", "ce546ef63c9cc60765923609b33a9a1974e96e52daf2fcf7075e2271"),
        (3, "c2sp.org/XAES-256-GCM", "986ec1832593df5443a179437fd083bf3fdb41abd740a21f71eb769d"),
    ],
)
def test_xaes_256_gcm_as_published(byte, about, expected):
    """The two vectors of https://c2sp.org/XAES-256-GCM."""
    nonce = b"ABCDEFGHIJKLMNOPQRSTUVWX"
    cipher = Seal(bytes([byte]) * 32)._derived(nonce[:12])
    assert cipher.encrypt(nonce[12:], b"XAES-256-GCM", about.encode()).hex() == expected


def test_xaes_256_gcm_ten_thousand_times():
    """The accumulated vector of the same page: random inputs from SHAKE-128, one digest."""
    stream, at, out = hashlib.shake_128(b"").digest(4_000_000), 0, hashlib.shake_128()

    def read(n: int) -> bytes:
        nonlocal at
        at += n
        return stream[at - n : at]

    for _ in range(10_000):
        key, nonce = read(32), read(24)
        text, about = (read(read(1)[0]) for _ in range(2))
        out.update(Seal(key)._derived(nonce[:12]).encrypt(nonce[12:], text, about))
    expected = "e6b9edf2df6cec60c8cbd864e2211b597fb69a529160cd040d56c0c210081939"
    assert out.hexdigest(32) == expected


@needs_argon2id
def test_argon2id_as_the_tests_of_its_reference_program():
    costs = {"memory_cost": 1 << 8, "iterations": 2, "lanes": 2}
    made = module._stretched(b"password", b"somesalt", "argon2id", costs)
    assert made.hex() == "6d093c501fd5999645e0ea3bf620d7b8be7fd2db59c20d9fff9539da2bf57037"


def test_scrypt_as_published():
    """RFC 7914, section 12, second vector; its first 32 bytes."""
    made = module._stretched(b"password", b"NaCl", "scrypt", {"n": 1024, "r": 8, "p": 16})
    assert made.hex() == "fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b373162"


@pytest.mark.parametrize(
    ("record", "secret"),
    [pytest.param(ARGON2ID, CAFE, marks=needs_argon2id), (SCRYPT, CAFE), (UNSTRETCHED, FILE)],
    ids=["argon2id", "scrypt", "key file"],
)
def test_what_other_programs_locked_and_closed_opens(record, secret):
    assert unlock(record, secret).open(SEALED, PLACE) == b"a template of Ada Lovelace"


@given(st.lists(st.tuples(st.binary(max_size=2048), st.text(max_size=30)), max_size=6))
def test_values_come_back(pairs):
    values, places = [v for v, _ in pairs], [p for _, p in pairs]
    seal = Seal(new_key())
    together = seal.close_many(values, places)
    singly = [seal.close(value, place) for value, place in pairs]
    assert [len(each) for each in together] == [len(value) + 41 for value in values]
    assert seal.open_many(singly + together, places * 2) == values * 2
    assert [seal.open(*each) for each in zip(together, places, strict=True)] == values


def test_every_bit_and_every_byte_counts(seal):
    number, size = int.from_bytes(SEALED), len(SEALED)
    altered = [(number ^ 1 << bit).to_bytes(size) for bit in range(8 * size)]
    for bad in [*altered, *(SEALED[:n] for n in range(size)), SEALED + b"\0", b"\1" + SEALED]:
        with pytest.raises(GalleryDamaged, match="The value embeddings/17/3 of album is"):
            seal.open(bad, PLACE)


def test_each_fault_has_its_sentence(seal):
    for bad, what in [
        (SEALED[:40], "is truncated"),
        (b"\2" + SEALED[1:], "is not sealed, or by a newer fusiform"),
        (bytes(512), "is not sealed"),
        (SEALED[:-1] + b"\0", "is damaged or of another row or key"),
        (Seal(new_key()).close(b"value", PLACE), "or key"),
    ]:
        with pytest.raises(GalleryDamaged, match=rf"{what}.*; restore a copy"):
            seal.open(bad, PLACE)
    for call in (seal.close_many, seal.open_many):
        with pytest.raises(ChoiceError, match=r"one a value, 2 in all\. Got 1"):
            call([SEALED, SEALED], [PLACE])


@pytest.mark.parametrize("together", [True, False])
def test_swapped_rows_are_noticed_and_named(seal, together):
    places = [f"embeddings/{i}/3" for i in range(5)]
    values = [bytes([i]) * 256 for i in range(5)]
    closed = seal.close_many(values, places)
    if not together:
        closed = [seal.close(v, p) for v, p in zip(values, places, strict=True)]
    closed[2], closed[4] = closed[4], closed[2]
    with pytest.raises(GalleryDamaged, match=r"embeddings/2/3 of album is .* another row"):
        seal.open_many(closed, places)
    order = (0, 1, 4, 3, 2)
    assert seal.open_many(closed, [places[i] for i in order]) == [values[i] for i in order]


def test_equal_values_look_unrelated(seal):
    """Bits are 1, and differ between two sealings, half of the time, to 6 standard deviations."""
    n = 500
    together = seal.close_many([bytes(256)] * n, [PLACE] * n)
    singly = [seal.close(bytes(256), PLACE) for _ in range(n)]
    for closed, start in [(together, 13), (singly, 1)]:  # together they share half a nonce
        assert len({each[start:25] for each in closed}) == n
        bits = np.unpackbits([np.frombuffer(each[start:], np.uint8) for each in closed], axis=1)
        differ = (bits[1:] ^ bits[:-1]).astype(float)
        assert abs(differ.mean() - 0.5) < 6 * 0.5 / np.sqrt(differ.size)
        assert np.abs(bits.mean(0) - 0.5).max() < 6 * 0.5 / np.sqrt(n)


@pytest.mark.parametrize("size", [16, 512, 2048, 20_000])
def test_nothing_of_the_value_stands_in_the_sealed_one(seal, rng, size):
    value = rng.bytes(size)
    closed = seal.close(value, PLACE) + seal.close_many([value], [PLACE])[0]
    assert not any(value[i : i + 16] in closed for i in range(size - 15))


def test_threads_may_share_a_seal(seal):
    places = [f"crops/{i}" for i in range(200)]

    def there_and_back(number: int) -> bool:
        values = [bytes([number]) * 300] * len(places)
        return seal.open_many(seal.close_many(values, places), places) == values

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(there_and_back, range(20)))


@needs_argon2id
def test_the_stretching_is_that_of_rfc_9106_and_survives_json():
    made = json.loads(json.dumps(lock(KEY, CAFE)))
    assert (made["version"], made["kdf"]) == (1, "argon2id")
    assert made["costs"] == {"memory_cost": 64 * 1024, "iterations": 3, "lanes": 4}
    assert unlock(made, CAFE).open(SEALED, PLACE)


def test_without_argon2id_scrypt_stretches(monkeypatch):
    monkeypatch.setattr(module, "_has_argon2id", lambda: False)
    made = lock(KEY, CAFE)
    assert (made["kdf"], made["costs"]) == ("scrypt", {"n": 1 << 17, "r": 8, "p": 1})
    assert unlock(made, CAFE).open(SEALED, PLACE)
    with pytest.raises(GalleryError, match=r'lacks Argon2id; .*pip install --upgrade "fusiform\['):
        unlock(ARGON2ID, CAFE)


@pytest.mark.parametrize(
    ("record", "secret", "sentence"),
    [
        (SCRYPT, passphrase("Cafe au lait"), "This passphrase does not open album; give the one"),
        (UNSTRETCHED, Secret("key file", bytes(32)), "This key file does not open album"),
        (SCRYPT, FILE, "locked with a passphrase; give it in FUSIFORM_PASSPHRASE"),
        (UNSTRETCHED, CAFE, "locked with a key file; give it in FUSIFORM_KEY_FILE"),
        (forged(UNSTRETCHED, check="00" * 32), FILE, "This key file does not open album"),
    ],
)
def test_a_wrong_key_is_told_from_damage(record, secret, sentence):
    with pytest.raises(WrongKey, match=sentence):
        unlock(record, secret, "album")


def test_a_new_secret_leaves_the_values_alone():
    new = relock(UNSTRETCHED, FILE, other := Secret("key file", new_key()))
    assert unlock(new, other).open(SEALED, PLACE)
    for attempt in (lambda: unlock(new, FILE), lambda: relock(new, FILE, other)):
        with pytest.raises(WrongKey):
            attempt()
    again = relock(UNSTRETCHED, FILE, other)
    for name in ("salt", "nonce", "wrapped", "check", "checksum"):
        assert new[name] != again[name]


@given(st.data())
def test_any_changed_letter_of_a_lock_is_damage(data):
    text = json.dumps(UNSTRETCHED)
    at = data.draw(st.integers(0, len(text) - 1))
    letter = data.draw(st.characters(exclude_characters=text[at], codec="ascii"))
    try:
        changed = json.loads(text[:at] + letter + text[at + 1 :])
    except json.JSONDecodeError:
        return  # found without us
    if changed != UNSTRETCHED:
        with pytest.raises(GalleryDamaged, match="album"):
            unlock(changed, FILE, "album")


def test_what_is_no_lock_is_damage():
    for made in ({}, [], None, 3, "x", {"version": 1}, {"version": None}):
        with pytest.raises(GalleryDamaged, match="The lock of album is damaged; restore a copy"):
            unlock(made, FILE, "album")
    with pytest.raises(GalleryDamaged, match="album was locked by a newer fusiform; upgrade"):
        unlock(UNSTRETCHED | {"version": 2}, FILE, "album")


@pytest.mark.parametrize(
    "changes",
    [
        {"wrapped": "00" * 48},
        {"wrapped": "00" * 47},
        {"nonce": "00" * 12},
        *({"salt": salt} for salt in ("no hexadecimal", 7)),
        *({"kdf": kdf} for kdf in ("md5", [])),
        {"version": 0},
        {"costs": None},
        # one missing, too much memory, no integer, too little, no power of two
        *(
            {"costs": dict(zip("nrp", costs, strict=False))}
            for costs in ((1024, 8), (1 << 40, 8, 1), (1024.0, 8, 2), (1024, 8, 0), (1000, 8, 1))
        ),
        {"kdf": "argon2id", "costs": {"memory_cost": 1 << 30, "iterations": 1, "lanes": 1}},
    ],
    ids=str,
)
def test_forged_locks_are_refused_at_no_cost(changes):
    with pytest.raises(GalleryDamaged):
        unlock(forged(SCRYPT, **changes), CAFE)


def test_a_key_file_is_private_random_and_never_overwritten(tmp_path):
    path = tmp_path / "album.key"
    make_key_file(path)
    content = path.read_bytes()
    if os.name == "posix":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(GalleryError, match=r"album\.key cannot be made \(File exists\)"):
        make_key_file(path)
    make_key_file(tmp_path / "other.key")
    assert path.read_bytes() == content != (tmp_path / "other.key").read_bytes()
    assert unlock(lock(KEY, key_file(path)), key_file(path)).open(SEALED, PLACE)
    with pytest.raises(GalleryError, match=r"cannot be made .* choose another path"):
        make_key_file(tmp_path / "nowhere" / "album.key")


@pytest.mark.parametrize("size", [0, 31, 33, 5000])
def test_what_is_no_key_file_is_told(tmp_path, size):
    path = tmp_path / "album.key"
    path.write_bytes(bytes(size))
    with pytest.raises(GalleryError, match=r"album\.key is no key file: it does not hold 32 bytes"):
        key_file(path)


def test_where_the_secret_comes_from(tmp_path):
    path = tmp_path / "album.key"
    make_key_file(path)
    by_file, by_text = {"FUSIFORM_KEY_FILE": str(path)}, {"FUSIFORM_PASSPHRASE": "tea"}
    assert secret_from(by_file).material == path.read_bytes()
    assert secret_from(by_text, lambda: "coffee").material == b"tea"
    assert secret_from({"FUSIFORM_PASSPHRASE": ""}, lambda: "coffee").material == b"coffee"
    for environment, prompt, sentence in [
        (by_file | by_text, None, "both set; unset one"),
        ({}, None, "set FUSIFORM_KEY_FILE or FUSIFORM_PASSPHRASE"),
        ({}, lambda: "", "passphrase is empty"),
        ({"FUSIFORM_KEY_FILE": f"{path}.gone"}, None, r"gone cannot be read \(No such file"),
    ]:
        with pytest.raises(GalleryError, match=sentence):
            secret_from(environment, prompt)
    # an encoding error would quote the passphrase
    assert passphrase("\ud800\udcff").material == b"\xed\xa0\x80\xed\xb3\xbf"


def texts(error: BaseException | None) -> str:
    """All that an exception and those behind it say."""
    if error is None:
        return ""
    return f"{error!s} {error!r} {vars(error)}" + texts(error.__cause__) + texts(error.__context__)


def test_no_text_tells_a_key(seal):
    tries = [
        lambda: seal.open(SEALED, "crops/1"),
        lambda: Seal(KEY + b"x"),
        lambda: lock(KEY[:31], FILE),
        lambda: unlock(SCRYPT, passphrase("tea with Ada Lovelace")),
        lambda: unlock(UNSTRETCHED, Secret("key file", KEY)),
        lambda: unlock(forged(UNSTRETCHED, wrapped="00" * 48), FILE),
        lambda: unlock(forged(SCRYPT, costs={"n": 3, "r": 8, "p": 1}), CAFE),
        *(lambda it=it: it.__reduce_ex__(4) for it in (seal, FILE)),
        *(lambda it=it: it.__reduce__() for it in (seal, FILE)),
        *(lambda it=it: copy.deepcopy(it) for it in (seal, FILE)),
    ]
    told = f"{seal!r} {seal!s} {FILE!r} {FILE!s} {lock(KEY, FILE)}"
    for attempt in tries:
        with pytest.raises((GalleryError, ChoiceError, TypeError)) as caught:
            attempt()
        told += texts(caught.value)
    for secret in (KEY, FILE.material, CAFE.material, b"tea with Ada Lovelace"):
        for piece in (secret[start : start + 8] for start in range(len(secret) - 7)):
            assert repr(piece)[2:-1] not in told
            assert piece.hex() not in told.lower()


def test_without_cryptography_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.ciphers.aead", None)
    for attempt in (lambda: Seal(KEY), lambda: lock(KEY, CAFE), lambda: unlock(SCRYPT, CAFE)):
        with pytest.raises(GalleryError, match=r'pip install "fusiform\[security\]"'):
            attempt()
