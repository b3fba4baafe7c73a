"""Invented people, logins, customers and hosts. No name comes from a real export."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


FIRST_NAMES = _words(
    """Mika Aroha Bela Cleo Dario Edda Farid Greta Hana Ilya Jonas Kaia Liam Mira Nadia Owen Priya Quinn Rosa Sami
    Tara Umi Vera Wanda Xenia Yusuf Zoe Anton Bianca Cyrus Delia Emre Flora Goran Heidi Imani Jarek Keiko Lorenzo
    Maeve Niko Olive Pavel Rania Stellan Thea Ugo Viola Wesley Yara Zeno Alma Boris Carys Dmitri Esme Fintan Gwen
    Hugo Inez Joon Kalina Leif Mateo Noor Otis Petra Rafe Sunniva Tomas Uma Vito Willa Yannick Zuri Aksel Brigid
    Caspian Dora Eamon Freya Gideon Halle Idris Juno Klaus Lucia Marek Nerys"""
)
LAST_NAMES = _words(
    """Tanaka Abbotsford Brackenridge Castellan Dunmore Eskdale Fairbairn Galbraith Hollowell Ingleby Jorgensen
    Kestleman Lindqvist Marchetti Novotny Oakhurst Pemberley Quartermain Rasmussen Silvestri Thorncroft Underhay
    Valdemar Whitlock Yardley Zielinski Ashgrove Birchall Coldwater Drummond Elverson Foxcroft Greenhalgh Hartwell
    Ironside Jellicoe Kirkbride Longmire Merriweather Nightshade Ollerton Prestwick Quillfeather Ravensworth
    Stapleford Tregarth Umberleigh Vanterpool Wetherell Yellowlees Zimmerle Ambrosio Belacourt Cruikshank Delafield
    Esterhazy Fotherby Grimaldi Hathersage Ivanhoe Juniper Kowalczyk Lacewing Montefiore Northcott Okonjo Pradhan
    Quennell Rosewarne Sarabande Takahashi Ulvestad Venkataraman Wainscott Ximenez Yamanaka Zadravec Amarante
    Boscawen Calloway Danforth Eversleigh Fennimore Gorringe Haverstock"""
)
CLIENT_TEAMS_ACCOUNTS = (
    "Alder & Finch Logistics",
    "Kestrel Bay Hospital",
    "Northgate Care Network",
    "Tidewater Bus Lines",
    "Internal",
)
_PLACES = _words(
    """Quarry Harbour Millstream Lantern Saltmarsh Juniper Copper Wattle Heron Orchard Granite Meadow Pelican Cedar
    Driftwood Amber Boulder Lakeside Thistle Willow Banyan Cobalt Falcon Ember"""
)
_TRADES = ("Dental Group", "Freight", "Primary School", "Legal", "Foods")
SITES = (
    "Harbour Street",
    "Mill Lane",
    "Old Quay",
    "Station Road",
    "North Yard",
    "Garden Court",
    "Hilltop",
    "Riverside",
    "Dockside",
    "Market Square",
)
HOSTS = ("ordsrv07", "appsrv02", "dbnode11", "webnode04", "filesrv01", "prnsrv03", "jumpsrv09", "etlnode05")
APPLICATIONS = ("Ledger", "Rosterline", "Fleetview", "Stockroom", "Intake", "Papertrail", "Timeboard", "Carepath")


@dataclass(frozen=True, slots=True)
class Person:
    number: int
    name: str
    login: str


@dataclass(frozen=True, slots=True)
class Account:
    number: int
    name: str
    billing_key: str


def people(count: int, rng: Random) -> list[Person]:
    """`count` people with different logins, e.g. Mika Tanaka, mtanaka."""
    pairs = [(first, last) for first in FIRST_NAMES for last in LAST_NAMES]
    rng.shuffle(pairs)
    made: list[Person] = []
    used: dict[str, int] = {}
    for number in range(count):
        first, last = pairs[number % len(pairs)]
        login = (first[0] + last).lower()
        used[login] = used.get(login, 0) + 1
        if used[login] > 1:
            login = f"{login}{used[login]}"
        made.append(Person(4000 + number * 3, f"{first} {last}", login))
    return made


def accounts() -> list[Account]:
    """The five large customers, then 120 small ones."""
    small = [f"{place} {trade}" for trade in _TRADES for place in _PLACES]
    names = [*CLIENT_TEAMS_ACCOUNTS, *small]
    return [Account(100_200 + number * 17, name, f"SK-{20_400 + number * 7}") for number, name in enumerate(names)]
