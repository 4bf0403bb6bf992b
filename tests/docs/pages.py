"""The pages, their blocks and tables, and the rules that they are about."""

import re
import subprocess
from pathlib import Path
from typing import Any, NamedTuple

import yaml

PROJECT = Path(__file__).parents[2]
README = PROJECT / "README.md"
PAGES = [README, *sorted((PROJECT / "docs").glob("*.md"))]
TEXT = "\n".join(page.read_text() for page in PAGES)


class Block(NamedTuple):
    """A fenced block, and where it stands."""

    page: str
    language: str
    text: str

    @property
    def file(self) -> str | None:
        """The file that a reader is to save the block as: its first line names it."""
        named = re.match(r"# (\S+\.ya?ml)$", self.text.splitlines()[0])
        return named[1] if named else None


BLOCKS = [
    Block(page.name, language, text)
    for page in PAGES
    for language, text in re.findall(r"^```(\w*)\n(.*?)^```$", page.read_text(), re.S | re.M)
]
FILES = {block.file: block.text for block in BLOCKS if block.file}


def page(name: str) -> str:
    return (PROJECT / "docs" / name).read_text()


def rules() -> list[dict[str, Any]]:
    files = sorted((PROJECT / "prometheus" / "rules").glob("*.yml"))
    groups = [group for file in files for group in yaml.safe_load(file.read_text())["groups"]]
    return [rule for group in groups for rule in group["rules"]]


def machine_rules() -> list[dict[str, Any]]:
    text = (PROJECT / "prometheus" / "machine" / "machine.yml").read_text()
    return [rule for group in yaml.safe_load(text)["groups"] for rule in group["rules"]]


def table_rows(text: str) -> list[list[str]]:
    return [
        [cell.strip() for cell in line.strip("|").split(" | ")]
        for line in text.splitlines()
        if line.startswith("| ")
    ]


def run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
