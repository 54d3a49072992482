# SPDX-License-Identifier: Apache-2.0
"""Textures made by formula: walls, floors, ground, cloth, fronts of houses, printed matter."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

SIDE = 256


def patterns(rng: np.random.Generator) -> Iterator[tuple[str, np.ndarray]]:
    """Images of SIDE x SIDE x 3 uint8, which tile, with the name of their group."""
    for _ in range(26):
        yield "ground", _graded(rng, _ground(rng), natural=True)
    for _ in range(16):
        yield "plaster", _graded(rng, 0.5 + 0.25 * (cloud(rng, rng.uniform(0.8, 1.6)) - 0.5), spread=0.35)
    for _ in range(10):
        yield "cloth", _graded(rng, _woven(rng))
    for _ in range(10):
        yield "stripes", _graded(rng, _stripes(rng))
    for _ in range(8):
        yield "tiles", _graded(rng, _checks(rng))
    for _ in range(12):
        yield "tiles", _bricks(rng, 1, 0.0)
    for _ in range(10):
        yield "bricks", _bricks(rng, int(rng.integers(2, 5)), 0.5)
    for _ in range(14):
        yield "planks", _planks(rng)
    for _ in range(8):
        yield "dots", _dots(rng)
    for _ in range(14):
        yield "front", _front(rng)
    for _ in range(14):
        yield "print", _printed(rng)


def cloud(rng: np.random.Generator, power: float, stretch: float = 1.0) -> np.ndarray:
    """Noise whose spectrum falls with frequency^-power, in 0..1; it tiles. stretch: along the columns."""
    fy = np.fft.fftfreq(SIDE)[:, None] * stretch
    fx = np.fft.rfftfreq(SIDE)[None] / stretch
    size = np.hypot(fx, fy)
    size[0, 0] = 1
    spectrum = rng.normal(size=size.shape) + 1j * rng.normal(size=size.shape)
    spectrum *= size**-power
    spectrum[0, 0] = 0
    image = np.fft.irfft2(spectrum, (SIDE, SIDE))
    return np.clip(0.5 + image / (4.5 * image.std() + 1e-9), 0, 1)


def _colour(rng: np.random.Generator, natural: bool = False) -> np.ndarray:
    if natural:
        return np.array(
            [[0.32, 0.38, 0.16], [0.45, 0.36, 0.25], [0.55, 0.52, 0.46], [0.4, 0.4, 0.41], [0.7, 0.62, 0.45]]
        )[rng.integers(5)] * rng.uniform(0.6, 1.3)
    grey = rng.uniform(0.1, 0.95)
    return np.clip(grey + rng.normal(0, rng.choice([0.03, 0.2]), 3), 0.02, 0.98)


def _graded(rng: np.random.Generator, level: np.ndarray, natural: bool = False, spread: float = 1.0) -> np.ndarray:
    """A grey image between two or three colours."""
    first = _colour(rng, natural)
    second = _colour(rng, natural)
    third = _colour(rng, natural)
    second, third = first + (second - first) * spread, first + (third - first) * spread
    t = level[..., None] * 2
    image = np.where(t < 1, first + (second - first) * t, second + (third - second) * (t - 1))
    return _bytes(image * (0.94 + 0.12 * rng.random((SIDE, SIDE, 1))))


def _bytes(image: np.ndarray) -> np.ndarray:
    return (np.clip(image, 0, 1) * 255).astype(np.uint8)


def _ground(rng: np.random.Generator) -> np.ndarray:
    fine = cloud(rng, rng.uniform(0.1, 0.8))
    return np.clip(0.6 * cloud(rng, rng.uniform(0.9, 1.6)) + rng.uniform(0.3, 0.8) * (fine - 0.5) + 0.2, 0, 1)


def _grid(across: int, down: int) -> tuple[np.ndarray, np.ndarray]:
    y, x = np.mgrid[:SIDE, :SIDE] / SIDE
    return x * across, y * down


def _woven(rng: np.random.Generator) -> np.ndarray:
    x, y = _grid(int(rng.integers(8, 40)), int(rng.integers(8, 40)))
    plaid = np.sin(2 * np.pi * x) * rng.uniform(0, 1) + np.sin(2 * np.pi * y) * rng.uniform(0, 1)
    return np.clip(0.5 + 0.25 * plaid + 0.3 * (cloud(rng, 0.5) - 0.5), 0, 1)


def _stripes(rng: np.random.Generator) -> np.ndarray:
    x, y = _grid(int(rng.integers(2, 12)), int(rng.integers(2, 6)))
    wave = np.sin(2 * np.pi * (x + rng.uniform(0, 0.3) * np.sin(2 * np.pi * y)))
    return np.clip(0.5 + rng.uniform(0.5, 4) * wave, 0, 1) * 0.8 + 0.2 * cloud(rng, 1)


def _checks(rng: np.random.Generator) -> np.ndarray:
    count = 2 * int(rng.integers(1, 6))
    x, y = _grid(count, count)
    return 0.8 * ((np.floor(x) + np.floor(y)) % 2) + 0.2 * cloud(rng, 1)


def _cells(
    rng: np.random.Generator, across: int, down: int, shift: float, joint: float
) -> tuple[np.ndarray, np.ndarray]:
    """A random number per brick, and the mask of joints."""
    x, y = _grid(across, down)
    row = np.floor(y).astype(int) % down
    x = x + shift * (row % 2)
    column = np.floor(x).astype(int) % across
    value = rng.random((down, across))[row, column]
    u, v = x - np.floor(x), y - np.floor(y)
    return value, (np.minimum(u, 1 - u) < joint / 2) | (np.minimum(v, 1 - v) < joint * across / down / 2 + 0.01)


def _bricks(rng: np.random.Generator, aspect: int, shift: float) -> np.ndarray:
    across = 2 * int(rng.integers(1, 5))
    value, joint = _cells(rng, across, across * aspect, shift, rng.uniform(0.02, 0.1))
    a, b = _colour(rng), _colour(rng)
    image = a + (b - a) * (value * rng.uniform(0.1, 0.8))[..., None]
    image = image * (0.75 + 0.5 * cloud(rng, rng.uniform(0.5, 1.3)))[..., None]
    return _bytes(np.where(joint[..., None], _colour(rng), image))


def _planks(rng: np.random.Generator) -> np.ndarray:
    value, joint = _cells(rng, int(rng.integers(1, 3)), int(rng.integers(3, 10)), rng.uniform(0.3, 0.7), 0.012)
    grain = cloud(rng, rng.uniform(0.9, 1.4), rng.uniform(0.12, 0.25))
    wood = np.array([[0.55, 0.38, 0.22], [0.72, 0.56, 0.36], [0.35, 0.22, 0.13], [0.6, 0.57, 0.52]])[rng.integers(4)]
    image = wood * (0.55 + 0.4 * value + 0.5 * grain)[..., None]
    return _bytes(np.where(joint[..., None], image * 0.35, image))


def _dots(rng: np.random.Generator) -> np.ndarray:
    count = int(rng.integers(3, 14))
    x, y = _grid(count, count)
    far = np.hypot(x - np.floor(x) - 0.5, y - np.floor(y) - 0.5)
    image = np.where((far < rng.uniform(0.15, 0.42))[..., None], _colour(rng), _colour(rng))
    return _bytes(image * (0.9 + 0.2 * cloud(rng, 1))[..., None])


def _front(rng: np.random.Generator) -> np.ndarray:
    """The front of a house: windows in a wall, four floors to the image."""
    across, down = int(rng.integers(2, 6)), 4
    x, y = _grid(across, down)
    u, v = x - np.floor(x), y - np.floor(y)
    wide, high = rng.uniform(0.4, 0.9), rng.uniform(0.35, 0.75)
    window = (np.abs(u - 0.5) < wide / 2) & (np.abs(v - 0.5) < high / 2)
    frame = (np.abs(u - 0.5) < wide / 2 + 0.05) & (np.abs(v - 0.5) < high / 2 + 0.05)
    bar = window & ((np.abs(u - 0.5) < 0.02) | (np.abs(v - 0.45) < 0.015))
    lit = rng.random((down, across))[np.floor(y).astype(int) % down, np.floor(x).astype(int) % across]
    wall = _colour(rng) * (0.75 + 0.5 * cloud(rng, 1.1))[..., None]
    image = np.where(frame[..., None], _colour(rng), wall)
    pane = np.array([0.12, 0.15, 0.2]) + lit[..., None] * np.array([0.35, 0.38, 0.42]) * (0.5 + 0.5 * v[..., None])
    image = np.where(window[..., None], pane, image)
    return _bytes(np.where(bar[..., None], _colour(rng), image))


def _printed(rng: np.random.Generator) -> np.ndarray:
    """A poster, a label or a page: fields of colour and lines like text."""
    image = np.ones((SIDE, SIDE, 3)) * _colour(rng)
    for _ in range(int(rng.integers(1, 6))):
        x, y = rng.integers(0, SIDE - 40, 2)
        w, h = rng.integers(20, 160, 2)
        patch = _colour(rng) * (0.6 + 0.8 * cloud(rng, 1.4)[: SIDE - y, : SIDE - x])[:h, :w, None]
        image[y : y + h, x : x + w] = patch
    ink, row = _colour(rng) * rng.uniform(0, 1), int(rng.integers(8, 120))
    size = int(rng.integers(3, 14))
    for _ in range(int(rng.integers(2, 16))):
        if row + size >= SIDE - 8:
            break
        line = np.repeat(rng.random(SIDE // 4) < 0.72, 4)
        line[: rng.integers(8, 40)] = False
        line[SIDE - int(rng.integers(8, 120)) :] = False
        image[row : row + size][:, line] = ink
        row += int(size * 1.7)
    return _bytes(image)
