"""Rules for tables that no contract describes: values fit their types, keys are there, and keys occur once.

Every table is worth the same, in the proportions of the score's dimensions. Knows no SQLite.
"""

from __future__ import annotations

from sdconsole.contract.model import Dimension, Rule, Severity, Table

_WEIGHTS = {Dimension.COMPLETENESS: 40.0, Dimension.VALIDITY: 30.0, Dimension.UNIQUENESS: 5.0}


def plain_rules(table: Table, tables: int) -> list[Rule]:
    """The rules of one of `tables` tables."""
    rules = [
        _rule(
            table,
            "usable_values",
            Dimension.VALIDITY,
            (),
            "values fit the types that their columns prove to have",
            "a value of another type than the rest of its column cannot be loaded",
            share=1.0 / tables,
            tolerance_percent=5.0,
        )
    ]
    if table.key:
        listed = ", ".join(table.key)
        rules += [
            _rule(
                table,
                "filled",
                Dimension.COMPLETENESS,
                (name,),
                f"{name} is filled",
                "a row without its key cannot be loaded",
                share=1.0 / tables / len(table.key),
            )
            for name in table.key
        ]
        rules.append(
            _rule(
                table,
                "unique",
                Dimension.UNIQUENESS,
                table.key,
                f"{listed} occurs once",
                "of rows with the same key only one can be loaded",
                share=1.0 / tables,
            )
        )
    return rules


def _rule(
    table: Table,
    check: str,
    dimension: Dimension,
    columns: tuple[str, ...],
    title: str,
    reason: str,
    *,
    share: float,
    tolerance_percent: float = 0.0,
) -> Rule:
    return Rule(
        id=f"{check}:{table.name}" + (f".{columns[0]}" if check == "filled" else ""),
        title=f"{table.name}: {title}",
        check=check,
        dimension=dimension,
        severity=Severity.ERROR,
        reason=reason,
        table=table.name,
        columns=columns,
        tolerance_percent=tolerance_percent,
        points=share * _WEIGHTS[dimension],
        options={"unusable": "elsewhere"} if check == "filled" else {},
    )
