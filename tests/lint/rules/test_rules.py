"""Every rule finds and fixes what its examples show."""

import ast
import re
from pathlib import Path

import pytest

from colonnade.lint import Rule, all_rules, check_sources, read, rules_page
from colonnade.lint.fixes._fixing import apply
from tests.lint.checking import check_code, marked

ROOT = Path(__file__).parents[3]
EVERY_RULE = pytest.mark.parametrize("rule", all_rules(), ids=lambda rule: rule.code)
FIXABLE_RULES = pytest.mark.parametrize(
    "rule", [rule for rule in all_rules() if rule.fixes != "never"], ids=lambda rule: rule.code
)


def test_every_rule_has_a_unique_code_and_name() -> None:
    assert len(all_rules()) > 50
    assert len({rule.code for rule in all_rules()}) == len(all_rules())
    assert len({rule.name for rule in all_rules()}) == len(all_rules())
    for rule in all_rules():
        assert re.fullmatch(r"CLN\d{3}", rule.code)
        assert re.fullmatch(r"[a-z]+(-[a-z]+)*", rule.name)
        assert rule.summary().endswith(".")
        assert rule.reason()


@EVERY_RULE
def test_the_wrong_example_has_findings_only_on_its_marked_lines(rule: Rule) -> None:
    assert marked(rule.bad)
    assert check_code(rule.bad) == marked(rule.bad)


@EVERY_RULE
def test_the_right_example_has_no_findings(rule: Rule) -> None:
    assert check_code(rule.good) == []


@EVERY_RULE
def test_a_noqa_comment_silences_a_rule(rule: Rule) -> None:
    if rule.code == "CLN001":  # the file is not parsed, so comments are not read
        return
    assert (
        check_code(re.sub(rf"# {rule.code}$", f"# noqa: {rule.code}", rule.bad, flags=re.M)) == []
    )
    assert check_code(re.sub(rf"# {rule.code}$", "# noqa", rule.bad, flags=re.M)) == []
    others = re.sub(rf"# {rule.code}$", "# noqa: E501, F401", rule.bad, flags=re.M)
    assert [code for _, code in check_code(others)] == [rule.code] * len(marked(rule.bad))


def fixed(code: str, rules: tuple[Rule, ...] = all_rules()) -> str:
    """Code after all fixes, applied until nothing changes."""
    for _ in range(10):
        source = read(code.encode(), ".py")
        findings = check_sources({"code.py": source}, rules)
        code, count = apply(source, findings)
        if not count:
            return code
    raise AssertionError(f"the fixes never end:\n{code}")


def body(code: str) -> list[str]:
    """The statements of a module, without imports and comments."""
    statements = [
        statement
        for statement in ast.parse(code).body
        if not isinstance(statement, ast.Import | ast.ImportFrom)
    ]
    return [ast.unparse(statement) for statement in statements]


@FIXABLE_RULES
def test_the_fix_turns_the_wrong_example_into_the_right_one(rule: Rule) -> None:
    fixed_code = fixed(rule.bad.lstrip(), (rule,))
    assert body(fixed_code) == body(rule.good)
    assert rule.code not in {code for _, code in check_code(fixed_code)}
    assert fixed(fixed_code, (rule,)) == fixed_code
    compile(fixed_code, "fixed.py", "exec")


@FIXABLE_RULES
def test_a_fix_imports_the_names_that_it_uses(rule: Rule) -> None:
    fixed_code = fixed(rule.bad.lstrip(), (rule,))
    known = {
        alias.asname or alias.name
        for node in ast.walk(ast.parse(fixed_code))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    for name in ("AsyncSession(", "col(", "timezone.", "Query("):
        if re.search(rf"(?<![\w.]){re.escape(name)}", fixed_code):
            assert name[:-1] in known


def test_the_rules_page_is_up_to_date() -> None:
    page = ROOT / "docs" / "rules.md"
    assert page.read_text() == rules_page(), "run: python scripts/rules_page.py"
