"""The import table of docs/architecture.md and a few habits, kept by reading the source."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "fusiform"
SOURCES = sorted(PACKAGE.rglob("*.py"))
LONGEST_FILE = 400

FLOOR = {"core"}
SHARED = FLOOR | {"measure", "hub"}
MODELS = {"detection", "recognise", "analyse", "trust"}
RUNNING = {
    "pipeline",
    "gallery",
    "indexing",
    "reembedding",
    "pointing",
    "showing",
    "bookkeeping",
    "spreading",
    "verbs",
    "policy",
    "duties",
}
LAB = {"lab.geometry", "lab.world", "lab.blocks", "lab.nets", "lab.train"}
MAY_IMPORT = {
    "fusiform": {"core", "api"},
    "__main__": {"app"},
    "policy": FLOOR | {"hub"},
    "duties": FLOOR | {"gallery", "policy"},
    "core": set(),
    "measure": FLOOR,
    "hub": FLOOR,
    **dict.fromkeys(MODELS, SHARED),
    "gallery": FLOOR | {"measure"},
    "pipeline": MODELS | FLOOR | {"hub"},
    "indexing": FLOOR | {"pipeline", "gallery"},
    "reembedding": MODELS | FLOOR | {"pipeline", "gallery"},
    "showing": FLOOR | {"gallery"},
    "bookkeeping": FLOOR | {"gallery", "policy", "duties"},
    "pointing": MODELS | FLOOR | {"pipeline"},
    "verbs": MODELS | SHARED | {"pipeline", "policy"},
    "spreading": FLOOR | {"pipeline", "verbs"},
    "api": MODELS | SHARED | RUNNING,
    "app": MODELS | SHARED | RUNNING | {"api", "fusiform", "protocols"},
    "protocols": FLOOR | {"measure"},
    "lab": FLOOR,
    "lab.geometry": FLOOR,
    "lab.world": FLOOR | {"lab.geometry"},
    "lab.blocks": FLOOR,
    "lab.nets": FLOOR | {"lab.blocks"},
    "lab.train": SHARED | {"lab.blocks"},
    "lab.recogniser": MODELS | SHARED | RUNNING | LAB | {"fusiform", "protocols"},
    "lab.papers": MODELS | SHARED | RUNNING | LAB | {"fusiform"},
}
# Rooms that may be imported inside functions only: no other command should await the lab.
LATER = {"app": LAB | {"lab.papers", "lab.recogniser"}}
# What a room may take from outside; None means any declared dependency.
OUTSIDE: dict[str, set[str] | None] = {
    "core": {"numpy", "PIL", "av", "pillow_heif", "filelock"},
    "measure": {"numpy"},
    "gallery": {"numpy", "PIL", "filelock", "psycopg", "cryptography", "pyarrow"},
    "protocols": {"numpy", "PIL"},
    "lab.geometry": {"numpy", "numba", "torch", "scipy"},
    "lab.world": {"numpy", "numba", "PIL", "torch"},
}
# What a file may import only where it says so, and what only inside functions.
TORCH_FILES = re.compile(r"(.*_torch|dataset)\.py")
TORCH_ROOMS = {"lab.blocks", "lab.nets", "lab.train", "lab.recogniser", "lab.papers"}
INSIDE_ONLY = {"scipy", "sklearn", "psycopg", "cryptography", "distributed", "pyarrow"}
MODULE_OF = {
    "pillow": "PIL", "dlib-bin": "dlib", "pillow-heif": "pillow_heif",
    "espeakng-loader": "espeakng_loader", "scikit-learn": "sklearn",
}  # fmt: skip
# Data packages: their files are read, their code never runs.
DATA_ONLY = {"face_recognition_models"}
NEVER = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "torchvision", "pkg_resources"}

# Effects of an import that are wanted, each with its reason beside it in the source.
KNOWN_EFFECTS = {
    "fusiform.core.decode": {"warnings.filterwarnings"},
    "fusiform.lab.geometry.kernel": {"config.SLP_VECTORIZE"},
}

SKIPPED_FOLDERS = {"__pycache__", ".git", ".venv", "build", "dist", "demo"}


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_of(path): path for path in SOURCES}


def room_of(module: str) -> str:
    parts = module.split(".")
    if parts[1:2] == ["lab"]:
        return ".".join(parts[1:3])
    return parts[1] if len(parts) > 1 else parts[0]


def imports(path: Path) -> Iterator[str]:
    """Absolute names of all that a file imports, wherever in it the import stands."""
    yield from imported(ast.walk(ast.parse(path.read_text("utf-8"), str(path))))


def at_start(path: Path) -> Iterator[str]:
    """Those that are imported with the file itself: not in functions nor for type checking."""

    def outside(body: list[ast.stmt]) -> Iterator[ast.AST]:
        for node in body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            checking = isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
            parts = [] if checking else ["body"]
            for part in [*parts, "orelse", "finalbody"]:
                yield from outside(getattr(node, part, []))
            yield node

    yield from imported(outside(ast.parse(path.read_text("utf-8"), str(path)).body))


def imported(nodes: Iterable[ast.AST]) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            inside = [f"{base}.{alias.name}" for alias in node.names]
            yield from (name if name_is_module(name) else base for name in inside)


def test_no_paper_imports_another():
    papers = {n for n in MODULES if re.fullmatch(r"fusiform\.lab\.papers\.\w+\.\w+", n)}
    assert not {n: p for n in MODULES if (p := papers & set(imports(MODULES[n])) - {n})}


def name_is_module(name: str) -> bool:
    return name in MODULES or (PACKAGE.parent / Path(*name.split("."))).is_dir()


def declared_dependencies() -> set[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = project["optional-dependencies"]
    lines = [*project["dependencies"], *(line for e in extras if e != "dev" for line in extras[e])]
    names = {line.split(";")[0].split("[")[0].split(">")[0].split("=")[0].strip() for line in lines}
    return {MODULE_OF.get(name, name) for name in names} - DATA_ONLY


@pytest.fixture(params=SOURCES, ids=[str(p.relative_to(ROOT)) for p in SOURCES])
def source(request) -> Path:
    return request.param


def test_rooms_import_only_what_the_table_allows(source):
    room = room_of(module_of(source))
    assert room in MAY_IMPORT, f"{room} is no room of the house"
    ours = {room_of(name) for name in imports(source) if name.split(".")[0] == "fusiform"}
    assert ours - {room} <= MAY_IMPORT[room] | LATER.get(room, set())
    now = {room_of(name) for name in at_start(source) if name.split(".")[0] == "fusiform"}
    assert now - {room} <= MAY_IMPORT[room]


def outsiders(names: Iterable[str]) -> set[str]:
    return {name.split(".")[0] for name in names} - {"fusiform"} - set(sys.stdlib_module_names)


def test_imports_from_outside_are_declared_and_allowed(source):
    room = room_of(module_of(source))
    assert outsiders(imports(source)) <= (OUTSIDE.get(room) or declared_dependencies())
    assert not outsiders(at_start(source)) & INSIDE_ONLY
    if room not in TORCH_ROOMS and not TORCH_FILES.fullmatch(source.name):
        assert "torch" not in outsiders(imports(source))


def test_what_is_never_imported(source):
    assert not {name.split(".")[0] for name in imports(source)} & NEVER


def test_imports_are_absolute(source):
    tree = ast.parse(source.read_text("utf-8"))
    assert not [n for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) and n.level]


def effects(path: Path) -> Iterator[str]:
    """What importing a file would do beyond defining its own names."""
    body = ast.parse(path.read_text("utf-8")).body
    assigned = [node for node in body if isinstance(node, (ast.Assign, ast.AugAssign))]
    targets = [
        t for n in assigned for t in (n.targets if isinstance(n, ast.Assign) else [n.target])
    ]
    own = {t.id for t in targets if isinstance(t, ast.Name)}
    for target in targets:
        owner = ast.unparse(target).split("[")[0]
        if isinstance(target, (ast.Subscript, ast.Attribute)) and owner not in own:
            yield owner
    for node in body:
        if isinstance(node, ast.Expr) and not isinstance(node.value, ast.Constant):
            yield ast.unparse(node.value).split("(")[0]


def test_importing_does_nothing(source):
    """No call that stands alone, no assignment into something of another module."""
    # Registering commands is how the command line is defined.
    found = {e for e in effects(source) if not e.startswith("app.")}
    assert found == KNOWN_EFFECTS.get(module_of(source), set())


def test_search_path_is_left_alone(source):
    assert "sys.path" not in source.read_text("utf-8")


def test_no_import_cycles():
    graph = {name: set(imports(path)) & set(MODULES) - {name} for name, path in MODULES.items()}
    assert len(list(TopologicalSorter(graph).static_order())) == len(MODULES)


def test_start_up_imports_are_told_from_later_ones(tmp_path):
    source = tmp_path / "example.py"
    source.write_text(
        "import a\nif TYPE_CHECKING:\n    import b\nelse:\n    import c\n"
        "class K:\n    import d\n    def f(self):\n        import e\n"
        "try:\n    import g\nfinally:\n    import h\n"
    )
    assert set(at_start(source)) == set("acdgh")
    assert set(imports(source)) == set("abcdegh")


@pytest.mark.parametrize("folder", ["fusiform", "tests", "recipes", "benchmarks"])
def test_files_are_short(folder):
    lengths = {p: len(p.read_text("utf-8").splitlines()) for p in (ROOT / folder).rglob("*.py")}
    assert not {str(p): n for p, n in lengths.items() if n > LONGEST_FILE}


def project_files() -> Iterator[Path]:
    for path in ROOT.rglob("*"):
        folders = path.relative_to(ROOT).parts[:-1]
        hidden = any(f.endswith((".egg-info", "_cache")) or f == ".hypothesis" for f in folders)
        if path.is_file() and not hidden and not SKIPPED_FOLDERS & set(folders):
            yield path


def test_no_file_names_a_machine_or_a_registry():
    # Spelt in parts, so that this file does not name them either.
    machine = [f"/{folder}/" for folder in ("work", "tmp", "root")]
    registries = ["pypi" + ".org", "pythonhosted" + ".org", "npmjs" + ".org", "deb.debian" + ".org"]
    found = []
    for path in project_files():
        text = path.read_bytes().decode("utf-8", "ignore")
        if path.suffix not in {".jpg", ".png", ".npz", ".onnx"}:
            found += [f"{path}: {word}" for word in machine + registries if word in text]
    assert not found


def test_importing_fusiform_is_light():
    heavy = "torch", "onnxruntime", "dlib", "PIL", "av", "typer", "scipy", "sklearn", "cv2", "numba"
    code = "import fusiform, fusiform.lab.world, sys; "
    code += f"print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")
