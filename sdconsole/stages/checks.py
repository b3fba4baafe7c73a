"""One preflight check's finding. Checks are pure functions that return findings; the stage reports and judges them."""

from __future__ import annotations

from dataclasses import dataclass

from sdconsole.core.model import CheckStatus


@dataclass(frozen=True, slots=True)
class Finding:
    """`slug` names the error when the check failed; `remedy` says what to do about it."""

    check: str
    status: CheckStatus
    detail: str
    measured: str = ""
    threshold: str = ""
    remedy: str = ""
    slug: str = ""


def passed(check: str, detail: str, *, measured: str = "", threshold: str = "") -> Finding:
    return Finding(check, CheckStatus.PASS, detail, measured, threshold)


def warned(check: str, detail: str, *, measured: str = "", threshold: str = "", remedy: str = "") -> Finding:
    return Finding(check, CheckStatus.WARN, detail, measured, threshold, remedy)


def failed(
    check: str, detail: str, *, measured: str = "", threshold: str = "", remedy: str = "", slug: str = ""
) -> Finding:
    return Finding(check, CheckStatus.FAIL, detail, measured, threshold, remedy, slug or check.replace("_", "-"))
