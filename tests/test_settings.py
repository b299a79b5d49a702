from pathlib import Path

import pytest

from weir import settings
from weir.errors import SettingsError


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "params.yaml"
    path.write_text(text)
    return path


def test_params_override_defaults_key_by_key(tmp_path: Path) -> None:
    loaded = settings.load(written(tmp_path, "alerts: {budget_per_day: 5}\n"), {})
    assert loaded.alerts.budget_per_day == 5
    assert loaded.flows == settings.FlowSettings()


def test_the_shipped_params_are_whole_and_true() -> None:
    settings.load(Path(__file__).parents[1] / "params.yaml", {})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("alert: {}", "nearest known one is 'alerts'"),
        ("alerts: {budget_a_day: 5}", "nearest known one is 'budget_per_day'"),
        ("alerts: {budget_per_day: 0}", "outside 1 to"),
        ("flows: {idle_timeout_s: 3601}", r"params\.yaml: flows\.idle_timeout_s: 3601 is outside 1 to 3600"),
        ("flows: {active_timeout_s: 99999999999999}", r"flows\.active_timeout_s: 99999999999999 is outside 1 to 3600"),
        ("flows: {memory_mb: 100000000}", r"flows\.memory_mb: 100000000 is outside 16 to 1048576"),
        ("flows: {memory_mb: 99999999999999999999}", r"flows\.memory_mb: 99999999999999999999 is outside 16 to 1048576"),
        ("flows: {plugins: [5]}", r"flows\.plugins\[0\]: 5 is not of type str"),
        ("windows: {seconds: 86400}", r"windows\.seconds: 86400 is outside 1 to 3600"),
        ("drift: {z: .nan}", r"drift\.z: nan is outside 1 to"),
        ("promote: {budget_factor: .inf}", r"promote\.budget_factor: inf is outside 0 to"),
        ("alerts: {budget_per_day: many}", "not of type int"),
        ("alerts: {budget_per_day: true}", "not of type int"),
        ("alerts: 5", "not keys with values"),
        ("- 1", "not sections"),
        ("a: [", "not YAML"),
    ],
)
def test_what_is_not_known_is_refused_in_words(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        settings.load(written(tmp_path, text), {})


def test_a_missing_params_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"absent\.yaml"):
        settings.load(tmp_path / "absent.yaml", {})


def test_places_come_from_the_environment(tmp_path: Path) -> None:
    site = settings.load(written(tmp_path, ""), {"WEIR_HOME": "/srv/weir", "WEIR_MAIL_TO": "a@example.org, b@example.org"}).site
    assert (site.store, site.spool) == ("/srv/weir/store", Path("/srv/weir/spool"))
    assert site.mail_to == ("a@example.org", "b@example.org")


def test_the_settings_page_is_current() -> None:
    page = Path(__file__).parents[1] / "docs" / "settings.md"
    assert page.read_text() == settings.page(), "run: python -m weir.settings > docs/settings.md"
