"""Sealing: templates and crops are stored encrypted, each tied to the row it stands in.

A sealed gallery has a random key of 256 bits. Its lock, a small record kept with the gallery,
holds that key encrypted under a passphrase or a key file; `unlock` gives the `Seal` that closes
and opens values. A new passphrase needs only a new lock: no value is written again.

A sealed value is a byte 1 (version), a random nonce of 24 bytes, the encrypted value, and a tag
of 16 bytes. The cipher is XAES-256-GCM (https://c2sp.org/XAES-256-GCM); its associated data are
the version and the place in UTF-8. It derives a key from the first half of the nonce (CMAC in
counter mode, NIST SP 800-108r1) and then is AES-256-GCM (SP 800-38D) with the second half.

AES-256-GCM alone, with random nonces, is limited to 2^32 values a key, rewritten ones included
(a nonce comes twice with a chance of 2^-32; SP 800-38D, 8.3). Here every call that closes values
derives a key of its own: 10^9 values, closed up to a million a call, are below 2^-46.
AES-GCM-SIV (RFC 8452) would forgive a nonce that comes twice, but it is no NIST mode, not every
build of `cryptography` has it, and a crop takes it several times as long.

Not hidden: how many values there are, how long they are, which rows they belong to. Not noticed:
an older value put back into its own row. Python keeps keys in memory while they are in use.
"""

from __future__ import annotations

import hashlib
import json
import os
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hmac import compare_digest
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NoReturn

from fusiform.core.errors import ChoiceError, GalleryDamaged, GalleryError
from fusiform.gallery.faults import FROM_COPY

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

PASSPHRASE = "FUSIFORM_PASSPHRASE"
KEY_FILE = "FUSIFORM_KEY_FILE"

Kind = Literal["passphrase", "key file"]

_KEY = 32  # bytes of every key here
_HALF = 12  # bytes of half a nonce
_HEAD = 1 + 2 * _HALF
_TAG = 16
_VALUE_VERSION = b"\x01"
_LOCK_VERSION = 1

# Argon2id: RFC 9106, section 4, second recommended option. scrypt: OWASP Password Storage Cheat
# Sheet. 64 MiB (`memory_cost` is in KiB) and 128 MiB (128 n r bytes).
_COSTS: dict[str, dict[str, int]] = {
    "argon2id": {"memory_cost": 1 << 16, "iterations": 3, "lanes": 4},
    "scrypt": {"n": 1 << 17, "r": 8, "p": 1},
    "none": {},
}
# A forged lock may ask for no more: 2 GiB, the largest option of RFC 9106, or 1 GiB.
_MOST = {"memory_cost": 1 << 21, "iterations": 16, "lanes": 16, "n": 1 << 20, "r": 8, "p": 16}
_KIND_OF: dict[str, Kind] = {"argon2id": "passphrase", "scrypt": "passphrase", "none": "key file"}
_VARIABLE = {"passphrase": PASSPHRASE, "key file": KEY_FILE}
_HEXADECIMAL = ("salt", "nonce", "wrapped", "check")


class WrongKey(GalleryError):
    """The passphrase or key file is not the one the gallery is locked with."""


def _not_pickled(self: object) -> NoReturn:
    raise TypeError(f"A {type(self).__name__} holds a key and is neither copied nor pickled.")


@dataclass(frozen=True, eq=False)
class Secret:
    """What opens a lock: a passphrase or a key file. Its bytes show in no repr and no pickle."""

    kind: Kind
    material: bytes = field(repr=False)

    __reduce__ = _not_pickled


def passphrase(text: str) -> Secret:
    """A passphrase as typed, in Unicode's NFC form, since keyboards differ in how they spell é.

    Raises GalleryError if it is empty.
    """
    if not text:
        raise GalleryError("The passphrase is empty; type at least one character.")
    # "surrogatepass": no error that quotes the passphrase, whatever bytes a terminal sent
    return Secret("passphrase", unicodedata.normalize("NFC", text).encode("utf-8", "surrogatepass"))


