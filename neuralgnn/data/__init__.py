"""What is stored: recordings, datasets, side files; names, dimensions, units. No torch."""

__all__ = [
    "Graph",
    "Recording",
    "RecordingWriter",
    "Stimulus",
    "atomic_path",
    "digest",
    "import_recording",
    "open_dataset",
    "open_recording",
    "open_truth",
    "provenance",
    "read_json",
    "recording_from_array",
    "remove_leftovers",
    "save_dataset",
    "target",
    "write_json",
]

from neuralgnn.data.graph import Graph
from neuralgnn.data.importing import import_recording
from neuralgnn.data.provenance import digest, provenance
from neuralgnn.data.recording import Recording, open_recording, open_truth
from neuralgnn.data.scratch import remove_leftovers
from neuralgnn.data.stimulus import Stimulus
from neuralgnn.data.store import atomic_path, open_dataset, read_json, save_dataset, write_json
from neuralgnn.data.target import target
from neuralgnn.data.writer import RecordingWriter, recording_from_array
