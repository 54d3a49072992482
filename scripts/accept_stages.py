# SPDX-License-Identifier: Apache-2.0
"""Record the code of each stage, after a change to it: `python3.11 scripts/accept_stages.py`.

`tests/backend/stage_digests.json` holds the version of each kind of stage and a digest of its code.
`tests/backend/test_stage_versions.py` fails when the code has changed. If the change alters the stage's output, raise
its version in `spec.py`, so that cached outputs are computed again. In either case, run this script.

The code of a stage is its function and every function, class and constant of the ROOMS and MODULES that it refers to,
directly or indirectly, by name or as "module:function". Other packages do not affect a stage's output. Params are part
of the stage's key, so `spec.py` modules are left out. The digest ignores annotations, docstrings, comments, layout,
error messages and the order of statements: moving code to another module does not change it.
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import json
import re
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    from environments import enter

    enter("backend")

from reangle.stages import STAGES

REPOSITORY = Path(__file__).resolve().parents[1]
BACKEND = REPOSITORY / "backend"
RECORD = REPOSITORY / "tests" / "backend" / "stage_digests.json"
ROOMS = (
    "folders",
    "media",
    "geometry",
    "warping",
    "finishing",
    "video_models",
    "image_models",
    "motion",
    "starting",
    "evaluation",
    "generation",
)
MODULES = ("weights.devices", "weights.pipelines", "weights.quantized", "weights.sizes", "weights.tiers")
"""Of other rooms, which open networks and decide their precision."""
RUN = re.compile(r"(reangle(?:\.\w+)+):\w+")


def recorded() -> dict[str, dict[str, Any]]:
    """kind -> {"version", "digest"} as last accepted."""
    return json.loads(RECORD.read_text(encoding="utf-8"))


def current() -> dict[str, dict[str, Any]]:
    """kind -> {"version", "digest"} of the code as it is."""
    return {kind: {"version": spec.version, "digest": digest_of(spec.run)} for kind, spec in STAGES.items()}


def covered_code(run: str) -> dict[str, set[str]]:
    """module -> names of the functions, classes and constants that a stage reaches from its function."""
    reached: dict[str, set[str]] = defaultdict(set)
    waiting = [_split(run)]
    while waiting:
        module, name = waiting.pop()
        known = _module(module)
        names = {name} if name else {*known.defined, *known.imported}
        if module not in reached:
            waiting += _references(module, known.loose)
        for new in names - reached[module]:
            reached[module].add(new)
            waiting += _references(module, known.defined.get(new, []), new)
    return {module: names & _module(module).defined.keys() for module, names in reached.items()}


def digest_of(run: str) -> str:
    """SHA-256 of the statements that a stage reaches."""
    statements: list[ast.stmt] = []
    for module, names in covered_code(run).items():
        known = _module(module)
        statements += known.loose
        statements += [statement for name in names for statement in known.defined[name]]
    return hashlib.sha256("\n".join(sorted(map(_normalised, statements))).encode()).hexdigest()


@dataclass(frozen=True)
class _Module:
    """defined: name -> the statements that define it. imported: name -> where it is defined; "" is a whole module.
    loose: statements that run on import and define nothing.
    """

    defined: dict[str, list[ast.stmt]]
    imported: dict[str, tuple[str, str]]
    loose: list[ast.stmt]


@cache
def _module(name: str) -> _Module:
    path = _file(name)
    if path is None:
        raise ValueError(f"there is no module {name}")
    parsed = _Module(defaultdict(list), {}, [])
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        match node:
            case ast.FunctionDef() | ast.ClassDef():
                parsed.defined[node.name].append(node)
            case ast.Assign(targets=[ast.Name(id=target)]) | ast.AnnAssign(target=ast.Name(id=target)):
                parsed.defined[target].append(node)
            case ast.Import() | ast.ImportFrom() | ast.Expr(value=ast.Constant(value=str())):
                pass  # Modules of the package are imported by `from`.
            case ast.If(test=ast.Name(id="TYPE_CHECKING")):
                pass
            case _:
                parsed.loose.append(node)
        for source, alias in _imports(node):
            inner = f"{source}.{alias.name}"
            parsed.imported[alias.asname or alias.name] = (inner, "") if _file(inner) else (source, alias.name)
    return parsed


def _imports(node: ast.AST) -> Iterator[tuple[str, ast.alias]]:
    """Module and name of what a statement imports by `from`, also when it is in a function."""
    match node:
        case ast.If(test=ast.Name(id="TYPE_CHECKING")):
            return
        case ast.ImportFrom(module=str(module)):
            yield from ((module, alias) for alias in node.names)
        case _:
            for child in ast.iter_child_nodes(node):
                yield from _imports(child)


def _references(module: str, statements: list[ast.stmt], name: str = "") -> list[tuple[str, str]]:
    """What statements of a module refer to in covered modules; also where `name` comes from if it is imported."""
    known = _module(module)
    wanted = {name}
    places: list[tuple[str, str]] = []
    for node in (node for statement in statements for node in ast.walk(statement)):
        if isinstance(node, ast.Name):
            wanted.add(node.id)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and RUN.fullmatch(node.value):
            places.append(_split(node.value))
    places += [(module, one) for one in wanted if one in known.defined]
    places += [known.imported[one] for one in wanted if one in known.imported]
    return [place for place in places if _is_covered(place[0])]


def _split(run: str) -> tuple[str, str]:
    module, _, function = run.partition(":")
    return module, function


def _is_covered(module: str) -> bool:
    parts = module.split(".")
    if parts[0] != "reangle" or parts[-1] == "spec":
        return False
    return ".".join(parts[1:]) in MODULES or (len(parts) > 1 and parts[1] in ROOMS)


def _file(module: str) -> Path | None:
    place = BACKEND.joinpath(*module.split("."))
    return next((path for path in (place.with_suffix(".py"), place / "__init__.py") if path.is_file()), None)


def _normalised(node: Any) -> str:
    """A text that is the same in every version of Python, "" for what does not count."""
    match node:
        case ast.Import() | ast.ImportFrom() | ast.Expr(value=ast.Constant(value=str())):
            return ""
        case ast.If(test=ast.Name(id="TYPE_CHECKING")):
            return ""
        case ast.Raise():
            return "Raise"
        case ast.AST():
            ignored = {"annotation", "returns", "type_comment", "type_params", "ctx", "kind"}
            fields = ((name, _normalised(value)) for name, value in ast.iter_fields(node) if name not in ignored)
            return f"{type(node).__name__}({', '.join(f'{name}={text}' for name, text in fields if text)})"
        case list():
            parts = [text for part in node if (text := _normalised(part))]
            return f"[{', '.join(parts)}]" if parts else ""
        case None:
            return ""
        case _:
            return repr(node)


def main() -> int:
    argparse.ArgumentParser(description="Record the code of each stage, after a change to it.").parse_args()
    before, now = recorded() if RECORD.exists() else {}, current()
    RECORD.write_text(json.dumps(now, indent=1) + "\n", encoding="utf-8")
    changed = [kind for kind in now if now[kind] != before.get(kind)]
    print(f"Recorded: {', '.join(changed)}." if changed else "Nothing has changed.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
