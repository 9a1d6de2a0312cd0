from pathlib import Path

import numpy as np
import pytest
import zarr

from neuralgnn.data import import_recording, open_recording


def save(path: Path, values: np.ndarray) -> Path:
    match path.suffix:
        case ".npy":
            np.save(path, values)
        case ".npz":
            np.savez(path, activity=values)
        case ".csv":
            np.savetxt(path, values, delimiter=",")
        case ".zarr":
            zarr.create_array(path, data=values, chunks=(7, 3))
    return path


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".csv", ".zarr"])
@pytest.mark.parametrize("dims", ["time,neuron", "neuron,time"])
def test_every_format_and_order_gives_the_same_recording(tmp_path, activity, suffix, dims) -> None:
    values = activity if dims == "time,neuron" else np.ascontiguousarray(activity.T)
    source = save(tmp_path / f"x{suffix}", values)

    import_recording(source, tmp_path / "out.zarr", dt=0.02, dims=dims)

    recording = open_recording(tmp_path / "out.zarr")
    np.testing.assert_array_equal(recording.activity(), activity)
    assert recording.dt == 0.02
    assert not recording.has_drift


def test_array_of_a_zarr_group_is_found_by_key(tmp_path: Path, activity) -> None:
    group = zarr.open_group(tmp_path / "x.zarr", mode="w")
    for name in ("raw", "clean"):
        group.create_array(name, data=activity * len(name))

    import_recording(tmp_path / "x.zarr", tmp_path / "out.zarr", dt=1.0, key="clean")

    np.testing.assert_array_equal(open_recording(tmp_path / "out.zarr").activity(), 5 * activity)


def test_integers_are_taken(tmp_path: Path) -> None:
    counts = np.arange(60).reshape(20, 3)
    import_recording(save(tmp_path / "x.npy", counts), tmp_path / "out.zarr", dt=1.0)

    np.testing.assert_array_equal(open_recording(tmp_path / "out.zarr").activity(), counts)


@pytest.mark.parametrize(("key", "message"), [(None, "no key was given"), ("c", "key 'c' is not")])
def test_ambiguous_or_unknown_key_is_refused(tmp_path: Path, activity, key, message) -> None:
    np.savez(tmp_path / "x.npz", a=activity, b=activity)
    with pytest.raises(ValueError, match=rf"2 arrays \(a, b\), and {message}"):
        import_recording(tmp_path / "x.npz", tmp_path / "out.zarr", dt=1.0, key=key)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.zeros(5), r"shape \(5,\).*two axes"),
        (np.zeros((5, 2, 2)), r"shape \(5, 2, 2\).*two axes"),
        (np.array([["a", "b"]]), "dtype <U1"),
        (np.array([[1.0, np.nan]] * 10), "nan at frame 0, neuron 1"),
        (np.array([[1, None]], dtype=object), "(?i)object|pickle"),
    ],
)
def test_array_that_is_no_activity_is_refused(tmp_path: Path, values, message) -> None:
    with pytest.raises(ValueError, match=message):
        import_recording(save(tmp_path / "x.npy", values), tmp_path / "out.zarr", dt=1.0)
    assert not (tmp_path / "out.zarr").exists()


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".csv", ".zarr"])
def test_unreadable_file_is_refused(tmp_path: Path, suffix: str) -> None:
    (tmp_path / f"x{suffix}").write_bytes(b"not, numbers")
    with pytest.raises(ValueError, match=f"cannot be read as {suffix}"):
        import_recording(tmp_path / f"x{suffix}", tmp_path / "out.zarr", dt=1.0)


def test_unknown_suffix_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.mat").touch()
    with pytest.raises(ValueError, match=r"suffix '\.mat'; readable are \.npy"):
        import_recording(tmp_path / "x.mat", tmp_path / "out.zarr", dt=1.0)


def test_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="does not exist"):
        import_recording(tmp_path / "x.npy", tmp_path / "out.zarr", dt=1.0)


def test_unknown_order_of_axes_is_refused(tmp_path: Path, activity) -> None:
    with pytest.raises(ValueError, match="expected one of 'time,neuron'"):
        import_recording(
            save(tmp_path / "x.npy", activity), tmp_path / "out.zarr", dt=1.0, dims="n,t"
        )
