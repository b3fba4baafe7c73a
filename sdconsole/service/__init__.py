"""The library that every interface calls: prepare a run, execute it, look at runs, versions and the target.

Preparing opens and checks everything that can be known beforehand (source, contract, server, lock) and leaves no
trace when something is wrong. Executing never raises for a failed stage: the returned state says what happened.
"""

from sdconsole.service.blocking import InTheWay, blockers, end_blocker, running_run
from sdconsole.service.elsewhere import (
    answer_run,
    hold_run,
    is_alive,
    open_question,
    pause_run,
    stop_run,
    unpause_run,
)
from sdconsole.service.exports import generate_demo, generate_export, number_of_rows
from sdconsole.service.looking import (
    last_durations,
    list_runs,
    list_versions,
    load_run,
    newest_unfinished,
    read_records,
)
from sdconsole.service.orders import Demonstration, Order, Resumption, Rollback, prepare
from sdconsole.service.preparing import (
    DeployPlan,
    DeployRequest,
    plan_deploy,
    prepare_deploy,
    prepare_restore,
    prepare_resume,
    prepare_rollback,
)
from sdconsole.service.run_process import StartedRun, start_run
from sdconsole.service.running import PreparedRun
from sdconsole.service.targets import (
    current_operator,
    embedded_server,
    holds_password,
    recorded_settings,
    resolve_target,
)
from sdconsole.service.watching import News, Seen, follow, follow_run, look, news, run_to_watch
from sdconsole.source.generate.manifest import defects_path

__all__ = [
    "Demonstration",
    "DeployPlan",
    "DeployRequest",
    "InTheWay",
    "News",
    "Order",
    "PreparedRun",
    "Resumption",
    "Rollback",
    "Seen",
    "StartedRun",
    "answer_run",
    "blockers",
    "current_operator",
    "defects_path",
    "embedded_server",
    "end_blocker",
    "follow",
    "follow_run",
    "generate_demo",
    "generate_export",
    "hold_run",
    "holds_password",
    "is_alive",
    "last_durations",
    "list_runs",
    "list_versions",
    "load_run",
    "look",
    "newest_unfinished",
    "news",
    "number_of_rows",
    "open_question",
    "pause_run",
    "plan_deploy",
    "prepare",
    "prepare_deploy",
    "prepare_restore",
    "prepare_resume",
    "prepare_rollback",
    "read_records",
    "recorded_settings",
    "resolve_target",
    "run_to_watch",
    "running_run",
    "start_run",
    "stop_run",
    "unpause_run",
]
