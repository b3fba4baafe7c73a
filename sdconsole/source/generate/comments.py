"""The rows of `comments`, and of the two tables of analyses that copy some of them. No defects.

A ticket's comments stand together and in the order of time. What the customer sees is always written by people; half
of it holds a word of praise, two fifths a word of complaint, independently.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

from sdconsole.source.generate import distributions as dist
from sdconsole.source.generate.analyses import quality_row, sentiment_row
from sdconsole.source.generate.cells import Cell, Row
from sdconsole.source.generate.clock import written
from sdconsole.source.generate.counts import Spread, apportion, chance
from sdconsole.source.generate.declared import QUALITY, SENTIMENT
from sdconsole.source.generate.facts import TicketFacts, ticket_id
from sdconsole.source.generate.names import Person
from sdconsole.source.generate.sizes import Scale
from sdconsole.source.generate.wording import COMPLAINT, PRAISE, SENTENCES, lengths, notices

_FIRST_ID = 21_000_000
_AUTOMATIC, _NOTE, _VISIBLE = range(3)
_ROSTER_SIZE = 48
_BOT_TEAM = "Automation"


@dataclass(slots=True)
class Written:
    """The rows of one step: comments with the ticket index of each, and the analyses that belong to them."""

    comments: list[Row] = field(default_factory=list)
    tickets: list[int] = field(default_factory=list)
    quality: list[Row] = field(default_factory=list)
    sentiment: list[Row] = field(default_factory=list)


class CommentWriter:
    """Makes rows in the order of `declared.DECLARED`. Tickets must be asked for in ascending order, each once.

    `gaps`: leave out what real exports leave out even in required columns (text, user, visibility).
    """

    def __init__(
        self, facts: TicketFacts, scale: Scale, seed: int, staff: list[Person], *, automation: str, gaps: bool
    ) -> None:
        rng = chance(seed, "comments")
        visible = sum(facts.visible)
        analysed = scale.rows[QUALITY]
        self._facts = facts
        self._staff = staff
        self._automation = automation
        self._gaps = gaps
        self._praised = Spread(apportion((dist.POSITIVE_SHARE, 1 - dist.POSITIVE_SHARE), visible), rng)
        self._blamed = Spread(apportion((dist.NEGATIVE_SHARE, 1 - dist.NEGATIVE_SHARE), visible), rng)
        self._analysed = Spread((analysed, visible - analysed), rng)
        self._tier = Spread(apportion(dist.QUALITY_WEIGHTS, analysed), rng)
        self._felt = Spread((scale.rows[SENTIMENT], analysed - scale.rows[SENTIMENT]), rng)
        self._notices = notices(600, rng)
        self._lengths = lengths(1_000)
        self._made = self._visible_made = self._analysed_made = 0

    def step(self, start: int, stop: int, rng: Random) -> Written:
        """The comments of tickets start..stop-1."""
        made = Written()
        for index in range(start, stop):
            self._ticket(index, rng, made)
        return made

    def _ticket(self, index: int, rng: Random, made: Written) -> None:
        facts, rnd = self._facts, rng.random
        kinds = [_AUTOMATIC] * facts.automatic[index] + [_NOTE] * facts.notes[index] + [_VISIBLE] * facts.visible[index]
        if not kinds:
            return
        rng.shuffle(kinds)
        ticket, team = ticket_id(index), dist.TEAM_NAMES[facts.team[index]]
        begin = facts.created[index] + 60
        pace = (facts.resolved[index] - begin) / len(kinds)
        for place, kind in enumerate(kinds):
            number = _FIRST_ID + 3 * self._made + int(rnd() * 3)
            moment = written(begin + int(pace * (place + rnd())))
            if kind == _AUTOMATIC:
                text = self._notices[int(rnd() * 600)]
                shown = None if rnd() < 0.25 and self._gaps else "No"
                kept = None if rnd() < 0.004 and self._gaps else text
                row: Row = [number, ticket, kept, self._automation, 1, "system", _BOT_TEAM, moment, shown, "system"]
            elif kind == _NOTE:
                person = self._author(rng)
                login = None if rnd() < 0.01 and self._gaps else person.login
                shown = None if rnd() < 0.37 and self._gaps else "No"
                group = None if rnd() < 0.03 else team
                text = self._prose(rng)
                row = [number, ticket, text, login, person.number, "agent", group, moment, shown, "worknotes"]
            else:
                row = self._visible_row(number, ticket, team, moment, rng, made)
            self._made += 1
            made.comments.append(row)
            made.tickets.append(index)

    def _visible_row(self, number: int, ticket: int, team: str, moment: str, rng: Random, made: Written) -> Row:
        place = self._visible_made
        self._visible_made += 1
        person = self._author(rng)
        owner = "customer" if rng.random() < 0.3 else "agent"
        text = self._prose(rng)
        if self._blamed(place) == 0:
            text = f"{COMPLAINT[int(rng.random() * len(COMPLAINT))]} {text}"
        if self._praised(place) == 0:
            text = f"{text} {PRAISE[int(rng.random() * len(PRAISE))]}"
        analysed = self._analysed(place) == 0
        kind = "comments" if analysed else "worknotes"
        if analysed:
            self._analyse([number, ticket, person.login, team, kind, moment, text], rng, made)
        user: Cell = person.number if rng.random() < 0.98 else None
        return [number, ticket, text, person.login, user, owner, team, moment, "Yes", kind]

    def _analyse(self, comment: Row, rng: Random, made: Written) -> None:
        place = self._analysed_made
        self._analysed_made += 1
        made.quality.append(quality_row(comment, self._tier(place), rng))
        if self._felt(place) == 0:
            made.sentiment.append(sentiment_row(comment, rng))

    def _author(self, rng: Random) -> Person:
        if rng.random() < 0.85:
            return self._staff[int(_ROSTER_SIZE * rng.random() ** 1.5)]
        return self._staff[int(rng.random() * len(self._staff))]

    def _prose(self, rng: Random) -> str:
        return " ".join(rng.choices(SENTENCES, k=self._lengths[int(rng.random() * 1_000)]))
