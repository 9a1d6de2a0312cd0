"""Words of the command line, and what an error looks like there."""

__all__ = ["build_parser", "main"]

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from neuralgnn.cli import commands
from neuralgnn.config.errors import ConfigError
from neuralgnn.steps.job import explain

_ABOUT = """\
Recovers connectivity, neuron types and functions of a neural population from its activity.

A first run, from a simulation to a fitted model:
  neuralgnn simulate config/experiments/fig_2.yaml --out demo --set simulation.n_neurons=100
  neuralgnn fit demo/activity.zarr --out demo/fit

Your own recording (rows: time, columns: neurons):
  neuralgnn import activity.npy --dt 0.02 --out recording.zarr
  neuralgnn fit recording.zarr --out my_fit
"""

_FIT = """\
Fits a model to a recording, takes the best checkpoint, computes its numbers and draws it.

A truth that a simulated recording carries is not opened by the fit; only the numbers afterwards
compare with it. A killed fit, started again with the same arguments, goes on where it was.

examples:
  neuralgnn fit recording.zarr --out my_fit
  neuralgnn fit recording.zarr --out my_fit --trainer sgd --device cuda --set trainer.n_steps=20000
  neuralgnn fit demo/activity.zarr --out demo/sgd --config config/experiments/fig_2.yaml --fit sgd

In the folder afterwards: model.pt (the model), metrics.json (numbers), analysis/*.zarr (labelled
arrays), figures/ (PDF and PNG), checkpoints/ (training, with curves for TensorBoard).
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; gives the exit code: 0, or 2 if what was asked cannot be done."""
    parser = build_parser()
    given = parser.parse_args(arguments)
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.INFO if given.verbose or given.debug else logging.WARNING,
        format="%(levelname)s: %(message)s",
    )
    try:
        given.run(given)
    except KeyboardInterrupt:
        sys.stderr.write("stopped; the same command goes on from the last resume point\n")
        return 130
    except BrokenPipeError:  # the reader, such as `head`, has seen enough
        sys.stderr.close()
        return 0
    except commands.USER_ERRORS as error:
        if given.debug:
            raise
        sys.stderr.write(f"neuralgnn {given.command}: {_text(error)}\n")
        return 2
    return 0


def _text(error: BaseException) -> str:
    if isinstance(error, ConfigError) and len(error.problems) > 1:
        return f"{len(error.problems)} problems\n" + str(error)
    return explain(error)


def build_parser() -> argparse.ArgumentParser:
    """The parser, whose help also serves as introduction."""
    parser = argparse.ArgumentParser(
        prog="neuralgnn", description=_ABOUT, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.set_defaults(debug=False, verbose=False)
    parser.add_argument("--version", action="version", version=commands.version_text())
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for add in (_simulate, _import, _fit, _analyse, _figure, _config, _inspect):
        add(subparsers)
    return parser


def _command(
    subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    *,
    summary: str,
    about: str | None = None,
) -> argparse.ArgumentParser:
    command = subparsers.add_parser(
        name,
        help=summary,
        description=about or summary,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument("--verbose", action="store_true", help="say what is being done")
    command.add_argument("--debug", action="store_true", help="show where an error comes from")
    return command


def _simulate(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = _command(
        subparsers, "simulate", summary="Simulate the assembly of an experiment file."
    )
    command.add_argument("experiment", type=Path, help="experiment file (YAML)")
    command.add_argument("--out", type=Path, required=True, help="folder; gets activity.zarr")
    command.add_argument("--seed", type=int, default=42, help="seed (default: 42)")
    command.add_argument(
        "--device",
        choices=("auto", "cpu", "cuda"),
        help="where to compute (default: as the experiment says)",
    )
    _add_set(command, "simulation.n_frames=5000")
    command.set_defaults(run=commands.simulate)


def _import(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = _command(
        subparsers, "import", summary="Turn your array (.npy .npz .csv .zarr) into a recording."
    )
    command.add_argument("source", type=Path, help="file with the activity, two axes")
    command.add_argument("--dt", type=float, required=True, help="time between frames")
    command.add_argument("--out", type=Path, required=True, help="recording to write (.zarr)")
    command.add_argument(
        "--dims",
        choices=("time,neuron", "neuron,time"),
        default="time,neuron",
        help="axes of the array (default: time,neuron)",
    )
    command.add_argument("--key", help="name of the array in a file with several")
    command.add_argument("--time-unit", default="s", help="unit of --dt (default: s)")
    command.set_defaults(run=commands.import_)


def _fit(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = _command(
        subparsers, "fit", summary="Fit a model to a recording and judge it.", about=_FIT
    )
    command.add_argument("recording", type=Path, help="recording (see: neuralgnn import)")
    command.add_argument("--out", type=Path, required=True, help="folder for the results")
    command.add_argument("--seed", type=int, default=42, help="seed (default: 42)")
    command.add_argument("--config", type=Path, help="file with a fit, or an experiment file")
    command.add_argument("--fit", help="name of the fit in an experiment file (default: first)")
    command.add_argument(
        "--trainer", choices=("varpro", "sgd"), help="fitting method (default: varpro)"
    )
    command.add_argument(
        "--target",
        choices=("finite_difference", "drift"),
        help="what the model predicts (default: finite_difference, all that a recording has)",
    )
    command.add_argument(
        "--device", choices=("auto", "cpu", "cuda"), help="where to compute (default: auto)"
    )
    _add_set(command, "trainer.n_steps=20000")
    command.set_defaults(run=commands.fit)


def _analyse(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = _command(
        subparsers, "analyse", summary="Compute the numbers of a fit again and draw it."
    )
    command.add_argument("folder", type=Path, help="folder of a fit (its --out)")
    command.add_argument("--recording", type=Path, help="default: the one that was fitted")
    _add_set(command, "analysis.rollout.n_starts=20")
    command.set_defaults(run=commands.analyse)


def _figure(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = _command(subparsers, "figure", summary="Draw a figure for a fit.")
    command.add_argument("name", help=f"one of: {', '.join(commands.figure_names())}")
    command.add_argument("folder", type=Path, help="folder of a fit")
    command.add_argument("--out", type=Path, help="path without suffix (default: in FOLDER)")
    command.add_argument("--recording", type=Path, help="default: the one that was fitted")
    _add_set(command, "plot.dpi=150")
    command.set_defaults(run=commands.figure)


def _config(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = _command(
        subparsers, "config", summary="Check a configuration file, or show it with all defaults."
    )
    command.add_argument("action", choices=("show", "check"))
    command.add_argument("file", type=Path, help="experiment, workflow or fit file (YAML)")
    _add_set(command, "simulation.n_neurons=100")
    command.set_defaults(run=commands.config)


def _inspect(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = _command(
        subparsers, "inspect", summary="Say what a file or folder is and what is in it."
    )
    command.add_argument("path", type=Path, help="recording, store, model.pt, metrics.json or fit")
    command.set_defaults(run=commands.inspect)


def _add_set(command: argparse.ArgumentParser, example: str) -> None:
    command.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help=f"change a setting, such as {example}; may be repeated",
    )
