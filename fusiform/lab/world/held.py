"""Things that hands hold before a face."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fusiform.lab.geometry.scene import Label, Material
from fusiform.lab.world.shapes import (
    Mesh,
    about_x,
    about_z,
    circle,
    extrude,
    join,
    lathe,
    moved,
    shifted,
    sphere,
    tube,
)
from fusiform.lab.world.wear_fabric import Colour
from fusiform.lab.world.wear_piece import Piece, piece

Reals = NDArray[np.float64]

HELD = ("phone", "cup", "microphone", "book", "balloon", "stick")


def rounded_box(width: float, height: float, depth: float, corner: float = 0.12) -> Mesh:
    """A plate with rounded corners, about the origin, facing z."""
    t = 2 * np.pi * np.arange(28) / 28 + np.pi / 28
    c, s = np.cos(t), np.sin(t)
    power = 2 * corner
    outline = 0.5 * np.stack(
        [width * np.sign(c) * np.abs(c) ** power, height * np.sign(s) * np.abs(s) ** power], 1
    )
    return extrude(outline, depth, 0.25 * depth)


def things(
    kind: str, left: bool, dye: Colour, degrees: float, size: float, anchors: Reals
) -> tuple[list[Piece], Reals]:
    """A held thing (`kind` of HELD) about the origin, and where it belongs (3,) by 68 `anchors`.

    left: the hand that holds it; turned by `degrees` in the picture; scaled by `size`.
    """
    colour = np.maximum(np.array(dye), 0.02)
    side = 1.0 if left else -1.0
    turn = about_z(degrees)

    def made(mesh: Mesh, tint: object, material: Material = Material.GLOSS,
             gloss: tuple[float, float] = (0.5, 0.3)) -> Piece:  # fmt: skip
        k = np.float32(size)
        scaled = Mesh(mesh.vertices * k, mesh.normals, mesh.triangles, mesh.uv)
        return piece(kind, moved(scaled, turn, np.zeros(3)), tint, Label.OCCLUDER, material,
                     gloss=gloss)  # fmt: skip

    mouth, nose = anchors[[48, 54]].mean(0), anchors[30]
    if kind == "phone":
        body = made(rounded_box(0.074, 0.152, 0.009, 0.09), colour * 0.3 + 0.01)
        disc, spots = extrude(circle(0.006, 14), 0.002, 0.0004), (0.058, 0.042)
        eye = join([shifted(disc, np.array([-0.022, y, 0.005])) for y in spots])
        return [body, made(eye, (0.01, 0.01, 0.012), gloss=(0.5, 0.05))], nose + np.array(
            [side * 0.03, -0.03, 0.05]
        )
    if kind == "cup":
        profile = [[0.0, -0.045], [0.030, -0.047], [0.033, -0.044], [0.040, 0.047], [0.0385, 0.048]]
        profile += [[0.037, 0.046], [0.030, -0.040], [0.0, -0.041]]
        t = np.linspace(-1.2, 1.2, 14)
        ear = np.stack([-0.032 - 0.024 * np.cos(t), 0.026 * np.sin(t), 0 * t], 1) * [-side, 1, 1]
        mug = join([lathe(np.array(profile)[::-1], 28), tube(ear, 0.005, 8)])
        return [made(mug, colour)], mouth + np.array([0, -0.028, 0.045])
    if kind == "microphone":
        grip = lathe(
            np.array([[0.0, 0.0], [0.017, -0.004], [0.013, -0.03], [0.010, -0.17], [0.0, -0.172]])
        )
        head = shifted(sphere(0.025, 11, 18), np.array([0, 0.014, 0]))
        lean = about_x(24) @ about_z(-12 * side)
        parts = [moved(grip, lean, np.zeros(3)), moved(head, lean, np.zeros(3))]
        return [
            made(parts[0], (0.02, 0.02, 0.022)),
            made(parts[1], (0.16, 0.16, 0.17), gloss=(0.7, 0.6)),
        ], (mouth + np.array([side * 0.006, -0.03, 0.048]))
    if kind == "book":
        cover = made(rounded_box(0.15, 0.21, 0.020, 0.02), colour, Material.CLOTH, (0.3, 0.6))
        block = shifted(rounded_box(0.146, 0.203, 0.014, 0.02), np.array([side * 0.004, 0, 0]))
        return [cover, made(block, (0.55, 0.52, 0.45), Material.CLOTH)], nose + np.array(
            [0, -0.115, 0.06]
        )
    if kind == "balloon":
        ball = sphere(1.0, 15, 22)
        shape = ball.vertices.astype(np.float64)
        narrow = 1 - 0.20 * np.clip(-shape[:, 1], 0, 1) ** 2
        v = shape * np.stack([narrow, 1.12 + 0 * narrow, narrow], 1) * 0.075
        mesh = Mesh(v.astype(np.float32), ball.normals, ball.triangles, ball.uv)
        return [made(mesh, np.maximum(colour, 0.05), gloss=(0.5, 0.12))], nose + np.array(
            [side * 0.075, 0.03, 0.11]
        )
    length = np.linspace([0.0, -0.32, 0], [0, 0.32, 0], 12)
    pole = tube(length, 0.006 + 0.004 * abs(np.sin(40 * size)), 10, up=np.array([0, 0, 1.0]))
    tilt = moved(pole, about_z(38 * side), np.zeros(3))
    return [
        made(tilt, colour * 0.5 + np.array([0.12, 0.07, 0.03]), Material.CLOTH)
    ], nose + np.array([0, 0, 0.05])
