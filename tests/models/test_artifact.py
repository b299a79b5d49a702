"""An artifact is believed only after it proved what it is; everything else is refused with an ArtifactError."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from synthetic import columns, table, trained
from weir.errors import ArtifactError, SchemaError
from weir.models import artifact
from weir.models.artifact import MANIFEST, identify, load, opened, save
from weir.models.detectors.members import DETECTORS
from weir.models.preprocess import CODES


def files() -> dict[str, bytes]:
    return dict(trained().files)


def sealed(given: dict[str, bytes], **facts: Any) -> dict[str, bytes]:
    """The files with a manifest that fits them: what somebody makes who can write the whole folder."""
    manifest = json.loads(given[MANIFEST])
    manifest["tables"]["flows"] |= facts
    for name in manifest["files"]:
        manifest["files"][name] = {"sha256": hashlib.sha256(given[name]).hexdigest(), "bytes": len(given[name])}
    manifest["model_id"] = identify(manifest)
    return {**given, MANIFEST: json.dumps(manifest).encode()}


def changed_graph(change: Any) -> dict[str, bytes]:
    """Files whose flows graph was changed and sealed again."""
    model = onnx.load_from_string(files()["flows.onnx"])
    change(model)
    return sealed({**files(), "flows.onnx": model.SerializeToString()})


def test_what_was_saved_is_loaded_and_scores_the_same(tmp_path: Path) -> None:
    save(trained().files, tmp_path)
    rows = columns(table("flows", 100, seed=5))
    at_rest, in_memory = load(tmp_path).table("flows"), opened(files(), "memory").table("flows")
    np.testing.assert_array_equal(at_rest.run(at_rest.matrix(rows)), in_memory.run(in_memory.matrix(rows)))
    assert load(tmp_path).model_id == trained().model_id
    assert sorted(path.name for path in tmp_path.iterdir()) == ["flows.onnx", MANIFEST, "windows.onnx"]


def test_a_row_scores_the_same_alone_and_in_a_batch() -> None:
    scorer = opened(files(), "model").table("flows")
    x = scorer.matrix(columns(table("flows", 40, seed=5)))
    alone = np.array([np.ravel(scorer.run(row[None])) for row in x]).T
    np.testing.assert_array_equal(np.stack(scorer.run(x)), alone)


def test_p_values_are_within_0_and_1_and_fall_as_the_score_rises() -> None:
    scorer = opened(files(), "model").table("flows")
    scores, p_values = scorer.run(scorer.matrix(columns(table("flows", 500, seed=5, strange=50))))
    assert (p_values > 0).all()
    assert (p_values <= 1).all()
    assert (np.diff(p_values[np.argsort(scores, kind="stable")]) <= 1e-12).all()


def test_no_rows_give_no_scores() -> None:
    scorer = opened(files(), "model").table("flows")
    scores, p_values = scorer.run(scorer.matrix(columns(table("flows", 5, seed=5).slice(0, 0))))
    assert scores.shape == p_values.shape == (0,)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(["flows.onnx", "windows.onnx", MANIFEST]), st.integers(min_value=0), st.integers(0, 7))
def test_a_flipped_bit_anywhere_is_refused(name: str, at: int, bit: int) -> None:
    whole = bytearray(files()[name])
    at %= len(whole)
    whole[at] ^= 1 << bit
    if name == MANIFEST and _means_the_same(bytes(whole)):
        return
    with pytest.raises(ArtifactError):
        opened({**files(), name: bytes(whole)}, "model")


def _means_the_same(manifest: bytes) -> bool:
    """Some flips only turn white space, or the case of an exponent, into its like."""
    try:
        return bool(json.loads(manifest) == json.loads(files()[MANIFEST]))
    except ValueError:
        return False


@pytest.mark.parametrize("name", ["flows.onnx", "windows.onnx", MANIFEST])
def test_a_cut_or_missing_file_is_refused_by_name(name: str, tmp_path: Path) -> None:
    save(trained().files, tmp_path)
    whole = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ArtifactError, match=name):
        load(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(ArtifactError, match=name):
        load(tmp_path)


def test_a_huge_file_is_refused_unread(tmp_path: Path) -> None:
    save(trained().files, tmp_path)
    os.truncate(tmp_path / "flows.onnx", artifact.MOST_BYTES + 1)
    with pytest.raises(ArtifactError, match="larger"):
        load(tmp_path)


def test_swapped_graphs_are_refused() -> None:
    both = files()
    both["flows.onnx"], both["windows.onnx"] = both["windows.onnx"], both["flows.onnx"]
    with pytest.raises(ArtifactError, match="not the bytes"):
        opened(both, "model")
    with pytest.raises(ArtifactError, match="numbers a row"):
        opened(sealed(both), "model")


def test_the_graph_of_another_model_is_refused() -> None:
    other = {**files(), "flows.onnx": trained("ecod").files["flows.onnx"]}
    with pytest.raises(ArtifactError, match="not the bytes"):
        opened(other, "model")
    with pytest.raises(ArtifactError, match="golden row"):
        opened(sealed(other), "model")


def test_another_schema_is_refused() -> None:
    with pytest.raises(ArtifactError, match="another schema"):
        opened(sealed(files(), schema_hash="0" * 12), "model")


def test_renamed_or_reordered_features_are_refused() -> None:
    names = trained().manifest["tables"]["flows"]["features"]
    for wrong in ([*names[:-1], "payload_magic"], [names[1], names[0], *names[2:]], names[:-1]):
        with pytest.raises(ArtifactError, match="features"):
            opened(sealed(files(), features=wrong), "model")


def test_a_manifest_changed_after_training_is_refused() -> None:
    manifest = json.loads(files()[MANIFEST])
    manifest["tables"]["flows"]["threshold"] = 99.0
    with pytest.raises(ArtifactError, match="changed after training"):
        opened({**files(), MANIFEST: json.dumps(manifest).encode()}, "model")


@pytest.mark.parametrize(
    "nonsense", [b"", b"[]", b"{}", b'{"model_id": 3}', b"\xff\xfe", b"[" * 100_000, pickle.dumps({"model_id": "x"})]
)
def test_what_is_no_manifest_is_refused(nonsense: bytes) -> None:
    with pytest.raises(ArtifactError, match="not a manifest"):
        opened({**files(), MANIFEST: nonsense}, "model")


def test_golden_rows_that_come_out_otherwise_are_refused() -> None:
    golden = json.loads(files()[MANIFEST])["tables"]["flows"]["golden"]
    golden["score"][3] += 1e-3
    with pytest.raises(ArtifactError, match="golden row 3"):
        opened(sealed(files(), golden=golden), "model")


def test_golden_rows_are_needed() -> None:
    for none in ({}, {"rows": [], "score": [], "p_value": [], "n": 1}):
        with pytest.raises(ArtifactError, match="golden"):
            opened(sealed(files(), golden=none), "model")


def test_a_pickle_in_the_place_of_a_graph_is_not_executed(tmp_path: Path) -> None:
    mark = tmp_path / "executed"

    class Bomb:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.mkdir, (str(mark),)

    with pytest.raises(ArtifactError):
        opened(sealed({**files(), "flows.onnx": pickle.dumps(Bomb())}), "model")
    assert not mark.exists()


def test_a_tensor_in_another_file_is_refused() -> None:
    def outside(model: onnx.ModelProto) -> None:
        tensor = model.graph.initializer[0]
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        entry = tensor.external_data.add()
        entry.key, entry.value = "location", "../../etc/passwd"

    with pytest.raises(ArtifactError, match="another file"):
        opened(changed_graph(outside), "model")


def test_unknown_operators_and_operator_sets_are_refused() -> None:
    def other_operator(model: onnx.ModelProto) -> None:
        model.graph.node[0].op_type = "ReduceMean"

    def other_domain(model: onnx.ModelProto) -> None:
        model.graph.node[0].domain = "com.microsoft"

    def other_set(model: onnx.ModelProto) -> None:
        model.opset_import.append(helper.make_opsetid("com.microsoft", 1))

    for change in (other_operator, other_domain, other_set):
        with pytest.raises(ArtifactError, match="asks for operator"):
            opened(changed_graph(change), "model")


def test_graphs_and_tensors_inside_nodes_are_refused() -> None:
    def hidden_tensor(model: onnx.ModelProto) -> None:
        tensor = numpy_helper.from_array(np.zeros(1))
        model.graph.node[0].attribute.append(helper.make_attribute("value", tensor))

    def hidden_graph(model: onnx.ModelProto) -> None:
        model.graph.node[0].attribute.append(helper.make_attribute("body", helper.make_graph([], "g", [], [])))

    for change in (hidden_tensor, hidden_graph):
        with pytest.raises(ArtifactError, match="of its own"):
            opened(changed_graph(change), "model")


def test_functions_are_refused() -> None:
    def function(model: onnx.ModelProto) -> None:
        model.functions.append(helper.make_function("x", "Abs", ["a"], ["b"], [], [helper.make_opsetid("", 18)]))

    with pytest.raises(ArtifactError, match="functions"):
        opened(changed_graph(function), "model")


@settings(max_examples=150, deadline=None)
@given(st.integers(min_value=0), st.integers(0, 255), st.booleans())
def test_a_damaged_graph_sealed_anew_is_refused_or_scores_as_before(at: int, byte: int, cut: bool) -> None:
    whole = bytearray(files()["windows.onnx"])
    at %= len(whole)
    whole[at] = byte
    damaged = {**files(), "windows.onnx": bytes(whole[: at + 1] if cut else whole)}
    x = np.array(trained().manifest["tables"]["windows"]["golden"]["rows"])
    try:
        scores, _ = opened(sealed(damaged), "model").table("windows").run(x)
    except ArtifactError:
        return
    np.testing.assert_allclose(scores, trained().manifest["tables"]["windows"]["golden"]["score"], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("wild", [np.nan, np.inf])
def test_rows_that_are_not_finite_are_refused_by_column(wild: float) -> None:
    rows = columns(table("flows", 10, seed=5))
    rows["iat_mean_us"] = np.full(10, wild)
    with pytest.raises(SchemaError, match="iat_mean_us"):
        opened(files(), "model").table("flows").matrix(rows)


def test_rows_without_a_column_are_refused_by_its_name() -> None:
    rows = columns(table("flows", 10, seed=5))
    del rows["bytes_fwd"]
    with pytest.raises(SchemaError, match="bytes_fwd"):
        opened(files(), "model").table("flows").matrix(rows)


def test_opening_and_scoring_load_nothing_heavy(tmp_path: Path) -> None:
    save(trained().files, tmp_path)
    code = (
        "import sys, numpy as np\n"
        "from pathlib import Path\n"
        "import weir.scores.score, weir.scores.reasons, weir.lambda_handler\n"
        "from weir.models.artifact import load\n"
        f"scorer = load(Path({str(tmp_path)!r})).table('flows')\n"
        "scorer.run(np.zeros((2, len(scorer.features))))\n"
        "print([m for m in ('sklearn', 'scipy', 'pandas', 'pyarrow', 'boto3', 'onnx', 'joblib') if m in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("detector", sorted(DETECTORS))
@pytest.mark.parametrize("name", ["flows", "windows"])
def test_any_finite_row_gets_a_finite_score_and_a_p_value_within_0_and_1(detector: str, name: str) -> None:
    scorer = opened(trained(detector).files, "model").table(name)
    extremes = np.array([0.0, 5e-324, 1.0, -1.0, 1e18, -1e18, 1.7e308, -1.7e308])
    x = np.random.default_rng(3).choice(extremes, size=(200, len(scorer.features)))
    codes = [scorer.features.index(code) for code in CODES if code in scorer.features]
    x[:, codes] = np.random.default_rng(4).integers(-(2**31), 2**31, (200, len(codes)))  # these are int32 in every table
    scores, p_values = scorer.run(x)
    assert np.isfinite(scores).all()
    assert ((p_values > 0) & (p_values <= 1)).all()
    assert np.isfinite(scorer.expected(x)).all()
