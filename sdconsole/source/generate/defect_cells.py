"""Defects of single cells other than dates: what each makes of a value, and which cells may get it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from random import Random

from sdconsole.source.generate.cells import Cell, Row
from sdconsole.source.generate.declared import COMMENTS, POSITION, QUALITY, TICKETS, TIMESHEETS
from sdconsole.source.generate.defects import Expect
from sdconsole.source.generate.distributions import QUALITY_TIERS
from sdconsole.source.generate.facts import foreign_id, is_foreign
from sdconsole.source.generate.inject import Change, Changed

MISSING_WORDS = ("nan", "   ", "NaN", "None", "NULL", "N/A")
BAD_IDS: tuple[Cell, ...] = ("ABC-", -5, "")
FAILED_ANALYSIS = "Analysis failed - manual review needed"
PLACEHOLDER_TITLE = "[TKT-Key] TKT-Summary"
LONG_TEXT = 100_000
"""Characters; the most that a comment may have."""

_UNICODE_PADDING = ("\u00a0{}", "{}\u2003", "\u202f{}\u00a0")
_TEXT_FORMS = ("{}.0", " {} ")
_HOURS: tuple[tuple[Cell, Expect, Cell], ...] = (
    (0.0, Expect.KEPT, 0.0),
    (-1.5, Expect.KEPT, -1.5),
    (25.0, Expect.KEPT, 25.0),
    ("7,6", Expect.CONVERTED, 7.6),
    ("two hours", Expect.VALUE_QUARANTINED, None),
)
_CREATED = POSITION[TICKETS]["TKT-Created Time"]
_VISIBLE = POSITION[COMMENTS]["visible_to_customer"]
_TYPE = POSITION[COMMENTS]["comment_type"]
_CRM = POSITION[TIMESHEETS]["TS-Crm ID"]
_TIER = POSITION[QUALITY]["quality_tier"]
_SCORE = POSITION[QUALITY]["quality_score"]
_FIRST_SCORE = POSITION[QUALITY]["professionalism_score"]


def any_value(value: Cell, _row: Row, _number: int) -> bool:
    return value is not None


def is_empty(value: Cell, _row: Row, _number: int) -> bool:
    return value is None


def automatic(row: Row, _number: int) -> bool:
    """A comment of the automation account, which no customer sees."""
    return row[_TYPE] == "system"


def automatic_value(value: Cell, row: Row, number: int) -> bool:
    return value is not None and automatic(row, number)


def hidden_note(value: Cell, row: Row, _number: int) -> bool:
    """A comment by a person that no customer sees."""
    return value is not None and row[_VISIBLE] != "Yes" and row[_TYPE] != "system"


def unmatched(value: Cell, row: Row, number: int) -> bool:
    return value is not None and unmatched_booking(row, number)


def unmatched_booking(row: Row, _number: int) -> bool:
    """A timesheet row of another department's ticket, or of none: nobody counts it by ticket."""
    crm = row[_CRM]
    return isinstance(crm, int) and (crm == 0 or is_foreign(crm))


def has_number(value: Cell, _row: Row, _number: int) -> bool:
    """An id other than 0; 0 stands for "no ticket" and for "nobody"."""
    return value is not None and value != 0


def equals(wanted: str) -> Callable[[Cell, Row, int], bool]:
    def eligible(value: Cell, _row: Row, _number: int) -> bool:
        return value == wanted

    return eligible


def has_words(value: Cell, _row: Row, _number: int) -> bool:
    """A text with a blank inside, where a newline can stand."""
    return isinstance(value, str) and " " in value


def constant(stored: str, expect: Expect, clean: Cell) -> Change:
    """Always the same cell."""

    def change(_value: Cell, _row: Row, _number: int, _rng: Random) -> Changed:
        return Changed(stored, expect, clean)

    return change


def missing_word(_value: Cell, _row: Row, number: int, _rng: Random) -> Changed:
    return Changed(MISSING_WORDS[number % len(MISSING_WORDS)], Expect.NULL)


def nul_inside(value: Cell, _row: Row, _number: int, rng: Random) -> Changed:
    text = str(value)
    place = rng.randrange(1, len(text))
    return Changed(f"{text[:place]}\0{text[place:]}", Expect.CONVERTED, text)


def untidy_text(value: Cell, _row: Row, number: int, rng: Random) -> Changed:
    """A CRLF, a run of four to seven newlines, or blanks around the text, in turn. At most three newlines are left."""
    text = str(value)
    if number % 3 == 2:
        return padded_text(value, [], number, rng)
    place = rng.choice([index for index, sign in enumerate(text) if sign == " "])
    before, after = text[:place], text[place + 1 :]
    if number % 3 == 0:
        return Changed(f"{before}\r\n{after}", Expect.CONVERTED, f"{before}\n{after}")
    return Changed(f"{before}{chr(10) * rng.randrange(4, 8)}{after}", Expect.CONVERTED, f"{before}\n\n\n{after}")


