"""Titles, descriptions and comments. The words are chosen so that keyword panels count what the generator says.

Patterns of titles and words of praise or complaint occur exactly where they are meant: no other sentence here may
hold them. Knows no table.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from random import Random

from sdconsole.source.generate.counts import chance
from sdconsole.source.generate.names import APPLICATIONS, FIRST_NAMES, HOSTS, LAST_NAMES, SITES


@dataclass(frozen=True, slots=True)
class Pattern:
    """A family of titles and how many of 10,939 tickets bear one. Alerts and people's tickets have their own."""

    name: str
    weight: float
    titles: tuple[str, ...]


ALERT_PATTERNS = (
    Pattern("motion", 472, ("Motion detected - Harbour Street Depot",)),
    Pattern("motion", 488, ("Motion sensor triggered - {site}", "Motion detected - {site} yard")),
    Pattern("traffic-out", 812, ("NRTH Platform-VMHighNetworkOutAlert",)),
    Pattern("traffic-in", 657, ("NRTH Platform-VMHighNetworkInAlert",)),
    Pattern("azure-health", 400, ("VM health degraded - {host}",)),
    Pattern("azure-health", 278, ("Azure resource not reachable - {host}",)),
    Pattern("volume", 340, ("Volume latency above 20 ms - {host}",)),
    Pattern("certificate", 248, ("SSL certificate expiry in {number} days - {application}",)),
    Pattern("memory", 200, ("{host} memory > 50.000000 % of physical memory",)),
    Pattern("disk", 141, ("Disk space low on {host}",)),
)
_LARGE_ALERT_WEIGHTS = {"memory": 135.0}
_LARGE_ALERTS = (Pattern("vm-status", 117, ("VM 'ordsrv07' status changed",)),)

TELEPHONY = "telephony"
NETWORKING = "networking"
REQUEST_PATTERNS = (
    Pattern("access", 908, ("Access to {application} for {person}", "Permission on folder of {site} for {person}")),
    Pattern("patch", 555, ("Patch failed on {host}", "Update failed on {host}")),
    Pattern("email", 526, ("Email to {person} is delayed", "Mailbox of {person} is full")),
    Pattern(NETWORKING, 150, ("VPN drops for {person}",)),
    Pattern("network", 340, ("Slow network at {site}",)),
    Pattern("password", 196, ("Password of {person} expired", "Unlock account of {person}")),
    Pattern("install", 125, ("Install {application} for {person}",)),
    Pattern("license", 94, ("License for {application} is missing",)),
    Pattern(
        TELEPHONY, 1281, ("Desk phone silent at {site}", "VoIP handset for {person}", "PBX queue of {site} is stuck")
    ),
    Pattern(
        NETWORKING, 49, ("Firewall rule for {application}", "Wifi weak at {site}", "Ethernet socket dead at {site}")
    ),
    Pattern(
        "other",
        2679,
        (
            "Printer at {site} prints blank pages",
            "{application} is slow for {person}",
            "Wrong totals in {application} report",
            "New starter {person} at {site}",
            "Screen of {person} flickers",
            "Restore a deleted folder for {person}",
        ),
    ),
)


@lru_cache
def alert_patterns(*, large: bool) -> tuple[Pattern, ...]:
    """The larger export adds the status of one virtual machine and has fewer memory alerts for its size."""
    if not large:
        return ALERT_PATTERNS
    changed = (Pattern(p.name, _LARGE_ALERT_WEIGHTS.get(p.name, p.weight), p.titles) for p in ALERT_PATTERNS)
    return (*changed, *_LARGE_ALERTS)


def title(pattern: Pattern, rng: Random) -> str:
    form = pattern.titles[int(rng.random() * len(pattern.titles))]
    if "{" not in form:
        return form
    return form.format(
        site=SITES[int(rng.random() * len(SITES))],
        host=HOSTS[int(rng.random() * len(HOSTS))],
        application=APPLICATIONS[int(rng.random() * len(APPLICATIONS))],
        person=f"{FIRST_NAMES[int(rng.random() * len(FIRST_NAMES))]} {LAST_NAMES[int(rng.random() * len(LAST_NAMES))]}",
        number=1 + int(rng.random() * 30),
    )


SENTENCES = (
    "The user confirmed that it started on Monday after lunch.",
    "Checked the logs of the last seven days and saw nothing unusual.",
    "Restarted the service and asked the site to try again.",
    "The vendor was informed and will come back to us tomorrow.",
    "Screenshots are attached to the parent record.",
    "Waiting for the approval of the line manager.",
    "The change was made outside business hours as agreed.",
    "Please let us know whether it works on the second device too.",
    "The workaround is to sign out and sign in again.",
    "Moved to the next shift with all details noted here.",
    "The account was checked and the group membership is right.",
    "We tested it together with the user and closed the session.",
    "The old profile was renamed and a new one was created.",
    "Storage was extended by 20 GB and the job ran through.",
    "The request came in by the portal and was sorted by the desk.",
    "A follow-up is planned for next week.",
    "The report was sent to the team lead for review.",
    "No further action is needed from the customer.",
)
PRAISE = (
    "Thank you, this is solved now.",
    "Great, it works again on both sites.",
    "We are happy with the quick answer.",
    "We appreciate the clear explanation.",
    "Perfect, please close the record.",
    "Wonderful support from the whole desk.",
)
COMPLAINT = (
    "The same problem came back this morning.",
    "This is urgent for the ward and still open.",
    "The error appears each time the form is saved.",
    "Our staff is frustrated by the long wait.",
    "The issue was reported twice already.",
    "We are disappointed that nobody answered.",
)
_NOTICES = (
    "status changed from {a} to {b} by rule {n}",
    "SLA clock {a} at {n} minutes, next check in {m} minutes",
    "assignment rule {n} kept the queue, {m} tickets are waiting in it",
    "e-mail notice {n} was sent to the requester and to {m} watchers",
)
_STATES = ("Open", "In Progress", "Pending", "Waiting", "Incident Resolved", "Closed", "running", "stopped")


def notices(count: int, rng: Random) -> list[str]:
    """Workflow notices of the automation account, a few lines each, about 100 to 450 characters."""
    made: list[str] = []
    for _ in range(count):
        lines = [
            "Workflow: "
            + rng.choice(_NOTICES).format(
                a=rng.choice(_STATES), b=rng.choice(_STATES), n=rng.randrange(1, 400), m=rng.randrange(1, 90)
            )
            for _ in range(2 + int(rng.random() * rng.random() * 11))
        ]
        made.append("\n".join(lines))
    return made


def lengths(count: int) -> list[int]:
    """Numbers of sentences, log-normal with a median of four (about 250 characters), as evenly spaced quantiles."""
    rng = chance("lengths")
    return sorted(max(1, round(rng.lognormvariate(1.5, 0.75))) for _ in range(count))
