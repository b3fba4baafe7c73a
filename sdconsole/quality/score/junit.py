"""A score as JUnit XML, for whoever collects test results: one test case for each rule of the ledger.

Valid XML whatever the data are: what XML 1.0 cannot hold is written as an escape. Knows no file and no run.
"""

from __future__ import annotations

import re
from xml.etree import ElementTree

from sdconsole.quality.score.model import RuleResult, Score

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""All that is outside of the production Char of XML 1.0 (section 2.2), lone surrogates included."""


def junit_xml(score: Score, *, suite: str, timestamp: str = "") -> bytes:
    """UTF-8 with a declaration. A rule that does not pass is a failure with its severity as type, a rule that does
    not apply is skipped. `timestamp` is ISO 8601."""
    root = ElementTree.Element("testsuites", {"name": "sdconsole"})
    failures = sum(not result.passed and not result.left_out for result in score.ledger)
    skipped = sum(bool(result.left_out) for result in score.ledger)
    counts = {"tests": len(score.ledger), "failures": failures, "errors": 0, "skipped": skipped}
    attributes = {name: str(number) for name, number in counts.items()} | {"name": xml_text(suite)}
    group = ElementTree.SubElement(root, "testsuite", attributes | ({"timestamp": timestamp} if timestamp else {}))
    properties = ElementTree.SubElement(group, "properties")
    for name, value in (("score", f"{score.total:.2f}"), ("grade", score.grade), ("minimum", f"{score.minimum:g}")):
        ElementTree.SubElement(properties, "property", {"name": name, "value": value})
    for result in score.ledger:
        _case(group, result)
    ElementTree.indent(root)
    text: str = ElementTree.tostring(root, encoding="unicode")
    return b'<?xml version="1.0" encoding="UTF-8"?>\n' + text.encode() + b"\n"


def _case(group: ElementTree.Element, result: RuleResult) -> None:
    place = ".".join(filter(None, ("sdconsole", result.dimension.value, result.table)))
    attributes = {"classname": xml_text(place), "name": xml_text(f"{result.id} {result.title}")}
    case = ElementTree.SubElement(group, "testcase", attributes)
    if result.left_out:
        ElementTree.SubElement(case, "skipped", {"message": xml_text(result.left_out)})
        return
    counted = f"{result.failed:,} of {result.evaluated:,} failed"
    points = f"{result.lost:.2f} of {result.possible:.2f} points lost"
    if result.passed:
        ElementTree.SubElement(case, "system-out").text = xml_text(f"{counted}, {points}")
        return
    message = f"{counted}, {result.tolerance_percent:g} % are tolerated, {points}"
    failure = ElementTree.SubElement(case, "failure", {"type": result.severity.value, "message": xml_text(message)})
    lines = [result.reason, result.note, *result.samples, result.sql]
    failure.text = xml_text("\n".join(filter(None, lines)))


def xml_text(text: str) -> str:
    """The text with everything that XML cannot hold as an escape such as \\x00."""
    return _NOT_XML.sub(lambda found: _escape(ord(found[0])), text)


def _escape(code: int) -> str:
    return f"\\x{code:02x}" if code <= 0xFF else f"\\u{code:04x}"
