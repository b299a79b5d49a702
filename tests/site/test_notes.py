"""What a run says of itself, in one sentence."""

from weir.site import notes

COLLECTED = [{"segments": 2, "packets": 1500, "refused": [], "units": ["lab/2024-03-04T09"]}]
BUILT = [{"unit": "lab/2024-03-04T09", "packets": 1500, "flows": 40, "set_aside": {"non_ip": 3}}]


def test_collect_says_how_packets_became_flows_and_what_was_set_aside():
    words = notes.of_collect(COLLECTED, BUILT)
    assert words == "2 segments with 1,500 packets became 40 flows in 1 hour; set aside: 3 non_ip"


def test_collect_without_packets_says_so():
    assert notes.of_collect([], []) == "no packets waited"


def test_collect_names_the_first_reason_of_a_refused_segment():
    refused = [{**COLLECTED[0], "refused": ["lab-1.pcap.zst: sha256 differs"]}]
    assert notes.of_collect(refused, BUILT).endswith("1 segment refused: lab-1.pcap.zst: sha256 differs")


def test_features_counts_quarantined_rows_and_names_the_most_frequent_reason():
    table = {"rows": 12, "good": 9, "refused": {"bytes_fwd between": 2, "duration_us not null": 1}}
    words = notes.of_features([{"unit": "lab/2024-03-04T09", "flows": table, "windows": {"rows": 5, "good": 5, "refused": {}}}])
    assert words == "1 hour: 9 flows and 5 windows are valid; 3 quarantined, most for: bytes_fwd between"


def test_train_says_what_became_of_the_model():
    taken = {"hours": [{"role": "train"}, {"role": "train"}, {"role": "recent"}, {"role": "replay"}]}
    kept = notes.of_train(taken, {"model_id": "0123456789ab", "promoted": False, "words": "recall 0.2 is under 0.5"})
    assert kept == "model 0123456789ab, trained on 2 hours, stays challenger; recall 0.2 is under 0.5"


def test_drift_counts_verdicts():
    verdicts = [{"verdict": "no drift"}, {"verdict": "drift"}, {"verdict": "no drift"}]
    assert notes.of_drift(verdicts) == "drift: 1 hour; no drift: 2 hours"


def test_score_counts_rows_and_alerts():
    words = notes.of_score([{"rows": 1200}, {"rows": 300}], [{"alerts": 3, "sent": 2}, {"alerts": 0, "sent": 0}])
    assert words == "1,500 rows of 2 hours scored; 3 alerts, 2 sent"


def test_a_run_with_nothing_to_do_says_so():
    assert notes.of_features([]) == notes.of_drift([]) == "no hour was new"
    assert notes.of_score([], []) == "nothing waited for scores"
