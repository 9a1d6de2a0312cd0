"""Measures and rewrites README.md beside this file: ``python -m benchmarks --help``."""

import argparse
from pathlib import Path

from benchmarks.page import Machine, page
from benchmarks.run import Scale, measure
from neuralgnn.config import ConfigError
from neuralgnn.data import atomic_path

_HERE = Path(__file__).parent


def main(arguments: list[str] | None = None) -> None:
    """Parses the command line, measures, writes the page and prints it."""
    default = Scale()
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    for option, value, text in (
        ("--n-neurons", default.n_neurons, "number of neurons"),
        ("--n-frames", default.n_frames, "frames of the recording"),
        ("--sgd-steps", default.sgd_steps, "gradient steps of sgd"),
        ("--batch-size", default.batch_size, "frames per per-neuron step that is timed"),
        ("--edge-batch-size", default.edge_batch_size, "frames per per-edge step that is timed"),
        ("--step-repeats", default.step_repeats, "steps timed, a tenth of them per edge"),
        ("--seed", default.seed, "seed of simulation and fits"),
    ):
        parser.add_argument(option, type=int, default=value, help=text, metavar="N")
    parser.add_argument(
        "--experiment",
        type=Path,
        default=_HERE.parent / "config" / "experiments" / "fig_2.yaml",
        help="experiment file with fits varpro and sgd",
    )
    parser.add_argument("--out", type=Path, default=_HERE / "README.md", help="page to write")
    options = vars(parser.parse_args(arguments))
    experiment, out = options.pop("experiment"), options.pop("out")
    scale = Scale(**options)
    try:
        results = measure(scale, experiment=experiment)
    except (ConfigError, FileNotFoundError) as error:
        parser.error(str(error))
    text = page(results, scale, Machine.here())
    with atomic_path(out) as scratch:
        scratch.write_text(text)
    print(text)


if __name__ == "__main__":
    main()
