"""Photos, faces and people kept in one SQLite file: store, search, grouping, decisions, erasure."""

from fusiform.gallery.erasure import compact, forget
from fusiform.gallery.freshness import Staleness, stale
from fusiform.gallery.grouping import MINIMUM_QUALITY, group
from fusiform.gallery.journal import Decisions, acts, replay
from fusiform.gallery.persons import merge, name, people, person, regroup, split
from fusiform.gallery.records import Erasure, FaceRow, Match, Person, Photo, Skipped
from fusiform.gallery.search import find, nearest
from fusiform.gallery.store import Store

__all__ = [
    "MINIMUM_QUALITY",
    "Decisions",
    "Erasure",
    "FaceRow",
    "Match",
    "Person",
    "Photo",
    "Skipped",
    "Staleness",
    "Store",
    "acts",
    "compact",
    "find",
    "forget",
    "group",
    "merge",
    "name",
    "nearest",
    "people",
    "person",
    "regroup",
    "replay",
    "split",
    "stale",
]
