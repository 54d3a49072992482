# SPDX-License-Identifier: Apache-2.0
"""The command line `reangle`: the backend without Blender.

Exit status: 0 done; 1 a fault of Reangle; 2 an error that the user can correct, with advice on standard error;
130 canceled.

Nothing that cannot be printed ends the work, since a result of hours must not be lost with a terminal.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import textwrap
import traceback
from collections.abc import Callable

from reangle.api.serve_options import add_options
from reangle.cli.clean_options import add_clean_options
from reangle.cli.settings import add_settings
from reangle.cli.start_options import add_start_options
from reangle.contract import Clip, GeometrySettings, PreviewSettings, ReangleSettings, StartSettings
from reangle.contract.engines import ENGINES
from reangle.contract.moves import EASINGS, KINDS
from reangle.errors import UserError, explained
from reangle.geometry.camera.providers import CAMERAS
from reangle.geometry.depth.providers import DEPTHS
from reangle.runtime.terminal import prepare_streams
from reangle.runtime.threads import apply_thread_settings

# Imported only when the command runs, so that help is instant and the server loads nothing that it does not need.
_COMMANDS = {
    "run": "reangle.cli.render:run",
    "start": "reangle.cli.render:start",
    "geometry": "reangle.cli.render:geometry",
    "warp": "reangle.cli.render:warp",
    "evaluate": "reangle.cli.evaluate:evaluate",
    "doctor": "reangle.cli.doctor:doctor",
    "models": "reangle.cli.models:models",
    "jobs": "reangle.cli.jobs:jobs",
    "logs": "reangle.cli.logs:logs",
    "storage": "reangle.cli.storage:storage",
}


def _whole(least: int, most: int | None = None) -> Callable[[str], int]:
    limits = f"{least} or more" if most is None else f"from {least} to {most}"

    def parse(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = least - 1
        if value < least or (most is not None and value > most):
            raise argparse.ArgumentTypeError(f"must be a whole number, {limits}, not {text[:40]!r}")
        return value

    return parse


_natural, _positive, _port = _whole(0), _whole(1), _whole(0, 65535)


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    prepare_streams()
    options = _parser().parse_args(arguments)
    apply_thread_settings()
    if options.command == "serve":
        return _serve(options)
    from reangle.cli import interruption
    from reangle.cli.output import Output

    output = Output(options.json)
    interruption.listen()
    module, name = _COMMANDS[options.command].split(":")
    try:
        status = getattr(importlib.import_module(module), name)(options, output)
        output.check()
        return status
    except SystemExit:
        raise
    except BaseException as error:  # packages raise what is no Exception, too
        if isinstance(error, KeyboardInterrupt) or interruption.requested():
            advice = "Finished stages are kept; the same command continues from there."
            output.error(UserError("Canceled.", advice=advice))
            return interruption.CANCELED
        if reason := explained(error):
            output.error(reason)
            return 2
        traceback.print_exc()
        what = f"{type(error).__name__}: {error}"
        output.error(UserError(f"This is a fault of Reangle: {what}.", advice="Please report it with the lines above."))
        return 1


def _serve(options: argparse.Namespace) -> int:
    from reangle.api.serve import main_of as serve
    from reangle.runtime.data_folder import data_folder

    try:
        data = data_folder(options.data)
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    return serve(options, data)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="reangle", description="Re-shoot a video from a new camera.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--data", metavar="DIR", help="data folder (default: REANGLE_DATA, else the system's place)")
    talk = argparse.ArgumentParser(add_help=False)
    talk.add_argument("--json", action="store_true", help="one JSON object a line on standard output")
    scene = _scene_options()
    cameras = _camera_options()

    # The list of moves comes wrapped, without breaks in their names.
    raw = argparse.RawDescriptionHelpFormatter
    run = commands.add_parser(
        "run", parents=[scene, cameras, shared, talk], help="a clip from new cameras, finished", formatter_class=raw
    )
    add_settings(run, PreviewSettings)
    _add_engine_options(run)
    add_start_options(run.add_argument_group("starting images of single cameras (options may be repeated)"))
    start = commands.add_parser(
        "start",
        parents=[scene, cameras, shared, talk],
        help="the first frame of each camera that does not begin at the source camera",
        formatter_class=raw,
    )
    add_settings(start, PreviewSettings)
    _add_engine_options(start, engine="reangle")
    add_start_options(start.add_argument_group("single cameras (options may be repeated)"))
    commands.add_parser("geometry", parents=[scene, shared, talk], help="depth and source camera of a clip")
    commands.add_parser(
        "warp",
        parents=[scene, cameras, shared, talk],
        help="a clip from new cameras, with unseen areas left empty",
        formatter_class=raw,
    )

    evaluate = commands.add_parser(
        "evaluate",
        parents=[shared, talk],
        help="render ground-truth scenes and measure the results",
        usage="%(prog)s SCENES_DIR --out DIR [--engine ENGINE[:SUITE] ...] [options]",
        description="Render ground-truth scenes and measure the results. Several engines are compared in one table, "
        "with two controls that only blur the preview's fill; other options hold for all of them.",
    )
    evaluate.add_argument("scenes", metavar="SCENES_DIR", help="a folder of ground-truth scenes, or one of them")
    for name, specs in (("camera", CAMERAS), ("depth", DEPTHS)):
        evaluate.add_argument(
            f"--{name}",
            choices=["auto", *(spec.name for spec in specs if spec.name != "given")],
            help=f"files (default) for the true {name}, or a provider that estimates it",
        )
    evaluate.add_argument("--geometry", metavar="FROM", help="both at once, as in version 0.1")
    evaluate.add_argument("--out", required=True, metavar="DIR", help="where results and figures.json go")
    evaluate.add_argument("--seed", type=_natural, default=42, metavar="N")
    _add_engine_options(evaluate, several=True)

    serve = commands.add_parser("serve", parents=[shared], help="the backend that Blender talks to")
    add_options(serve, _port, _positive)

    commands.add_parser("jobs", parents=[shared, talk], help="list the backend's jobs")
    logs = commands.add_parser("logs", parents=[shared, talk], help="print the logs of a job")
    logs.add_argument("job", metavar="JOB", help="the job's id, or the start of it")
    logs.add_argument("--stage", metavar="STAGE", help='one stage, as in learn or "warp left" (default: all)')
    logs.add_argument("--follow", action="store_true", help="also print new lines until the job ends")

    add_clean_options(
        commands.add_parser("storage", parents=[shared, talk], help="the room that the data folder takes; clean up")
    )
    commands.add_parser("doctor", parents=[shared, talk], help="list what is installed and what is missing")
    models = commands.add_parser("models", help="list, download and verify weights")
    actions = models.add_subparsers(dest="action", required=True, metavar="ACTION")
    actions.add_parser("list", parents=[shared, talk], help="names, licences and folders")
    get = actions.add_parser("download", parents=[shared, talk], help="get published weights from the Hugging Face hub")
    get.add_argument("name", metavar="NAME", help="a suite or a checkpoint")
    get.add_argument("--accept-licence", action="store_true", help="accept the licence that is shown")
    verify = actions.add_parser("verify", parents=[shared, talk], help="compare them with their hashes")
    verify.add_argument("name", nargs="?", metavar="NAME", help="a suite or a checkpoint (default: all installed)")
    return parser


def _scene_options() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(add_help=False)
    clip = options.add_argument_group("clip")
    clip.add_argument("--clip", nargs="+", required=True, metavar="FILE", help="a movie, a folder of images, or images")
    clip.add_argument("--size", metavar="WxH", help="working size (default: the clip's); another aspect crops")
    add_settings(clip, Clip)
    depth = options.add_argument_group("geometry")
    _add_geometry_options(depth)
    add_settings(depth, GeometrySettings)
    options.add_argument("--out", required=True, metavar="DIR", help="where results go")
    options.add_argument("--seed", type=_natural, default=42, metavar="N")
    return options


def _add_geometry_options(group: argparse._ActionsContainer) -> None:
    cameras, depths = (", ".join(("auto", *(spec.name for spec in specs))) for specs in (CAMERAS, DEPTHS))
    group.add_argument(
        "--camera",
        metavar="FROM",
        help=f"{cameras} (default: auto); for a camera file write files:DIR or given:FILE.json",
    )
    group.add_argument("--depth", metavar="FROM", help=f"{depths} (default: auto); for depth maps write files:DIR")
    group.add_argument(
        "--geometry",
        metavar="FROM",
        help="both at once, as in version 0.1: files:DIR, mini, dust3r or depth-anything",
    )


def _camera_options() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(add_help=False)
    cameras = options.add_argument_group("cameras (options may be repeated)", _moves_text())
    move = "NAME[:AMOUNT[:EASING]]"
    cameras.add_argument("--move", action="append", default=[], metavar=move, help="a camera that moves over the clip")
    cameras.add_argument(
        "--view", action="append", default=[], metavar=move, help="a static camera at the end of the move"
    )
    cameras.add_argument(
        "--bullet-time",
        action="append",
        default=[],
        metavar=f"{move}@FRAME",
        help="a camera that moves while the clip stands still at a frame, counted from 0, such as orbit-left:20@24",
    )
    cameras.add_argument("--path", action="append", default=[], metavar="JSON", help="a camera from a file")
    return options


def _engine_and_suite(text: str) -> str:
    if text.partition(":")[0] not in ENGINES:
        names = ", ".join(ENGINES)
        raise argparse.ArgumentTypeError(f"{text!r} is none of {names}; SCENES_DIR goes before --engine")
    return text


def _add_engine_options(parser: argparse.ArgumentParser, engine: str = "preview", *, several: bool = False) -> None:
    """several: engines may be named side by side, each with its own weights."""
    engines = [f"{name}: {kind.help[:1].lower()}{kind.help[1:]}" for name, kind in ENGINES.items()]
    if several:
        parser.add_argument(
            "--engine",
            nargs="+",
            type=_engine_and_suite,
            default=[engine],
            metavar="ENGINE[:SUITE]",
            help=". ".join([f"default: {engine}; SUITE names its weights, else --suite does", *engines]),
        )
    else:
        text = ". ".join([f"how the new views are made (default: {engine})", *engines])
        parser.add_argument("--engine", choices=list(ENGINES), default=engine, help=text)
    about = (
        "Without an option, a value that suits the weights is used.\n"
        "The engine inpaint learns nothing unless --shared-steps or --path-steps is given."
    )
    reangle = parser.add_argument_group(_engines_with("reangle"), about)
    add_settings(reangle, ReangleSettings)
    starting = parser.add_argument_group(f"starting images, for the {_engines_with('starting')}")
    add_settings(starting, StartSettings)


def _engines_with(settings: str) -> str:
    """The engines that read a group of settings, in words."""
    return f"engines {' and '.join(name for name, kind in ENGINES.items() if settings in kind.settings)}"


def _moves_text() -> str:
    def of(unit: str) -> str:
        return ", ".join(f"{name}:{kind.default:g}" for name, kind in KINDS.items() if kind.unit == unit)

    text = (
        f"Moves, with the amount used if none is given. In degrees: {of('degrees')}. In percent of the distance to "
        f"the focus point: {of('percent')}. Easings: {', '.join(EASINGS)} (default: linear)."
    )
    return textwrap.fill(text, 76, initial_indent="  ", subsequent_indent="  ", break_on_hyphens=False)


if __name__ == "__main__":
    sys.exit(main())
