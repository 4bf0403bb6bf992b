"""Rule groups with one rule broken: what a slip of the keyboard, or of the mind, makes of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from driftdrill.mutate.expressions import STRETCH, changes
from driftdrill.virtual.rules import Group, GroupRule, needed_by

_SEVERITY = "severity"
_OTHER_SEVERITY = {"page": "info", "ticket": "page", "info": "page"}


@dataclass(frozen=True)
class Mutant:
    """One way in which the rules are wrong.

    Attributes:
        rule: Name of the rule that is broken.
        operator: The kind of damage.
        change: The damage itself.
        groups: All groups, that rule broken.
    """

    rule: str
    operator: str
    change: str
    groups: tuple[Group, ...]

    @property
    def name(self) -> str:
        """What an argument for its equivalence has to quote."""
        return f"{self.rule}: {self.operator}: {self.change}"


@dataclass(frozen=True)
class Broken:
    """Sound rules, all their mutants, and the alerts that depend on each rule."""

    groups: tuple[Group, ...]
    mutants: tuple[Mutant, ...]
    readers: Mapping[str, frozenset[str]]


def mutants(groups: Sequence[Group]) -> Iterator[Mutant]:
    """Every mutant of the rules that some alert depends on, the alerts included.

    Rules that no alert reads are for looking at; no drill can notice what is wrong with them.

    Raises:
        ValueError: An expression has something in it that cannot be written again; names the rule.
    """
    rules = [rule for group in groups for rule in group.rules]
    alerts = {place for place, rule in enumerate(rules) if rule.alerting}
    read = {id(rule) for group in needed_by(groups, alerts) for rule in group.rules}
    for i, group in enumerate(groups):
        for j, rule in enumerate(group.rules):
            if id(rule) not in read:
                continue
            for operator, change, broken in _broken(rule):
                rules_left = [*group.rules[:j], *broken, *group.rules[j + 1 :]]
                damaged = _with_rules(group, rules_left, j, bool(broken))
                yield Mutant(rule.name, operator, change, (*groups[:i], damaged, *groups[i + 1 :]))


def alerts_behind(groups: Sequence[Group]) -> dict[str, frozenset[str]]:
    """The alerts that depend on each rule, by the rule's name; an alert depends on itself."""
    rules = [rule for group in groups for rule in group.rules]
    readers: dict[str, frozenset[str]] = {}
    for place, alert in enumerate(rules):
        if alert.alerting:
            for group in needed_by(groups, {place}):
                for rule in group.rules:
                    readers[rule.name] = readers.get(rule.name, frozenset()) | {alert.name}
    return readers


def _broken(rule: GroupRule) -> Iterator[tuple[str, str, tuple[GroupRule, ...]]]:
    """Kind of damage, damage, and what is left of the rule."""
    yield "rule dropped", "", ()
    if rule.hold:
        longer = rule.hold * STRETCH
        what = f"{rule.hold / 1000:g}s -> {longer / 1000:g}s"
        yield "for", what, (replace(rule, hold=longer),)
    severity = rule.labels.get(_SEVERITY)
    if rule.alerting and severity in _OTHER_SEVERITY:
        other = _OTHER_SEVERITY[severity]
        changed = replace(rule, labels={**rule.labels, _SEVERITY: other})
        yield "severity", f"{severity} -> {other}", (changed,)
    try:
        found = list(changes(rule.expr))
    except ValueError as error:
        raise ValueError(f"rule {rule.name} cannot be broken: {error}") from None
    for operator, what, expr in found:
        yield operator, what, (replace(rule, expr=expr),)


def _with_rules(group: Group, rules: Sequence[GroupRule], place: int, kept: bool) -> Group:
    """A group with other rules; one of them may be gone or have another expression."""
    documents = list(group.document["rules"])
    if kept:
        documents[place] = _document(documents[place], rules[place])
    else:
        del documents[place]
    return replace(group, rules=tuple(rules), document={**group.document, "rules": documents})


def _document(raw: dict[str, object], rule: GroupRule) -> dict[str, object]:
    changed = {**raw, "expr": rule.expr}
    if rule.labels:
        changed["labels"] = dict(rule.labels)
    if rule.hold:
        changed["for"] = f"{rule.hold}ms"
    return changed
