"""`arrayenh qa`: quality checks of enhanced recordings, interactive or in a pipeline."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from arrayenh.cli import terminal
from arrayenh.cli.inputs import find, selection
from arrayenh.errors import AudioError, ConfigError

if TYPE_CHECKING:
    from arrayenh.chain.enhancer import Enhancer
    from arrayenh.cli.judged import Judged, Request
    from arrayenh.evaluation.qa import Check


def command(
    recordings: Annotated[
        list[str], typer.Argument(metavar="REC...", help="Recordings, as in 'arrayenh enhance'.")
    ],
    enhanced: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE|DIR",
            help="Outputs to check; in a folder NAME_enhanced.* or NAME.*. "
            "Default: computed as by 'arrayenh enhance'.",
        ),
    ] = None,
    reference: Annotated[
        Path | None,
        typer.Option(metavar="FILE|DIR", help="Clean speech; in a folder NAME.*."),
    ] = None,
    profile: Annotated[
        str, typer.Option(metavar="NAME|FILE.toml", help="improvement, no-harm or a TOML file.")
    ] = "improvement",
    threshold: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=BOUND",
            help="Override a check of the profile; repeatable: 'delta_snr=>2', clipping=off.",
        ),
    ] = None,
    channel: Annotated[
        int | None,
        typer.Option(metavar="K", help="Input channel. Default: the first in use."),
    ] = None,
    mics: Annotated[int | None, typer.Option(help="Use only the first N channels.")] = None,
    channels: Annotated[
        str | None, typer.Option(metavar="LIST", help="Use only these: 0,2,3,5.")
    ] = None,
    pad: Annotated[
        bool, typer.Option("--pad", help="Pad shorter mono files with silence.")
    ] = False,
    array: Annotated[
        str | None, typer.Option(metavar="NAME|FILE", help="Geometry, for the chain.")
    ] = None,
    chain: Annotated[
        str | None,
        typer.Option(metavar="NAME|FILE", help="Profile of 'arrayenh enhance', for the chain."),
    ] = None,
    align: Annotated[
        bool, typer.Option("--align", help="Shift files that are late or early by up to 1 s.")
    ] = False,
    junit: Annotated[
        Path | None, typer.Option(metavar="FILE.xml", help="Also write JUnit XML.")
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an existing JUnit file.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check outputs against a profile: improvement (of SNR, PESQ, STOI) or no-harm.

    The exit code is 1 if a check fails or a recording cannot be judged. Without --reference,
    checks that need clean speech are skipped; so are checks whose package is not installed.
    Quote thresholds, because the shell reads > as a redirection.
    """
    from arrayenh.cli.judged import Request, attempt
    from arrayenh.evaluation.thresholds import load_profile

    chosen = selection(mics, channels)
    asked = load_profile(profile).changed(threshold or [])
    found = {name: within for each in recordings for name, within in find(each)}
    check(list(found), {"--enhanced": enhanced, "--reference": reference}, junit, overwrite)
    enhancer = None if enhanced else new_enhancer(chain, array, channel, chosen)
    if enhanced and (chain or array):
        raise ConfigError(
            "--chain and --array set up the chain, but --enhanced runs none; omit them"
        )
    request = Request(asked, enhancer, enhanced, reference, mics, chosen, pad, channel, align)
    done: list[Judged] = []
    with terminal.progress(len(found), f"{len(found)} recordings") as progress:
        for name, within in found.items():
            done.append(attempt(name, within, request))
            progress(len(done))
    if junit is not None:
        save(done, request, junit, overwrite)
    finish(done, request, as_json)


def check(
    names: list[str], partners: dict[str, Path | None], junit: Path | None, overwrite: bool
) -> None:
    """Validate the options before any recording is processed."""
    from arrayenh.audio import split_paths
    from arrayenh.cli.outputs import check_folder, refuse_inputs
    from arrayenh.files import check_free

    for option, path in partners.items():
        if path is not None and not path.exists():
            raise ConfigError(f"{option} {path} does not exist")
        if path is not None and len(names) > 1 and not path.is_dir():
            raise ConfigError(
                f"{option} {path} is one file for {len(names)} recordings; give a folder instead"
            )
    if junit is not None:
        if junit.suffix.lower() != ".xml":
            raise ConfigError(f"--junit {junit} should end in .xml")
        check_free(junit, overwrite)
        read = [Path(part) for name in names for part in split_paths(name)]
        refuse_inputs([junit], [*read, *filter(None, partners.values())])
        check_folder(junit.parent)