def key_file(path: str | Path) -> Secret:
    """The content of the key file at `path`, 32 bytes. Raises GalleryError if it is none."""
    try:
        with Path(path).expanduser().open("rb") as stream:
            material = stream.read(_KEY + 1)
    except OSError as error:
        raise GalleryError(
            f"{path} cannot be read ({error.strerror}); name the gallery's key file in {KEY_FILE}."
        ) from error
    if len(material) != _KEY:
        raise GalleryError(
            f"{path} is no key file: it does not hold {_KEY} bytes; name another in {KEY_FILE}."
        )
    return Secret("key file", material)


def make_key_file(path: str | Path) -> None:
    """Writes 32 random bytes to a new file at `path` that only its owner may read (mode 0600).

    On Windows the folder's permissions count. Raises GalleryError if something lies there
    already, or the file cannot be written.
    """
    file = Path(path).expanduser()
    try:
        number = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(number, "wb") as stream:
            stream.write(new_key())
            stream.flush()
            os.fsync(number)
    except OSError as error:
        raise GalleryError(
            f"{file} cannot be made ({error.strerror}); choose another path for the key file."
        ) from error


def secret_from(environment: Mapping[str, str], prompt: Callable[[], str] | None = None) -> Secret:
    """The secret that the environment names, or else the passphrase that `prompt` asks for.

    FUSIFORM_KEY_FILE is the path of a key file, FUSIFORM_PASSPHRASE a passphrase; empty ones count
    as absent. Raises GalleryError if there are both, or none and no `prompt`, and as `key_file`.
    """
    path, text = environment.get(KEY_FILE), environment.get(PASSPHRASE)
    if path and text:
        raise GalleryError(f"{KEY_FILE} and {PASSPHRASE} are both set; unset one of them.")
    if path:
        return key_file(path)
    if text:
        return passphrase(text)
    if prompt is None:
        raise GalleryError(f"The gallery is sealed; set {KEY_FILE} or {PASSPHRASE} to open it.")
    return passphrase(prompt())


def new_key() -> bytes:
    """A random key of 32 bytes from the operating system."""
    return os.urandom(_KEY)


def lock(data_key: bytes, secret: Secret) -> dict[str, Any]:
    """The record, ready for JSON, from which `secret` gives back `data_key` (32 bytes).

    A passphrase is stretched by Argon2id (RFC 9106; 64 MiB, 3 passes, 4 lanes), or by scrypt
    (RFC 7914; 128 MiB) where `cryptography` lacks Argon2id. HKDF-SHA256 (RFC 5869) makes two keys
    of that: one wraps `data_key` by AES-256-GCM, the other is `check`, which tells a wrong secret
    from a damaged record. `checksum` (SHA-256 of the rest) finds accidental damage.
    Raises GalleryError without `cryptography`, ChoiceError for a key of another length.
    """
    _refuse_other_lengths(data_key)
    gcm = _aesgcm()
    salt, nonce = os.urandom(16), os.urandom(12)
    kdf = "none" if secret.kind == "key file" else "argon2id" if _has_argon2id() else "scrypt"
    head = {"version": _LOCK_VERSION, "kdf": kdf, "costs": dict(_COSTS[kdf]), "salt": salt.hex()}
    key, check = _keys(secret.material, salt, kdf, _COSTS[kdf])
    wrapped = gcm(key).encrypt(nonce, data_key, _canonical(head))
    record = head | {"nonce": nonce.hex(), "wrapped": wrapped.hex(), "check": check.hex()}
    return record | {"checksum": _checksum(record)}


def unlock(record: Mapping[str, Any], secret: Secret, gallery: str | Path = "the gallery") -> Seal:
    """The Seal of a gallery locked by `record`; `gallery` is how messages call it.

    With a passphrase it takes the time and memory that the record states.
    Raises WrongKey; GalleryDamaged if the record is damaged or of a newer fusiform; GalleryError
    if `cryptography` is missing or lacks the record's key derivation.
    """
    return Seal(_unwrapped(record, secret, gallery), gallery)


def relock(
    record: Mapping[str, Any], old: Secret, new: Secret, gallery: str | Path = "the gallery"
) -> dict[str, Any]:
    """A new record for the same key, which `new` opens; what is sealed stays as it is.

    Whoever has a copy of the old record and knows `old` can still open the values: against them
    only a new key helps, and sealing all values again. Raises as `unlock` does.
    """
    return lock(_unwrapped(record, old, gallery), new)


