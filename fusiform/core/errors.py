"""Everything fusiform raises on purpose.

FusiformError
├── ChoiceError            an argument is outside what is allowed (also a ValueError)
├── PictureError           one picture cannot be read; names the file and the remedy
│   ├── NotAPicture        the bytes are no picture format known here
│   ├── DamagedPicture     empty, truncated or corrupt
│   └── PictureTooLarge    more pixels than the limit (decompression bomb)
├── ModelError             a model cannot be used
│   ├── ModelMissing       its weights are not on this machine
│   ├── ModelDamaged       its file does not have the hash its card states
│   └── ModelUnsupported   its inputs or outputs are not of a known kind
├── OfflineError           the network was needed while it is switched off
├── FetchError             a download failed; says how to do it by hand
├── PolicyForbids          this machine's policy does not allow it
│   └── PolicyDamaged      a policy cannot be read, so nothing it may speak of is allowed
├── ClusterError           a Dask cluster cannot do its part of the work
├── DataError              a data set on disk is not what its format says
└── GalleryError           a gallery cannot do what was asked
    ├── GalleryBusy        another process is indexing it
    ├── GalleryDamaged     the file is no gallery, or SQLite finds it corrupt
    ├── GalleryUnwritable  no permission, or the disk is full
    ├── ModelsDiffer       other models were asked for than the gallery was made with
    └── UnknownPerson      no person has that name or number
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path


class FusiformError(Exception):
    """Base of all errors raised on purpose. The message says what is wrong and what to do."""


class ChoiceError(FusiformError, ValueError):
    """An argument is outside what is allowed."""

    def __init__(self, name: str, allowed: Iterable[object] | str, got: object) -> None:
        wanted = allowed if isinstance(allowed, str) else "one of " + ", ".join(map(repr, allowed))
        super().__init__(f"{name} must be {wanted}. Got {got!r}.")


class PictureError(FusiformError):
    """One picture cannot be read.

    Attributes: `source` (path or description), `reason` and `remedy` (short phrases).
    """

    def __init__(self, source: str | Path, reason: str, remedy: str) -> None:
        super().__init__(f"{source}: {reason}; {remedy}")
        self.source, self.reason, self.remedy = str(source), reason, remedy

    def __reduce__(self) -> tuple[type, tuple[str, str, str]]:
        return type(self), (self.source, self.reason, self.remedy)


class NotAPicture(PictureError):
    """The bytes are no picture format known here."""


class DamagedPicture(PictureError):
    """Empty, truncated or corrupt."""


class PictureTooLarge(PictureError):
    """More pixels than the limit allows."""


class ModelError(FusiformError):
    """A model cannot be used."""


class ModelMissing(ModelError):
    """A model's weights are not on this machine."""


class ModelDamaged(ModelError):
    """A model's file does not have the hash its card states."""


class ModelUnsupported(ModelError):
    """A model's inputs or outputs are not of a known kind."""


class OfflineError(FusiformError):
    """The network was needed while it is switched off."""


class FetchError(FusiformError):
    """A download failed; the message says how to do it by hand."""


class PolicyForbids(FusiformError):
    """The policy of this machine does not allow it; the message names the file."""


class PolicyDamaged(PolicyForbids):
    """A policy cannot be read, so nothing it may speak of is allowed."""


class ClusterError(FusiformError):
    """A Dask cluster cannot do its part: not there, without workers, or with other models."""


class DataError(FusiformError):
    """A data set on disk is not what its format says: missing, damaged, or at odds with itself.

    Attributes: `source` (the file), `reason` and `remedy` (short phrases).
    """

    def __init__(self, source: str | Path, reason: str, remedy: str) -> None:
        super().__init__(f"{source}: {reason}; {remedy}")
        self.source, self.reason, self.remedy = str(source), reason, remedy

    def __reduce__(self) -> tuple[type, tuple[str, str, str]]:
        return type(self), (self.source, self.reason, self.remedy)


class GalleryError(FusiformError):
    """A gallery cannot do what was asked."""


class GalleryBusy(GalleryError):
    """Another process is indexing the gallery."""


class GalleryDamaged(GalleryError):
    """The file is no gallery, or SQLite finds it corrupt."""


class GalleryUnwritable(GalleryError):
    """No permission to write, or the disk is full."""


class ModelsDiffer(GalleryError):
    """Other models were asked for than the gallery was made with."""


class UnknownPerson(GalleryError):
    """No person of the gallery has that name or number."""
