"""How a picture is taken: face, gaze, pose, camera, light, place and sensor."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from fusiform.core.errors import ChoiceError
from fusiform.lab.geometry.camera import Doubles, euler, matrix
from fusiform.lab.geometry.head import Floats
from fusiform.lab.geometry.scene import Lamp, Lighting
from fusiform.lab.world.cameras import sample_sensor
from fusiform.lab.world.expressions import ARKIT, named, sample_expression
from fusiform.lab.world.light import facing, sample_light
from fusiform.lab.world.sensor import Sensor

SMALLEST, LARGEST = 16, 2048
NECK_REACH = np.array([45.0, 30.0, 20.0])  # degrees a head turns against the torso
COMMON = ("overcast", "shade", "window", "office", "butterfly", "rembrandt", "sunny")
PLAIN = "butterfly"  # a studio's light, where none is asked for
EASE = {"browInnerUp": 0.14, "mouthSmile": 0.10}  # a face at rest is not a stern one


@dataclass(frozen=True)
class Plan:
    """What pictures of a preset are like.

    `yaw`, `pitch`, `roll`: half ranges in degrees, drawn bell-shaped with `spread` of the range
    as standard deviation (infinite: even). `expression`: strength 0..1 of drawn expressions, with
    chance `lively`. `looking`: standard deviation of the gaze, degrees. `fill`: range of the
    face's share of the picture's height. `shift`: how far off the middle, in shares of the size.
    `dressing`: how often things hide parts of the face. `grime`: strength of the sensor's faults,
    0..2. `redress`: whether hair, make-up and clothes change between pictures of a person.
    `light`: "any" of light.KINDS alike, or "common": mostly those that people are photographed in.
    """

    yaw: float = 40.0
    pitch: float = 18.0
    roll: float = 15.0
    spread: float = 0.45
    expression: float = 0.8
    lively: float = 0.5
    looking: float = 9.0
    fill: tuple[float, float] = (0.42, 0.62)
    shift: float = 0.03
    dressing: float = 0.3
    grime: float = 0.8
    redress: bool = True
    light: str = "any"
    size: int = 128


PRESETS = {
    "recognition": Plan(
        *(50, 14, 10, 0.27),
        expression=0.5,
        lively=0.35,
        fill=(0.5, 0.62),
        dressing=0.02,
        grime=0.5,
        light="common",
        size=112,
    ),
    "detection": Plan(
        yaw=60, pitch=20, roll=15, spread=2.0, fill=(0.4, 0.6), dressing=0, grime=0.5
    ),
    "wild": Plan(yaw=75, pitch=25, roll=20, fill=(0.45, 0.65), dressing=0.4, grime=1.2, size=112),
    "landmarks": Plan(yaw=90, pitch=30, roll=30, fill=(0.35, 0.62), dressing=0.4, size=128),
    "parsing": Plan(yaw=75, pitch=25, roll=20, fill=(0.30, 0.55), dressing=0.7, size=256),
    "expression": Plan(yaw=35, expression=1.0, lively=0.95, dressing=0.1, grime=0.6, size=128),
    "video": Plan(yaw=25, pitch=12, roll=8, dressing=0.15, grime=0.5, redress=False, size=256),
    "antispoof": Plan(yaw=30, pitch=15, roll=12, fill=(0.40, 0.6), dressing=0.15, size=224),
    "portrait": Plan(
        *(22, 8, 6),
        expression=0.6,
        lively=0.35,
        looking=5,
        fill=(0.46, 0.52),
        dressing=0.2,
        grime=0.25,
        size=256,
    ),
}


@dataclass(frozen=True, eq=False)
class Shot:
    """`expression` (52,), `tongue` (out, up, tip), `gaze` (yaw, pitch) degrees in the head's axes;
    `head` and `bearing`: yaw, pitch, roll (degrees) of the head against the torso and of the torso
    against the camera; `distance` metres from the camera to the face; `fill`: height of the face
    (middle of the forehead to chin) as a share of the picture's; `offset` (2,) in shares of the
    size. `seed` draws background and noise. `blur`: of the background, None: drawn."""

    size: int = 256
    expression: Floats = field(default_factory=lambda: np.zeros(52, np.float32))
    tongue: tuple[float, float, float] = (0.0, 0.0, 0.0)
    gaze: tuple[float, float] = (0.0, 0.0)
    head: tuple[float, float, float] = (0.0, 0.0, 0.0)
    bearing: tuple[float, float, float] = (0.0, 0.0, 0.0)
    distance: float = 0.9
    fill: float = 0.5
    offset: tuple[float, float] = (0.0, 0.0)
    pupil: float = 0.0035
    light: str = PLAIN
    lighting: Lighting = field(
        default_factory=lambda: sample_light(np.random.default_rng(0), PLAIN)[1]
    )
    background: str | None = None
    blur: float | None = None
    sensor: Sensor = field(default_factory=Sensor.clean)
    seed: int = 0

    def __post_init__(self) -> None:
        if not SMALLEST <= self.size <= LARGEST:
            raise ChoiceError("size", f"{SMALLEST} to {LARGEST} pixels", self.size)


def plan_of(preset: str) -> Plan:
    """The plan called `preset`. Raises ChoiceError for an unknown one."""
    if preset not in PRESETS:
        raise ChoiceError("preset", tuple(PRESETS), preset)
    return PRESETS[preset]


def sample_shot(rng: np.random.Generator, plan: Plan, size: int | None = None) -> Shot:
    """A picture as `plan` says, `size` pixels square (the plan's own where None)."""
    size = plan.size if size is None else size
    pose = np.array([bell(rng, reach, plan.spread) for reach in (plan.yaw, plan.pitch, plan.roll)])
    neck = np.clip(pose * rng.uniform(0.4, 0.9, 3), -NECK_REACH, NECK_REACH)
    turn = matrix(*pose)
    gaze = np.clip(rng.normal(0, plan.looking, 2) * [1, 0.6], -28, 28)
    if rng.random() < 0.5:  # half the people look at the camera
        gaze = np.clip(to_camera(turn) + rng.normal(0, 2, 2), -25, 25)
    common = common_light(rng) if plan.light == "common" else None
    light, lighting = sample_light(rng, common)
    if common:
        lighting = tempered(lighting, rng)
    return Shot(
        size=size,
        expression=resting(rng, drawn_expression(rng, plan)),
        gaze=(float(gaze[0]), float(gaze[1])),
        head=(float(neck[0]), float(neck[1]), float(neck[2])),
        bearing=euler(turn @ matrix(*neck).T),  # so that head on torso is just `pose`
        distance=float(np.exp(rng.normal(np.log(1.0), 0.45)).clip(0.4, 3.0)),
        fill=float(rng.uniform(*plan.fill)),
        offset=tuple(float(x) for x in rng.normal(0, plan.shift, 2)),  # type: ignore[arg-type]
        pupil=float(rng.uniform(0.0025, 0.005)),
        light=light,
        lighting=lighting,
        sensor=sample_sensor(rng, plan.grime, size),
        seed=int(rng.integers(2**31)),
    )


def to_camera(turn: Doubles) -> Doubles:
    """Gaze (yaw, pitch) at the camera, degrees, in the axes of a head turned by `turn` (3, 3)."""
    x, y, z = turn[2]
    return np.degrees([np.arctan2(x, z), -np.arcsin(np.clip(y, -1, 1))])


def common_light(rng: np.random.Generator) -> str | None:
    """A kind of light as most photos have it; one in twelve is of any kind."""
    return str(rng.choice(COMMON)) if rng.random() < 0.92 else None


def tempered(lighting: Lighting, rng: np.random.Generator) -> Lighting:
    """The light with a share of 35 to 60 % in its lamps, as photographers seek it: neither flat
    nor harsh. Light without lamps gets a wide soft one from above, as under a real sky; only the
    strongest lamp casts shadows."""
    front = np.array([[0.0, 0.0, 1.0]])
    sky = facing(Lighting(lighting.environment), front)[0]
    lamps = lighting.lamps
    lit = facing(Lighting(np.zeros((9, 3), np.float32), lamps), front)[0]
    total = float((sky + lit).mean())
    if lit.mean() < 0.15 * sky.mean():
        azimuth, elevation = np.radians(rng.uniform(-45, 45)), np.radians(rng.uniform(35, 60))
        flat, rise = np.cos(elevation), np.sin(elevation)
        way = np.array([flat * np.sin(azimuth), rise, flat * np.cos(azimuth)], np.float32)
        lamps = (Lamp(way, (sky / way[2]).astype(np.float32), 0.35),)
        lit = sky
    share = float(rng.uniform(0.35, 0.6))
    dim, strong = (1 - share) * total / float(sky.mean()), share * total / float(lit.mean())
    main = max(range(len(lamps)), key=lambda i: float(lamps[i].colour.mean()))
    return Lighting(
        (lighting.environment * dim).astype(np.float32),
        tuple(
            replace(one, colour=(one.colour * strong).astype(np.float32), casts_shadow=i == main)
            for i, one in enumerate(lamps)
        ),
    )


def bell(rng: np.random.Generator, reach: float, spread: float) -> float:
    """A number within +-reach: normal with deviation `spread * reach`, drawn again outside."""
    for _ in range(20):
        value = float(rng.normal(0, spread * reach))
        if abs(value) <= reach:
            return value
    return float(rng.uniform(-reach, reach))


def drawn_expression(rng: np.random.Generator, plan: Plan) -> Floats:
    if rng.random() >= plan.lively:
        return named("neutral")
    return sample_expression(rng, plan.expression * float(rng.uniform(0.4, 1)))


def resting(rng: np.random.Generator, expression: Floats) -> Floats:
    """With the ease of a face at rest on top, and lids a little lower or higher."""
    out = expression.copy()
    for start, amount in EASE.items():
        lift = max(0.0, float(rng.normal(amount, amount / 2)))
        for row, name in enumerate(ARKIT):
            if name.startswith(start) and not name.endswith("Inner"):
                out[row] = min(1.0, out[row] + lift)
    droop = abs(float(rng.normal(0, 0.07)))
    for row, name in enumerate(ARKIT):
        if name.startswith("eyeBlink"):
            out[row] = min(1.0, max(out[row], droop))
    return out