def _unwrapped(record: Mapping[str, Any], secret: Secret, gallery: str | Path) -> bytes:
    gcm = _aesgcm()
    from cryptography.exceptions import InvalidTag

    parts = _parts(record, gallery)
    kdf, kind = record["kdf"], _KIND_OF[record["kdf"]]
    if secret.kind != kind:
        raise WrongKey(f"{gallery} is locked with a {kind}; give it in {_VARIABLE[kind]}.")
    try:
        key, check = _keys(secret.material, parts["salt"], kdf, record["costs"])
        if not compare_digest(check, parts["check"]):
            raise WrongKey(f"This {kind} does not open {gallery}; give the one it is locked with.")
        head = {name: record[name] for name in ("version", "kdf", "costs", "salt")}
        return gcm(key).decrypt(parts["nonce"], parts["wrapped"], _canonical(head))
    except (InvalidTag, ValueError) as error:  # ValueError: costs that do not fit together
        raise _damaged_lock(gallery) from error


def _parts(record: Mapping[str, Any], gallery: str | Path) -> dict[str, bytes]:
    """The byte strings of a record that is whole."""
    try:
        if record["version"] > _LOCK_VERSION:
            raise GalleryDamaged(f"{gallery} was locked by a newer fusiform; upgrade fusiform.")
        rest = {name: value for name, value in record.items() if name != "checksum"}
        whole = record["checksum"] == _checksum(rest)
        if whole and _are_allowed(record["costs"], record["kdf"]):
            return {name: bytes.fromhex(record[name]) for name in _HEXADECIMAL}
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise _damaged_lock(gallery) from error
    raise _damaged_lock(gallery)


def _are_allowed(costs: Mapping[str, Any], kdf: str) -> bool:
    known = costs.keys() == _COSTS[kdf].keys()
    return known and all(type(n) is int and 1 <= n <= _MOST[name] for name, n in costs.items())


def _damaged_lock(gallery: str | Path) -> GalleryDamaged:
    return GalleryDamaged(f"The lock of {gallery} is damaged; {FROM_COPY}.")


def _canonical(values: Mapping[str, Any]) -> bytes:
    return json.dumps(values, sort_keys=True, separators=(",", ":")).encode()


def _checksum(values: Mapping[str, Any]) -> str:
    return hashlib.sha256(_canonical(values)).hexdigest()


def _keys(material: bytes, salt: bytes, kdf: str, costs: Mapping[str, Any]) -> tuple[bytes, bytes]:
    """The wrapping key and the check, 32 bytes each."""
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    stretched = _stretched(material, salt, kdf, costs)
    both = HKDF(SHA256(), 2 * _KEY, salt, b"fusiform gallery lock 1").derive(stretched)
    return both[:_KEY], both[_KEY:]


def _stretched(material: bytes, salt: bytes, kdf: str, costs: Mapping[str, Any]) -> bytes:
    if kdf == "none":  # 256 random bits cannot be guessed
        return material
    if kdf == "scrypt":
        from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

        return Scrypt(salt=salt, length=_KEY, **costs).derive(material)
    if not _has_argon2id():
        remedy = 'pip install --upgrade "fusiform[security]"'
        raise GalleryError(f"This build of cryptography lacks Argon2id; upgrade it: {remedy}")
    from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

    return Argon2id(salt=salt, length=_KEY, **costs).derive(material)


def _has_argon2id() -> bool:
    from cryptography.exceptions import UnsupportedAlgorithm

    try:
        from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

        Argon2id(salt=bytes(16), length=_KEY, iterations=1, lanes=1, memory_cost=8)
    except (ImportError, UnsupportedAlgorithm):
        return False
    return True


