"""Records a run shard by shard: the next is computed while the last is written."""

__all__ = ["Run", "record"]

from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Protocol

import numpy as np
from jaxtyping import Float32

from neuralgnn.data.progress import Progress
from neuralgnn.data.writer import RecordingWriter


class Run(Protocol):
    """The moving parts of a simulation. Axes: T frames, N neurons."""

    def record(
        self, n_frames: int, *, first_frame: int
    ) -> tuple[Float32[np.ndarray, "T N"], Float32[np.ndarray, "T N"] | None]:
        """The next frames, and their drift if it is kept."""
        ...

    def state(self) -> Mapping[str, np.ndarray]:
        """What a run that goes on from here needs."""
        ...


def record(run: Run, writer: RecordingWriter, *, progress: bool) -> None:
    """Computes shard after shard while the one before is being written."""
    bar = {"done": writer.resume_frame, "show": progress, "unit": "frame"}
    shown = Progress("simulate", writer.n_frames, **bar)
    written: Future[None] | None = None
    with shown, ThreadPoolExecutor(max_workers=1) as disk:
        for first in range(writer.resume_frame, writer.n_frames, writer.shard_frames):
            n_frames = min(writer.shard_frames, writer.n_frames - first)
            frames = run.record(n_frames, first_frame=first)
            if written is not None:
                written.result()  # one shard in flight: memory stays bounded, order kept
            written = disk.submit(writer.append, *frames, state=run.state())
            shown.to(first + n_frames)
        if written is not None:
            written.result()
