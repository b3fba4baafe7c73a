"""Sessions for developers: `nox -s tests types lint minimums build bench`."""

from __future__ import annotations

from pathlib import Path

import nox

nox.options.sessions = ["lint", "types", "tests"]
nox.options.reuse_existing_virtualenvs = True
nox.options.error_on_missing_interpreters = False

CONSTRAINTS = "constraints.txt"
PYTHONS = ["3.11", "3.12", "3.13"]


def install_pinned(session: nox.Session, *extras: str) -> None:
    """Install the hashed pins, then the project itself without resolving anything anew."""
    session.install("--require-hashes", "-r", CONSTRAINTS)
    session.install("--no-deps", "-e", f".[{','.join(extras)}]" if extras else ".")


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """All tests, each Python that is installed, file by file in two processes; arguments replace that."""
    install_pinned(session, "dev")
    session.run("pytest", *(session.posargs or ["-n", "2", "--dist", "loadfile"]))


@nox.session
def types(session: nox.Session) -> None:
    """mypy in strict mode over the package and its tests."""
    install_pinned(session, "dev")
    session.run("mypy")


@nox.session
def lint(session: nox.Session) -> None:
    """ruff: rules and format."""
    install_pinned(session, "dev")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session
def minimums(session: nox.Session) -> None:
    """The tests on the lowest versions that pyproject.toml allows."""
    session.install("uv")
    location = str(session.virtualenv.location)
    session.run("uv", "pip", "install", "--python", location, "--resolution", "lowest-direct", "-e", ".[test]")
    session.run("pytest", *session.posargs)


@nox.session
def faults(session: nox.Session) -> None:
    """The fault trials; `-- --long` runs those that take hours."""
    install_pinned(session, "dev")
    session.run("pytest", "tests/faults", *session.posargs)


@nox.session
def build(session: nox.Session) -> None:
    """Source archive and wheel; the wheel must carry the contract, the SQL and the styles."""
    session.install("build")
    session.run("python", "-m", "build", "--outdir", session.create_tmp())


@nox.session
def bench(session: nox.Session) -> None:
    """Ratios measured in one run on this machine; arguments name a bench: generate, load, pipeline, quality."""
    install_pinned(session, "dev")
    for name in session.posargs or [
        path.stem.removeprefix("bench_") for path in sorted(Path("tests/bench").glob("bench_*.py"))
    ]:
        session.run("python", "-m", f"tests.bench.bench_{name}")


@nox.session
def screenshots(session: nox.Session) -> None:
    """The pictures of the documents, taken during a demonstration."""
    install_pinned(session, "dev")
    session.run("python", "-m", "tests.tui.screenshots", "runbooks/images")
