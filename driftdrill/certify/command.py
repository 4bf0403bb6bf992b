"""`driftdrill certify` and `calibrate`: their progress, and where their results go."""

from __future__ import annotations

from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table

from driftdrill.certify.calibrate import Traffic, calibrate, read_model, write_model
from driftdrill.certify.output import print_tables, write_json, write_page
from driftdrill.certify.study import Plan, certify
from driftdrill.report.bar import counting_bar
from driftdrill.rig.errors import UsageError


def certify_rules(plan: Plan, out: Path, json: Path | None, jobs: int, console: Console) -> None:
    """Run a study, print the table, write `certificate.json` and `certificate.html` into `out`."""
    with counting_bar(console) as progress:
        task = progress.add_task("runs", total=None)

        def show(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total)

        certificates = certify(plan, out / "trials", jobs, show)
    print_tables(certificates, console)
    write_json(certificates, json or out / "certificate.json")
    write_page(certificates, out / "certificate.html")
    console.print(f"  {out / 'certificate.html'}", highlight=False, soft_wrap=True)


def calibrate_model(
    named: str,
    traffic: Traffic,
    run_length: int,
    out: Path | None,
    seed: int,
    jobs: int,
    console: Console,
) -> None:
    """Calibrate a model's thresholds, print them, and write the model with them where asked for."""
    if out is not None and out.exists():
        raise UsageError(f"{out} is there already; name a new one")
    reference = read_model(named)
    with counting_bar(console) as progress:
        task = progress.add_task("banks", total=None)

        def show(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total)

        lines, banks = calibrate(reference, traffic, run_length, seed, jobs, show)
    table = Table("Bank", "Formula, nats", "Calibrated, nats", "Sooner", box=None)
    for line in lines:
        sooner = 1 - line.threshold / line.formula
        table.add_row(line.bank, f"{line.formula:.2f}", f"{line.threshold:.2f}", f"{sooner:.0%}")
    console.print(table)
    if out is not None:
        write_model(msgspec.structs.replace(reference, banks=banks), out)
        console.print(f"  {out}", highlight=False, soft_wrap=True)
