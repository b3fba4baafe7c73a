"""What the definitions of the figures leave to configuration: states, accounts, minimums, time zone, rates."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sdconsole.analytics.catalog import Catalog, load_catalog
from sdconsole.analytics.rates import Rates, load_rates
from sdconsole.contract.model import Contract


@dataclass(frozen=True, slots=True)
class MetricParameters:
    """What the definitions leave to configuration. Without `automation_accounts` their comments count as well."""

    closed_statuses: tuple[str, ...]
    automation_accounts: tuple[str, ...]
    team_minimum: int
    cell_minimum: int
    timezone: str = "UTC"
    rates: Rates | None = None
    """What work costs; None = nobody has said, so nothing is shown in money."""

    @classmethod
    def of(cls, contract: Contract, catalog: Catalog | None = None, *, rates: Path | None = None) -> MetricParameters:
        """`rates` is the file that names what work costs. Raises what `load_rates` raises."""
        limits = catalog or load_catalog()
        return cls(
            contract.closed_statuses,
            contract.automation_accounts,
            limits.team_minimum,
            limits.cell_minimum,
            contract.timezone,
            load_rates(rates),
        )

    def values(self) -> dict[str, list[str] | int | str]:
        """The query's parameters by name."""
        return {
            "closed": list(self.closed_statuses),
            "automation": list(self.automation_accounts),
            "team_minimum": self.team_minimum,
            "cell_minimum": self.cell_minimum,
            "timezone": self.timezone,
        }
