"""Generates docs/rules.md from the rules."""

from collections.abc import Iterable, Iterator

from colonnade.lint._rule import BaseRule
from colonnade.lint.rules import all_rules
from colonnade.lint.schema import schema_rules

HEAD = """# Rules

The rules of [`colonnade check`](check.md): what each one finds, why it is a problem, and what to do
instead. `colonnade check --explain CLN101` prints the same text. This page is generated from the
rules, and the tests run the examples. A comment marks each line with a finding in a wrong example.

"""
GROUPS = {
    "CLN0": "Files",
    "CLN1": "Models and schemas",
    "CLN2": "Sessions and transactions",
    "CLN3": "Queries",
    "CLN4": "Configuration",
    "CLN6": "Alembic revisions",
    "CLN5": "Tables and databases: `--models`, `--database-url`",
}
FIXES = {
    "safe": "Fixed by `--fix`.",
    "unsafe": "Fixed by `--fix --unsafe-fixes`; review the change.",
    "never": "Fix it by hand.",
}
SHORT = {"safe": "safe", "unsafe": "unsafe", "never": ""}


def rules_page() -> str:
    """The page as Markdown."""
    rules: list[BaseRule] = [*all_rules(), *schema_rules()]
    return HEAD + "".join(_contents(rules)) + "".join(_groups(rules))


def _contents(rules: Iterable[BaseRule]) -> Iterator[str]:
    yield "| code | name | what it finds | fix |\n|---|---|---|---|\n"
    for rule in rules:
        anchor = f"{rule.code.lower()}-{rule.name}"
        summary = rule.summary().replace("|", "\\|")
        yield f"| [{rule.code}](#{anchor}) | {rule.name} | {summary} | {SHORT[rule.fixes]} |\n"
    yield "\n"


def _groups(rules: list[BaseRule]) -> Iterator[str]:
    for start, title in GROUPS.items():
        yield f"## {title}\n\n"
        for rule in rules:
            if rule.code.startswith(start):
                yield from _rule(rule)


def _rule(rule: BaseRule) -> Iterator[str]:
    yield f"### {rule.code} {rule.name}\n\n**{rule.summary()}**\n\n"
    if rule.reason():
        yield f"{rule.reason()}\n\n"
    for title, example in examples(rule):
        yield f"{title}:\n\n```py\n{example}\n```\n\n"
    if not rule.is_default:
        yield f"Not in the default set: name `{rule.code}` in `select`. "
    yield f"{FIXES[rule.fixes]}"
    yield f" [Source]({rule.source}).\n\n" if rule.source else "\n\n"


def examples(rule: BaseRule) -> Iterator[tuple[str, str]]:
    """Yield a rule's wrong example, and the part of its right example that differs."""
    if not rule.bad:
        return
    wrong, right = (text.strip().split("\n\n\n") for text in (rule.bad, rule.good))
    yield "Wrong", "\n\n\n".join(wrong)
    yield "Right", "\n\n\n".join([block for block in right if block not in wrong] or right)
