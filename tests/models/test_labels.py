import pyarrow as pa
import pytest

from weir.errors import SettingsError
from weir.models import labels

HEADER = "src_ip,src_port,dst_ip,dst_port,ip_proto,first_seen,last_seen,label\n"
NINE = "2024-03-04T09:00:00.000000Z"
NINE_US = 1_709_542_800_000_000
SCAN = f"10.0.0.1,5000,10.0.0.2,80,6,{NINE},2024-03-04T09:00:10Z,web-scan\n"
LIST = f"{HEADER}{SCAN}10.0.0.3,1,10.0.0.2,80,6,{NINE},{NINE},benign\n"


def flows(*rows: tuple[str, int, str, int, int]) -> pa.Table:
    names = ("src_ip", "src_port", "dst_ip", "dst_port", "start_us")
    table = pa.table({name: [row[i] for row in rows] for i, name in enumerate(names)})
    for name, value in (("protocol", 6), ("duration_us", 1_000_000), ("sensor_id", "lab")):
        table = table.append_column(name, pa.array([value] * len(rows)))
    return table


def test_a_flow_is_labelled_whichever_side_spoke_first() -> None:
    there, back = ("10.0.0.1", 5000, "10.0.0.2", 80, NINE_US), ("10.0.0.2", 80, "10.0.0.1", 5000, NINE_US)
    assert labels.of_flows(flows(there, back), labels.read(LIST, "list")) == ["web-scan", "web-scan"]


def test_benign_unknown_and_other_times_are_normal() -> None:
    benign, unknown = ("10.0.0.3", 1, "10.0.0.2", 80, NINE_US), ("10.0.0.9", 5000, "10.0.0.2", 80, NINE_US)
    later = ("10.0.0.1", 5000, "10.0.0.2", 80, NINE_US + 60_000_000)
    assert labels.of_flows(flows(benign, unknown, later), labels.read(LIST, "list")) == ["", "", ""]


def test_both_hosts_of_an_attack_are_labelled_in_its_window_only() -> None:
    attack = flows(("10.0.0.1", 5000, "10.0.0.2", 80, NINE_US + 5_000_000))
    windows = pa.table(
        {
            "sensor_id": ["lab"] * 4,
            "host": ["10.0.0.1", "10.0.0.2", "10.0.0.1", "10.0.0.7"],
            "start_us": [NINE_US, NINE_US, NINE_US + 60_000_000, NINE_US],
        }
    )
    assert labels.of_windows(windows, attack, ["web-scan"], 60) == ["web-scan", "web-scan", "", ""]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a,b\n1,2\n", "columns src_ip"),
        (HEADER + "10.0.0.1,x,10.0.0.2,80,6,a,b,c\n", "line 2"),
        (HEADER + "10.0.0.1,1\n", "line 2"),
    ],
)
def test_a_bad_list_is_refused_and_the_line_named(text: str, words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        labels.read(text, "list")
