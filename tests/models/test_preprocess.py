from __future__ import annotations

import numpy as np

from weir.models.graph import INPUT, Graph, session
from weir.models.preprocess import Encoder

NAMES = ("bytes_fwd", "protocol", "flags_urg")
ROWS = np.array([[100.0, 6, 0], [1000.0, 6, 0], [10000.0, 17, 0], [100.0, 6, 0]])


def test_numbers_become_standardised_logarithms() -> None:
    logs = np.log1p(ROWS[:, 0])
    encoded = Encoder.fit(NAMES, ROWS).encode(ROWS)
    np.testing.assert_allclose(encoded[:, 0], (logs - logs.mean()) / logs.std(), rtol=1e-6)


def test_a_negative_number_keeps_its_sign() -> None:
    encoder = Encoder.fit(NAMES, ROWS)
    assert encoder.encode(np.array([[-500.0, 6, 0]]))[0, 0] < encoder.encode(np.array([[0.0, 6, 0]]))[0, 0]


def test_a_code_becomes_its_rarity_and_an_unseen_one_is_rarer_than_all() -> None:
    encoded = Encoder.fit(NAMES, ROWS).encode(np.array([[1.0, 6, 0], [1.0, 17, 0], [1.0, 132, 0]]))
    np.testing.assert_allclose(encoded[:, 1], -np.log10([0.75, 0.25, 0.125]), rtol=1e-6)


def test_a_constant_column_encodes_to_zero_and_to_something_once_it_moves() -> None:
    encoder = Encoder.fit(NAMES, ROWS)
    assert (encoder.encode(ROWS)[:, 2] == 0).all()
    np.testing.assert_allclose(encoder.encode(np.array([[1.0, 6, 5]]))[0, 2], np.log(6), rtol=1e-6)


def test_encoded_values_stay_within_the_clip() -> None:
    encoded = Encoder.fit(NAMES, np.array([[0.0, 6, 0], [1e-9, 6, 0]])).encode(np.array([[1e300, 6, 1e300]]))
    assert np.isfinite(encoded).all()
    assert encoded.max() == 1000


def test_the_encoder_learns_from_the_rows_it_is_given_alone() -> None:
    encoder = Encoder.fit(NAMES, ROWS)
    before = encoder.encode(ROWS)
    encoder.encode(np.array([[1e9, 1, 7]]))
    np.testing.assert_array_equal(encoder.encode(ROWS), before)


def test_decoding_gives_values_back_in_their_own_unit() -> None:
    encoder = Encoder.fit(NAMES, ROWS)
    graph = Graph(len(NAMES))
    back = session(graph.bytes({"back": (encoder.decode_onnx(graph, encoder.to_onnx(graph)), np.float64)}))
    np.testing.assert_allclose(back.run(None, {INPUT: ROWS})[0][:, 0], ROWS[:, 0], rtol=1e-4)


def test_decoding_never_leaves_what_training_saw() -> None:
    encoder = Encoder.fit(NAMES, ROWS)
    graph = Graph(len(NAMES))
    back = session(graph.bytes({"back": (encoder.decode_onnx(graph, encoder.to_onnx(graph)), np.float64)}))
    np.testing.assert_allclose(back.run(None, {INPUT: np.array([[1e12, 6, 9], [-4, 6, -9]])})[0][:, 0], [10000, 100])


def test_without_an_idea_of_the_detector_the_usual_value_is_the_median_or_the_commonest_code() -> None:
    encoder = Encoder.fit(NAMES, ROWS)
    graph = Graph(len(NAMES))
    usual = session(graph.bytes({"usual": (encoder.decode_onnx(graph, None), np.float64)}))
    np.testing.assert_array_equal(usual.run(None, {INPUT: ROWS[:2]})[0], [[550, 6, 0], [550, 6, 0]])


def test_a_share_counts_in_percent_and_decodes_to_a_share() -> None:
    rows = np.array([[0.0], [0.5], [0.01]])
    encoder = Encoder.fit(("beacon",), rows)
    np.testing.assert_allclose(encoder.unscaled().encode(rows)[1], np.log(51), rtol=1e-6)
    graph = Graph(1)
    back = session(graph.bytes({"back": (encoder.decode_onnx(graph, encoder.to_onnx(graph)), np.float64)}))
    np.testing.assert_allclose(back.run(None, {INPUT: rows})[0], rows, atol=1e-6)


def test_unscaled_logarithms_begin_where_a_minute_of_few_things_ends() -> None:
    rows = np.array([[0.0, 0.0], [5.0, 500.0], [1000.0, 1e6]])
    encoded = Encoder.fit(("flows_out", "icmp_bytes_out"), rows).unscaled().encode(rows)
    np.testing.assert_allclose(encoded[0], np.log([6, 501]), rtol=1e-6)
    np.testing.assert_array_equal(encoded[0], encoded[1])
    np.testing.assert_allclose(encoded[2], np.log([1001, 1e6 + 1]), rtol=1e-6)
