"""`driftdrill certify`: a study, its progress, and where its results go."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from driftdrill.certify.output import print_tables, write_json, write_page
from driftdrill.certify.study import Plan, certify
from driftdrill.report.bar import counting_bar


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
