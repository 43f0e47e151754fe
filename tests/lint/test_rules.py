"""The rules, by their own examples."""

import ast
import re
from pathlib import Path

import pytest

from colonnade.lint import Rule, all_rules, check_sources, read, rules_page
from colonnade.lint.fixes._fixing import apply
from tests.lint.checking import check_code, marked

ROOT = Path(__file__).parents[2]
RULES = pytest.mark.parametrize("rule", all_rules(), ids=lambda rule: rule.code)
MENDING = pytest.mark.parametrize(
    "rule", [rule for rule in all_rules() if rule.fixes != "never"], ids=lambda rule: rule.code
)


def test_there_are_many_and_each_has_a_code_and_a_name_of_its_own() -> None:
    assert len(all_rules()) > 50
    assert len({rule.code for rule in all_rules()}) == len(all_rules())
    assert len({rule.name for rule in all_rules()}) == len(all_rules())
    for rule in all_rules():
        assert re.fullmatch(r"CLN\d{3}", rule.code)
        assert re.fullmatch(r"[a-z]+(-[a-z]+)*", rule.name)
        assert rule.summary().endswith(".")
        assert rule.reason()


@RULES
def test_it_finds_the_marked_lines_of_its_wrong_example_and_no_other_rule_does(rule: Rule) -> None:
    assert marked(rule.bad)
    assert check_code(rule.bad) == marked(rule.bad)


@RULES
def test_nothing_is_found_in_its_right_example(rule: Rule) -> None:
    assert check_code(rule.good) == []


@RULES
def test_a_noqa_comment_silences_it(rule: Rule) -> None:
    if rule.code == "CLN001":  # which leaves nothing to read a comment in
        return
    assert (
        check_code(re.sub(rf"# {rule.code}$", f"# noqa: {rule.code}", rule.bad, flags=re.M)) == []
    )
    assert check_code(re.sub(rf"# {rule.code}$", "# noqa", rule.bad, flags=re.M)) == []
    others = re.sub(rf"# {rule.code}$", "# noqa: E501, F401", rule.bad, flags=re.M)
    assert [code for _, code in check_code(others)] == [rule.code] * len(marked(rule.bad))


def fixed(code: str, rules: tuple[Rule, ...] = all_rules()) -> str:
    """Code with all fixes made, again and again."""
    for _ in range(10):
        source = read(code.encode(), ".py")
        findings = check_sources({"code.py": source}, rules)
        code, count = apply(source, findings)
        if not count:
            return code
    raise AssertionError(f"never settles:\n{code}")


def body(code: str) -> list[str]:
    """What a module says, but for its imports and the comments."""
    statements = [
        statement
        for statement in ast.parse(code).body
        if not isinstance(statement, ast.Import | ast.ImportFrom)
    ]
    return [ast.unparse(statement) for statement in statements]


@MENDING
def test_its_fix_makes_the_right_example_of_the_wrong_one(rule: Rule) -> None:
    mended = fixed(rule.bad.lstrip(), (rule,))
    assert body(mended) == body(rule.good)
    assert rule.code not in {code for _, code in check_code(mended)}
    assert fixed(mended, (rule,)) == mended
    compile(mended, "mended.py", "exec")


@MENDING
def test_what_a_fix_names_is_imported(rule: Rule) -> None:
    mended = fixed(rule.bad.lstrip(), (rule,))
    known = {
        alias.asname or alias.name
        for node in ast.walk(ast.parse(mended))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    for name in ("AsyncSession(", "col(", "timezone.", "Query("):
        if re.search(rf"(?<![\w.]){re.escape(name)}", mended):
            assert name[:-1] in known


def test_the_page_of_rules_is_fresh() -> None:
    page = ROOT / "docs" / "rules.md"
    assert page.read_text() == rules_page(), "run: python scripts/rules_page.py"