def padded_text(value: Cell, _row: Row, _number: int, rng: Random) -> Changed:
    """For columns of one line."""
    return Changed(f"{' ' * rng.randrange(1, 4)}{value}  ", Expect.CONVERTED, value)


def id_with_unicode_blank(value: Cell, _row: Row, number: int, _rng: Random) -> Changed:
    """SQLite itself makes a number of '3664092.0' and ' 3664092 ' in an INTEGER column, but knows ASCII blanks only."""
    return Changed(_UNICODE_PADDING[number % 3].format(value), Expect.CONVERTED, value)


def id_as_text(value: Cell, _row: Row, number: int, _rng: Random) -> Changed:
    """'3664092.0' and ' 3664092 ' in turn, for columns declared TEXT."""
    return Changed(_TEXT_FORMS[number % 2].format(value), Expect.CONVERTED, int(str(value)))


def unusable_key(first: int) -> Change:
    """ABC-12, -5, '' in turn, beginning with the one of that number; no two rows get the same one, '' apart."""

    def change(_value: Cell, _row: Row, number: int, _rng: Random) -> Changed:
        round_number, turn = divmod(number + first, 3)
        bad = BAD_IDS[turn]
        if isinstance(bad, int):
            return Changed(bad - round_number, Expect.ROW_QUARANTINED)
        return Changed(f"{bad}{12 + round_number}" if bad else "", Expect.ROW_QUARANTINED)

    return change


def unusable_reference(_value: Cell, _row: Row, number: int, _rng: Random) -> Changed:
    return Changed(f"ABC-{12 + number}", Expect.VALUE_QUARANTINED)


def odd_hours(_value: Cell, _row: Row, number: int, _rng: Random) -> Changed:
    return Changed(*_HOURS[number % len(_HOURS)])


def orphan(tickets: int) -> Change:
    """The id of a ticket of another department."""

    def change(_value: Cell, _row: Row, _number: int, rng: Random) -> Changed:
        made = foreign_id(rng.randrange(9 * tickets))
        return Changed(made, Expect.KEPT, made)

    return change


def before_creation(_value: Cell, row: Row, _number: int, rng: Random) -> Changed:
    """More than a day before, so that it stays before whatever time of day the creation loses."""
    moment = datetime.fromisoformat(str(row[_CREATED])) - timedelta(hours=26, minutes=rng.randrange(6_000))
    return Changed(moment.isoformat(" "), Expect.KEPT, moment.isoformat(" "))


def odd_analysis(_value: Cell, row: Row, number: int, _rng: Random) -> Changed:
    """A tier that the score does not make, all four scores 3 yet "good", a failed analysis, in turn."""
    if number % 3 == 0:
        tier = QUALITY_TIERS[(QUALITY_TIERS.index(str(row[_TIER])) + 2) % 4]
        return Changed(tier, Expect.KEPT, tier)
    row[_FIRST_SCORE : _FIRST_SCORE + 4] = [3, 3, 3, 3]
    row[_SCORE] = 3.0
    if number % 3 == 2:
        row[POSITION[QUALITY]["intent_summary"]] = FAILED_ANALYSIS
    return Changed("good", Expect.KEPT, "good")


def emoji(value: Cell, _row: Row, number: int, _rng: Random) -> Changed:
    return _kept(f"{value} \U0001f468\u200d\U0001f4bb \U0001f44d\U0001f3fd {number}")


def percent(value: Cell, _row: Row, number: int, _rng: Random) -> Changed:
    return _kept(f"{value} (100%s done, 5%% left, %({number})d)")


def quotes(value: Cell, _row: Row, number: int, _rng: Random) -> Changed:
    return _kept(f"""{value}; O'Brien said "no" -- `{number}`""")


def placeholder(_value: Cell, _row: Row, _number: int, _rng: Random) -> Changed:
    return _kept(PLACEHOLDER_TITLE)


def long_text(value: Cell, _row: Row, _number: int, _rng: Random) -> Changed:
    text = str(value)
    return _kept((f"{text} " * (LONG_TEXT // (len(text) + 1) + 1))[: LONG_TEXT - 1] + ".")


def cut_text(value: Cell, _row: Row, number: int, _rng: Random) -> Changed:
    """What is left of a comment whose line broke at a newline: a few letters."""
    return _kept(str(value)[: 3 + number % 6].rstrip())


def garbage(_value: Cell, _row: Row, _number: int, _rng: Random) -> Changed:
    """A sentence where a number or a date is meant."""
    return Changed("see notes", Expect.VALUE_QUARANTINED)


def _kept(text: str) -> Changed:
    return Changed(text, Expect.KEPT, text)
