"""Settings as an operator meets them: where they come from, what is wrong with them, and that each is obeyed."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from sdconsole.config import Settings, load_settings
from sdconsole.core.model import CheckStatus
from sdconsole.errors import UsageError
from sdconsole.service.targets import contract_of, recorded_settings
from sdconsole.stages import machine_checks, source_checks
from tests.cli.conftest import Inside, listing
from tests.cli.test_refusals import refused


def write(inside: Inside, text: str, name: str = "sdconsole.toml") -> Path:
    path = inside.folder / name
    path.write_text(text)
    return path


def test_each_setting_says_which_layer_it_comes_from(inside: Inside, monkeypatch: pytest.MonkeyPatch) -> None:
    write(inside, 'min_quality = 85\nkeep_versions = 4\n[targets.w]\ndsn = "host=db"\n[hooks]\non_hold = [["tell"]]\n')
    monkeypatch.setenv("SDCONSOLE_KEEP_VERSIONS", "5")
    home = Path(inside("config", "path", "--json").json["files"][1]["path"])
    home.parent.mkdir(parents=True)
    home.write_text("min_quality = 90\nwarn_quality = 75\n")
    found = inside("config", "show", "--origin", "--json").json["settings"]
    assert found["min_quality"] == {"value": 85.0, "origin": "sdconsole.toml"}
    assert found["keep_versions"] == {"value": 5, "origin": "SDCONSOLE_KEEP_VERSIONS"}
    assert found["warn_quality"] == {"value": 75.0, "origin": str(home)}
    assert found["targets.w.dsn"] == {"value": "host=db", "origin": "sdconsole.toml"}
    assert found["hooks.on_hold"] == {"value": ["tell"], "origin": "sdconsole.toml"}
    assert found["corrupt_percent"] == {"value": 20, "origin": "default"}
    assert set(Settings.model_fields) <= {key.split(".")[0] for key in found}
    assert re.search(r"min_quality +sdconsole\.toml +85\.0", inside("config", "show", "--origin").out)


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("min_quality = 85\nkeep_version = 3\n", 2, "did you mean 'keep_versions'"),
        ("\n[targets.w]\nproductoin = true\n", 3, "did you mean 'production'"),
        ("[hooks]\non_sucess = []\n", 2, "did you mean 'on_success'"),
        ("min_quality = 185\n", 1, "less than or equal to 100"),
        ('[targets.w]\ndsn = "host=db password=x1y2"\n', 2, "a password does not belong here"),
        ('[targets.w]\ndsn = "postgresql://me:x1y2@db/x"\n', 2, "a password does not belong here"),
        ('[hooks]\non_hold = ["notify-send hello"]\n', 2, "a program is a list"),
        ('time_zone = "Australia/Pert"\n', 1, "did you mean 'Australia/Perth'"),
        ('mode = "quick"\n', 1, "complete"),
        ("min_quality = \n", 1, "Invalid value"),
    ],
)
def test_a_mistake_is_told_with_file_line_and_the_nearest_key(inside: Inside, text: str, line: int, words: str) -> None:
    write(inside, text)
    ended = inside("config", "validate")
    assert ended.code == 2
    assert any(one.startswith(f"sdconsole.toml:{line}: ") and words in one for one in ended.out.splitlines()), ended.out
    assert "x1y2" not in ended.out + ended.err
    stopped = inside("status", "--json")
    assert stopped.code == 2
    assert stopped.json["error"]["slug"] in ("settings-invalid", "settings-unreadable")
    assert "x1y2" not in stopped.out + stopped.err


def test_a_file_to_start_from_names_every_setting_and_changes_nothing(inside: Inside) -> None:
    before = inside("config", "show", "--json").json
    assert inside("config", "init").code == 0
    refused(inside("config", "init", "--json"), 2, "output-exists")
    assert inside("config", "validate").code == 0
    assert inside("config", "show", "--json").json == before
    text = (inside.folder / "sdconsole.toml").read_text()
    for name in Settings.model_fields:
        assert re.search(rf"^# (\[?){name}\b", text, flags=re.MULTILINE), name
    lines = [line[2:] for line in text.splitlines() if re.match(r"# (\[|[a-z_]+ = )", line) and '"..."' not in line]
    write(inside, "\n".join(lines), "all.toml")
    assert inside("config", "validate", "all.toml").code == 0
    assert set(Settings.model_fields) == set(inside("config", "schema").json["properties"])


def test_time_zone_and_automation_accounts_win_over_the_contract(inside: Inside) -> None:
    plain = contract_of(load_settings())
    write(inside, 'time_zone = "Australia/Perth"\nautomation_accounts = ["robot"]\n')
    contract = contract_of(load_settings())
    own: dict[str, Any] = {"believed_percent": 80, "strange_dates_percent": 30, "grades": (99, 98, 97, 96)}
    given = contract_of(load_settings(**own))
    assert {name: getattr(given, name) for name in own} == own
    assert (plain.believed_percent, plain.strange_dates_percent, plain.grades) == (95, 50, (90, 80, 70, 60))
    for wrong in ([90, 80, 70], [60, 70, 80, 90], [101, 80, 70, 60]):
        with pytest.raises(UsageError):
            load_settings(grades=wrong)
    assert (contract.timezone, contract.automation_accounts) == ("Australia/Perth", ("robot",))
    assert plain.automation_accounts == ("flowbot",)


def test_limits_of_the_preflight_are_settings() -> None:
    assert machine_checks.memory(10, available_bytes=9).status is CheckStatus.WARN
    assert machine_checks.memory(10, available_bytes=10).status is CheckStatus.PASS
    contract = contract_of(load_settings())
    rows = {"tickets": 80, "comments": 100, "timesheets": 100}
    live = dict.fromkeys(rows, 100)
    for limit, warned in ((10, True), (30, False)):
        found = list(source_checks.source_rows(contract, rows, live, change_percent=limit))
        assert any(one.status is CheckStatus.WARN for one in found) is warned


def test_hooks_are_not_written_down_with_a_run() -> None:
    settings = load_settings(hooks={"on_hold": ["https://example.org/secret-path"]})
    assert "secret-path" not in json.dumps(recorded_settings(settings))
    with pytest.raises(UsageError):
        load_settings(hooks={"on_hold": ["file:///etc/passwd"]})


def test_the_doctor_looks_at_everything_and_says_what_to_do(inside: Inside) -> None:
    before = listing(inside.folder)
    well = inside("doctor", "--json")
    assert well.code == 0, well.out
    areas = {one["area"] for one in well.json["findings"]}
    assert {"terminal", "machine", "settings", "disk", "server", "clients"} <= areas
    unreachable = inside("doctor", "--dsn", "host=127.0.0.1 port=1 dbname=x", "--json")
    assert unreachable.code == 4
    [wrong] = [one for one in unreachable.json["findings"] if one["status"] == "fail"]
    assert (wrong["area"], wrong["check"]) == ("server", "postgres_connection")
    assert wrong["remedy"]
    assert listing(inside.folder) == before, "looking leaves no trace"
    write(inside, "min_qality = 3\n")
    broken = inside("doctor")
    assert broken.code == 4
    assert "sdconsole.toml:1: min_qality: unknown key, did you mean 'min_quality'?" in broken.out
    assert "next: " in broken.out


def test_a_password_in_a_flag_is_warned_of_and_works(inside: Inside) -> None:
    ended = inside("rollback", "--dsn", "host=127.0.0.1 port=1 password=x1y2", "--confirm", "servicedesk", "--json")
    refused(ended, 3, "connection-refused")
    assert "warning: a password on the command line" in ended.err
    assert "x1y2" not in ended.out + ended.err