class Seal:
    """Closes and opens the values of one gallery. Threads may share it.

    A `place` names where a value stands, such as "embeddings/17/3" (table, face, model): what was
    closed for one place does not open at another.
    """

    __slots__ = ("_gcm", "_mac", "gallery")

    def __init__(self, data_key: bytes, gallery: str | Path = "the gallery") -> None:
        """`data_key` has 32 bytes; `gallery` is how messages call the file.

        Raises ChoiceError for a key of another length, GalleryError without `cryptography`.
        """
        _refuse_other_lengths(data_key)
        self._gcm, self.gallery = _aesgcm(), gallery
        from cryptography.hazmat.primitives.ciphers.algorithms import AES256
        from cryptography.hazmat.primitives.cmac import CMAC

        self._mac = CMAC(AES256(data_key))

    __reduce__ = _not_pickled

    def close(self, value: bytes, place: str) -> bytes:
        """`value` sealed for `place`, 41 bytes longer."""
        return self.close_many([value], [place])[0]

    def open(self, sealed: bytes, place: str) -> bytes:
        """The value that was closed for `place`. Raises GalleryDamaged if it is not that."""
        return self.open_many([sealed], [place])[0]

    def close_many(self, values: Sequence[bytes], places: Sequence[str]) -> list[bytes]:
        """Each value sealed for its place, in order; at most 2^32 values.

        They share the first half of the nonce and so one derived key, which makes opening them
        together two to five times as fast. Raises ChoiceError if the counts differ.
        """
        _refuse_other_counts(values, places)
        first, rest = os.urandom(_HALF), os.urandom(_HALF * len(values))
        cipher = self._derived(first)
        closed = []
        for i, (value, place) in enumerate(zip(values, places, strict=True)):
            nonce = rest[_HALF * i : _HALF * (i + 1)]
            text = cipher.encrypt(nonce, value, _VALUE_VERSION + place.encode())
            closed.append(b"".join((_VALUE_VERSION, first, nonce, text)))
        return closed

    def open_many(self, sealed: Sequence[bytes], places: Sequence[str]) -> list[bytes]:
        """The values that were closed for these places, in order; none of them if one is bad.

        Raises GalleryDamaged naming the first that is truncated, not sealed, altered, moved from
        another place or sealed with another key; ChoiceError if the counts differ.
        """
        from cryptography.exceptions import InvalidTag

        _refuse_other_counts(sealed, places)
        for value, place in zip(sealed, places, strict=True):
            self._refuse_other_formats(value, place)
        opened: list[bytes] = []
        try:
            for cipher, value, place in zip(self._ciphers(sealed), sealed, places, strict=True):
                about = _VALUE_VERSION + place.encode()
                opened.append(cipher.decrypt(value[1 + _HALF : _HEAD], value[_HEAD:], about))
        except InvalidTag as error:
            raise self._bad(places[len(opened)], "is damaged or of another row or key") from error
        return opened

    def _ciphers(self, sealed: Sequence[bytes]) -> Iterator[AESGCM]:
        """The cipher of each value; the same one again while neighbours share its key."""
        last = b""
        for value in sealed:
            first = value[1 : 1 + _HALF]
            if first != last:
                last, cipher = first, self._derived(first)
            yield cipher

    def _derived(self, first: bytes) -> AESGCM:
        """AES-256-GCM under the key that XAES-256-GCM derives from a nonce's first 12 bytes."""
        key = b""
        for counter in (b"\0\1", b"\0\2"):
            mac = self._mac.copy()
            mac.update(counter + b"X\0" + first)
            key += mac.finalize()
        return self._gcm(key)

    def _refuse_other_formats(self, sealed: bytes, place: str) -> None:
        if not sealed.startswith(_VALUE_VERSION):
            raise self._bad(place, "is not sealed, or by a newer fusiform")
        if len(sealed) < _HEAD + _TAG:
            raise self._bad(place, "is truncated")

    def _bad(self, place: str, what: str) -> GalleryDamaged:
        return GalleryDamaged(f"The value {place} of {self.gallery} {what}; {FROM_COPY}.")


def _refuse_other_counts(values: Sequence[bytes], places: Sequence[str]) -> None:
    if len(values) != len(places):
        raise ChoiceError("places", f"one a value, {len(values)} in all", len(places))


def _refuse_other_lengths(data_key: bytes) -> None:
    if len(data_key) != _KEY:
        raise ChoiceError("len(data_key)", f"{_KEY} bytes", len(data_key))


def _aesgcm() -> type[AESGCM]:
    try:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    except ImportError as error:
        raise GalleryError(
            "A sealed gallery needs the package cryptography, which is not here; "
            'install it: pip install "fusiform[security]"'
        ) from error
    return AESGCM