def new_enhancer(
    chain: str | None, array: str | None, channel: int | None, channels: tuple[int, ...] | None
) -> "Enhancer":
    """Build the chain whose outputs are judged, as `arrayenh enhance` does."""
    from arrayenh.chain.enhancer import Enhancer
    from arrayenh.chain.profile import resolve

    kept = channels[0] if channel is None and channels else channel
    return Enhancer(resolve(chain, {"reference": kept}), array)


def save(done: "list[Judged]", request: "Request", junit: Path, overwrite: bool) -> None:
    """Write the JUnit file."""
    from arrayenh.cli.outputs import make_folder
    from arrayenh.evaluation.junit import junit_xml
    from arrayenh.files import write_whole

    make_folder(junit.parent)
    text = junit_xml([each.verdict for each in done], f"arrayenh qa {request.profile.name}")
    write_whole(junit, text, overwrite=overwrite)
    terminal.say(f"written: {junit}")


def finish(done: "list[Judged]", request: "Request", as_json: bool) -> None:
    """Print the verdicts; exit with 1 unless all passed."""
    failed = [each for each in done if each.verdict.error is not None]
    if failed and len(done) == 1:  # the only recording failed: the request was wrong
        raise AudioError(failed[0].verdict.error)
    for each in done:
        terminal.warn(f"{each.verdict.recording}: {line}" for line in each.log)
    if as_json:
        terminal.show_json(as_dict(done, request))
    elif len(done) == 1:
        show_checks(done[0])
    else:
        columns = ("recording", "passed", "failed", "skipped", "verdict")
        terminal.show_table("Quality", columns, map(summary, done), prose=("verdict",))
    terminal.warn(skipped(done))
    if failed:
        terminal.say(f"{len(failed)} of {len(done)} recordings cannot be judged:")
        for each in failed:
            terminal.say(f"  {each.verdict.recording}: {each.verdict.error}")
    n_passed = sum(each.verdict.passed for each in done)
    if not as_json:
        of = f"{n_passed} of {len(done)} recordings pass {request.profile.name}"
        terminal.out.print(terminal.escape(of))
    if n_passed < len(done):
        raise typer.Exit(1)


def show_checks(judged: "Judged") -> None:
    """Print the checks of one recording."""
    columns = ("check", "input", "output", "value", "wanted", "unit", "verdict")
    rows = (
        (
            check.name,
            cell(check.before),
            cell(check.after),
            cell(check.value),
            str(check.bound),
            check.unit,
            check.verdict,
        )
        for check in judged.verdict.checks
    )
    terminal.show_table(judged.verdict.recording, columns, rows)


def summary(judged: "Judged") -> tuple[str, ...]:
    """Format a recording as a row of the summary table."""
    verdict = judged.verdict
    counts = (str(verdict.count(passed)) for passed in (True, False, None))
    failed = [check.words for check in verdict.checks if check.passed is False]
    words = "cannot be judged" if verdict.error is not None else "; ".join(failed) or "passed"
    return (verdict.recording, *counts, words)


def skipped(done: "list[Judged]") -> Iterator[str]:
    """Yield a line for each reason why checks were skipped."""
    names: dict[str, dict[str, None]] = {}
    for check in (check for each in done for check in each.verdict.checks):
        if check.passed is None:
            names.setdefault(check.reason or "", {})[check.name] = None
    for reason, checks in names.items():
        yield f"skipped {', '.join(checks)}: {reason}"


def as_dict(done: "list[Judged]", request: "Request") -> dict[str, Any]:
    """Verdicts for JSON."""
    return {
        "profile": request.profile.name,
        "passed": all(each.verdict.passed for each in done),
        "recordings": [
            {
                "input": each.verdict.recording,
                "enhanced": each.enhanced and str(each.enhanced),
                "reference": each.reference and str(each.reference),
                "channel": each.channel,
                "passed": each.verdict.passed,
                "error": each.verdict.error,
                "checks": list(map(check_dict, each.verdict.checks)),
                "log": each.log,
            }
            for each in done
        ],
    }


def check_dict(check: "Check") -> dict[str, Any]:
    """A check for JSON."""
    from arrayenh.evaluation.metric import infinite

    return {
        "name": check.name,
        "unit": check.unit,
        "before": check.before,
        "after": check.after,
        "value": check.value,
        "bound": str(check.bound),
        "verdict": check.verdict,
        "reason": check.reason or infinite(check.value),
    }


def cell(value: float) -> str:
    """Format a number for a table cell."""
    return "-" if value != value else f"{value:.3f}"
