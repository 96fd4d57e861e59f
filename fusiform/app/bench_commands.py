"""`fusiform bench`: our figures beside the peers', measured in one run.

A benchmark is imported when it is run: no other command should wait for it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from fusiform.app.bench.run import Comparison, Result, save
from fusiform.app.terminal import Command, Group, JsonOption, say, show, show_json, show_table

app = typer.Typer()
bench = typer.Typer(
    cls=Group,
    no_args_is_help=True,
    help="Measure: ours, the peers' and the ratio, in one run (docs/benchmarks.md).",
)
app.add_typer(bench, name="bench")

SaveOption = Annotated[bool, typer.Option("--save", help="Also write results/NAME.json here.")]
SeedOption = Annotated[int, typer.Option(min=0, help="Where the random draws start.")]
RoundsOption = Annotated[int, typer.Option(min=1, help="How often each takes its turn.")]
PythonOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--peer-python",
        metavar="PYTHON",
        help="Another Python with dlib and face_recognition; may be given several times.",
    ),
]
RealOption = Annotated[
    Path | None,
    typer.Option(
        "--real",
        metavar="FOLDER",
        envvar="FUSIFORM_REAL",
        help="Real photos: a folder with orl/ and officials/.",
    ),
]


@bench.command(cls=Command)
def job(
    photos: Annotated[
        Path | None, typer.Argument(metavar="[PHOTOS]", help="A folder of photos.")
    ] = None,
    count: Annotated[int, typer.Option(min=1, help="How many photos to make if none given.")] = 60,
    rounds: RoundsOption = 3,
    seed: SeedOption = 0,
    peer_python: PythonOption = None,
    keep: SaveOption = False,
    as_json: JsonOption = False,
) -> None:
    """Photos to grouped people, against face_recognition and a plain chain of the same networks.

    Examples:

        fusiform bench job ~/Pictures/2024

        fusiform bench job --count 100 --peer-python other/bin/python --save
    """
    from fusiform.app.bench.job import bench_job

    pythons = peer_python or []
    tell(bench_job(photos, count=count, rounds=rounds, seed=seed, pythons=pythons), keep, as_json)


@bench.command(cls=Command)
def embed(
    crops: Annotated[int, typer.Option(min=1, help="How many vectors to compare.")] = 200,
    rounds: RoundsOption = 5,
    seed: SeedOption = 0,
    peer_python: PythonOption = None,
    keep: SaveOption = False,
    as_json: JsonOption = False,
) -> None:
    """Batches of 32 crops through dlib's network, against dlib itself.

    Example:

        fusiform bench embed --peer-python other/bin/python
    """
    from fusiform.app.bench.embed import bench_embed

    pythons = peer_python or []
    tell(bench_embed(crops=crops, rounds=rounds, seed=seed, pythons=pythons), keep, as_json)


@bench.command(cls=Command)
def detect(
    rounds: RoundsOption = 7,
    real: RealOption = None,
    keep: SaveOption = False,
    as_json: JsonOption = False,
) -> None:
    """YuNet with all its steps, against OpenCV, the bare network and dlib's HOG; and recall.

    Example:

        fusiform bench detect --real photos
    """
    from fusiform.app.bench.detect import bench_detect

    tell(bench_detect(rounds=rounds, real=real), keep, as_json)


@bench.command(cls=Command)
def group(
    real: RealOption = None,
    shuffles: Annotated[int, typer.Option(min=1, help="Orders of the photos to try.")] = 20,
    sizes: Annotated[
        str, typer.Option(help="Numbers of made vectors, with commas between.")
    ] = "1000,10000,50000",
    limit: Annotated[float, typer.Option(help="Seconds for one method at one size.")] = 300.0,
    seed: SeedOption = 0,
    keep: SaveOption = False,
    as_json: JsonOption = False,
) -> None:
    """People of the real photos, against DBSCAN and Chinese whispers; time and memory by size.

    Example:

        fusiform bench group --real photos --sizes 1000,10000
    """
    from fusiform.app.bench.group import bench_group

    numbers = [int(size) for size in sizes.split(",") if size]
    tell(bench_group(real, shuffles=shuffles, seed=seed, sizes=numbers, limit=limit), keep, as_json)


@bench.command("gallery", cls=Command)
def gallery_(
    sizes: Annotated[
        str, typer.Option(help="Numbers of faces, with commas between.")
    ] = "1000,10000,100000",
    limit: Annotated[float, typer.Option(help="Seconds for one measurement.")] = 1200.0,
    plot: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Measure nothing: draw results/gallery.json, saved before, as SVG.",
        ),
    ] = None,
    seed: SeedOption = 0,
    keep: SaveOption = False,
    as_json: JsonOption = False,
) -> None:
    """Grouping, adding, searching and opening by number of faces, beside scikit-learn and faiss.

    Examples:

        fusiform bench gallery --sizes 1000,10000,1000000 --save

        fusiform bench gallery --plot curves.svg
    """
    if plot is not None:
        from fusiform.app.bench import gallery_plot

        gallery_plot.plot(Path("results") / "gallery.json", plot)
        say(f"written: {plot}")
        return
    from fusiform.app.bench.gallery import bench_gallery

    numbers = [int(size) for size in sizes.split(",") if size]
    tell(bench_gallery(numbers, seed=seed, limit=limit), keep, as_json)


@bench.command("seal", cls=Command)
def seal_(
    faces: Annotated[int, typer.Option(min=200, help="How many faces.")] = 20_000,
    seed: SeedOption = 0,
    keep: SaveOption = False,
    as_json: JsonOption = False,
) -> None:
    """What encryption costs: the same gallery plain and sealed.

    Example:

        fusiform bench seal --faces 100000
    """
    from fusiform.app.bench.seal import bench_seal

    tell(bench_seal(faces=faces, seed=seed), keep, as_json)


@bench.command(cls=Command)
def spread(
    count: Annotated[int, typer.Option(min=8, help="How many photos to make.")] = 300,
    rounds: RoundsOption = 3,
    seed: SeedOption = 0,
    server: Annotated[
        str | None,
        typer.Option(
            metavar="URL", help="Also store in this gallery: postgresql://...?schema=NAME."
        ),
    ] = None,
    keep: SaveOption = False,
    as_json: JsonOption = False,
) -> None:
    """Indexing by one and two workers of a Dask cluster on this machine, against threads.

    Example:

        fusiform bench spread --count 200 --save
    """
    from fusiform.app.bench.spread import bench_spread

    tell(bench_spread(count, rounds=rounds, seed=seed, server=server), keep, as_json)


@bench.command(cls=Command)
def scale(
    seed: SeedOption = 0,
    draw: Annotated[
        Path | None, typer.Option("--draw", metavar="FILE", help="Draw throughput as an SVG.")
    ] = None,
    keep: SaveOption = False,
    as_json: JsonOption = False,
) -> None:
    """Simulated: throughput, days and disk of 1 to 1,000 workers, and search over shards.

    Example:

        fusiform bench scale --draw scale.svg --save
    """
    from fusiform.app.bench.scale import bench_scale, svg

    result = bench_scale(seed=seed)
    tell(result, keep, as_json)
    if draw:
        draw.write_text(svg(result.tables["indexing"]), "utf-8")


@bench.command(cls=Command)
def memory(
    photos: Annotated[int, typer.Option(min=2, help="How many photos to make.")] = 10_000,
    seed: SeedOption = 0,
    keep: SaveOption = False,
    as_json: JsonOption = False,
) -> None:
    """Peak memory of indexing many photos: is it flat?

    Example:

        fusiform bench memory --photos 2000
    """
    from fusiform.app.bench.memory import bench_memory

    tell(bench_memory(photos, seed=seed), keep, as_json)


@bench.command(cls=Command)
def install(
    peers: Annotated[bool, typer.Option("--peers", help="Install the peers too: slow.")] = False,
    keep: SaveOption = False,
    as_json: JsonOption = False,
) -> None:
    """Megabytes of a fresh installation, weights included, and the time of `import fusiform`.

    Example:

        fusiform bench install --peers
    """
    from fusiform.app.bench.install import bench_install

    tell(bench_install(peers=peers), keep, as_json)


@bench.command(cls=Command)
def thresholds(
    real: RealOption = None,
    rounds: Annotated[int, typer.Option(min=1, help="Draws of the bootstrap.")] = 1000,
    seed: SeedOption = 0,
    keep: SaveOption = False,
    as_json: JsonOption = False,
) -> None:
    """Thresholds and calibration of dlib's network on the real photos, as its card states them.

    Example:

        fusiform bench thresholds --real photos --json
    """
    from fusiform.app.bench.thresholds import bench_thresholds

    tell(bench_thresholds(real, rounds=rounds, seed=seed), keep, as_json)


@bench.command(cls=Command)
def world(
    people: Annotated[int, typer.Option(min=1, help="How many people, for each core.")] = 12,
    images: Annotated[int, typer.Option(min=1, help="Pictures of each.")] = 20,
    seed: SeedOption = 0,
    keep: SaveOption = False,
    as_json: JsonOption = False,
) -> None:
    """Synthetic pictures a second with all labels, and the torch reference in the same run.

    Example:

        fusiform bench world --save
    """
    from fusiform.app.bench.world import bench_world

    tell(bench_world(people=people, images=images, seed=seed), keep, as_json)


@bench.command(cls=Command)
def identity(
    people: Annotated[int, typer.Option(min=2, help="How many synthetic people.")] = 500,
    images: Annotated[int, typer.Option(min=2, help="Pictures of each.")] = 6,
    seed: SeedOption = 0,
    keep: SaveOption = False,
    as_json: JsonOption = False,
) -> None:
    """How well networks trained on real faces find the world's people and tell them apart.

    Example:

        fusiform bench identity --people 100 --save
    """
    from fusiform.app.bench.identity import bench_identity

    tell(bench_identity(people=people, images=images, seed=seed), keep, as_json)


def tell(result: Result, keep: bool, as_json: bool) -> None:
    """Prints a result, and writes it down if asked."""
    if as_json:
        show_json(result.to_json())
    else:
        _print(result)
    if keep:
        say(f"written: {save(result, Path('results'))}")


def _print(result: Result) -> None:
    machine = result.environment
    show(f"{result.name}: {result.statistic}")
    show(f"{machine['cpu']}, {machine['threads']} cores; fusiform {machine['fusiform']}")
    if result.comparisons:
        columns = ["what", "ours#", "the other", "theirs#", "ratio#", "unit"]
        show_table(columns, [_row(line) for line in result.comparisons])
    for title, rows in result.tables.items():
        show("")
        show(title)
        _print_rows(rows)
    for note in (*result.notes, *sorted({c.note for c in result.comparisons if c.note})):
        show(f"note: {note}")


def _print_rows(rows: list[dict[str, Any]]) -> None:
    if any(isinstance(value, (list, dict)) for row in rows for value in row.values()):
        show_json(rows)  # lists within rows fit no table
    else:
        heads = list(rows[0]) if rows else []
        cells = [["-" if row[head] is None else row[head] for head in heads] for row in rows]
        show_table(heads, cells)


def _row(line: Comparison) -> list[str]:
    theirs = "-" if line.peer_figure is None else f"{line.peer_figure:.4g}"
    ratio = "-" if line.ratio is None else f"{line.ratio:.2f}x"
    return [line.what, f"{line.ours:.4g}", line.peer or "-", theirs, ratio, line.unit]
