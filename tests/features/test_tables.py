"""The page about the tables says what the schema says."""

from pathlib import Path

from weir import schema
from weir.features import tables


def test_the_page_about_tables_is_current():
    page = Path(__file__).parents[2] / "docs" / "formats" / "tables.md"
    assert page.read_text() == tables.page(), "run: python -m weir.features.tables > docs/formats/tables.md"


def test_every_column_of_every_table_has_its_line():
    text = tables.page()
    for table, columns in schema.TABLES.items():
        section = text[text.index(f"## `{table}`") :].split("\n## ")[0]
        assert [column.name for column in columns if f"| `{column.name}` | {column.dtype} |" not in section] == []
