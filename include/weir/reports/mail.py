"""The report as a mail that survives mail: small HTML, a text part, inline pictures, the PDF attached.

multipart/mixed
  multipart/alternative
    text/plain
    multipart/related
      text/html, and the charts as PNG under their Content-IDs
  application/pdf

The subject is made of our own words and numbers only; nothing a packet carried stands in a header.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from email import policy
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Any

from weir.errors import SettingsError
from weir.reports.charts import charts, png
from weir.reports.page import mail_html, title
from weir.reports.part import Part, Table
from weir.reports.part_traffic import figures
from weir.reports.sections import parts
from weir.schema import US_PER_S
from weir.words import header

POLICY = policy.SMTP.clone(max_line_length=78)
TEXT_CARDS, TEXT_LINES = 10, 15
COLUMN_MOST = 44  # characters of a column in the text part
CHART_DPI = 130


def mail(content: Mapping[str, Any], pdf: bytes, *, sender: str, recipients: Sequence[str], message_id: str = "") -> bytes:
    """The whole message, ready for a raw send; the same arguments give the same bytes.

    Parameters
    ----------
    content : as ``content.content`` makes it; its ``made_us`` becomes the date
    pdf : the PDF twin
    sender, recipients : plain addresses, such as ``soc@example.com``
    message_id : with its angle brackets; by default made of the report's name and the sender's domain

    Raises
    ------
    SettingsError
        when an address is none.
    """
    message = EmailMessage(policy=POLICY)
    message["From"] = _address(sender, "WEIR_MAIL_FROM")
    message["To"] = [_address(recipient, "WEIR_MAIL_TO") for recipient in recipients]
    message["Subject"] = subject(content)
    message["Date"] = format_datetime(datetime.fromtimestamp(content["made_us"] // US_PER_S, UTC))
    message["Message-ID"] = header(message_id or f"<{_name(content)}.{content['made_us']}@{sender.rpartition('@')[2]}>", 200)
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(text(content), cte="quoted-printable")
    sources = {name: f"{name}.{_name(content)}@weir" for name in charts(content)}
    html = mail_html(content, {name: f"cid:{cid}" for name, cid in sources.items()})
    message.add_alternative(html, subtype="html", cte="quoted-printable")
    related = message.get_payload()[1]  # type: ignore[index]
    for name, cid in sources.items():
        picture = png(name, content, CHART_DPI)
        related.add_related(picture, "image", "png", cid=f"<{cid}>", disposition="inline", filename=f"{name}.png")  # type: ignore[union-attr]
    message.add_attachment(pdf, maintype="application", subtype="pdf", filename=f"{_name(content)}.pdf")
    _name_the_boundaries(message, _name(content))
    return message.as_bytes()


def subject(content: Mapping[str, Any]) -> str:
    """One line that says whether the mail must be opened."""
    verdict, severities = content["verdict"], content["alert_counts"]["severities"]
    urgent = [f"{n} {severity}" for severity, n in severities.items() if severity in ("critical", "high")]
    told = f" ({', '.join(urgent)})" if urgent else ""
    return header(f"{title(content)}: {verdict['words'].lower()}{told}")


def text(content: Mapping[str, Any]) -> str:
    """The report in plain text, for readers and programs that take no HTML."""
    verdict = content["verdict"]
    lines = [title(content), content["period"]["words"] + ", all times UTC", "", f"{verdict['words']}.".upper()]
    lines += [f"- {point['words']}" for point in verdict["points"]]
    lines += ["", *(f"{f.name + ':':<14}{f.words}{'  ' + f.change if f.change else ''}" for f in figures(content))]
    for part in parts(content, TEXT_CARDS, TEXT_LINES):
        lines += _part(part)
    return "\n".join(lines) + "\n"


def _part(part: Part) -> list[str]:
    lines = ["", "", part.title.upper(), "-" * len(part.title), *part.lead]
    for card in part.cards:
        lines += ["", f"[{card.severity}, {card.status}]", card.words]
        lines += [f"  {name + ':':<12}{words}" for name, words in card.facts]
        lines += [f"  {share:4.0%}   {words}" for words, share in card.reasons]
        lines += [f"  {words}" for words in (*card.packets, *card.notes)]
    for table in part.tables:
        lines += _table(table)
    return [*lines, *(line for line in (part.note, part.empty) if line)]


def _table(table: Table) -> list[str]:
    cells = [[_cut(text) for text in line] for line in (table.columns, *table.lines)]
    widths = [max(len(line[n]) for line in cells) for n in range(len(table.columns))]
    lines = [
        "  ".join(
            text.rjust(width) if n in table.numbers else text.ljust(width)
            for n, (text, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in cells
    ]
    more = [f"({table.more} more in the JSON twin)"] if table.more else []
    return ["", *([table.caption] if table.caption else []), *(line.rstrip() for line in lines), *more]


def _cut(words: str) -> str:
    return words if len(words) <= COLUMN_MOST else words[: COLUMN_MOST - 1] + "…"


def _name(content: Mapping[str, Any]) -> str:
    return f"weir-{content['kind']}-{content['period']['name']}"


def _address(text: str, setting: str) -> Address:
    try:
        if header(text, len(text)) != text:
            raise ValueError("it holds characters that no address has")
        user, _, domain = text.rpartition("@")
        if not user or not domain:
            raise ValueError("it has no @")
        return Address(addr_spec=text)
    except ValueError as error:
        raise SettingsError(
            f"{setting}: {header(text, 80)!r} is no mail address: {error}; give one such as soc@example.com"
        ) from error


def _name_the_boundaries(message: EmailMessage, name: str) -> None:
    """Boundaries that are the same whenever the mail is made, instead of random ones."""
    for n, part in enumerate(message.walk()):
        if part.is_multipart():
            part.set_boundary(f"=_{name}_{n}")
