"""The five committed policy files, and what their reference says about the format."""

from __future__ import annotations

import re
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from audit import control
from datamap import registry
from policy.datapage import is_on
from policy.document import Chosen, Document, Part
from policy.period import Period
from policy.reading import PolicyError, read

ROOT = Path(__file__).resolve().parents[2]
FILES = ROOT / "policies"
REFERENCE = ROOT / "docs" / "policy-file.md"

# Site → letters of its promises, how many, the youngest age.
SITES: dict[str, tuple[str, int, int | None]] = {
    "wecustomers": ("WC", 23, 13),
    "weapp": ("WA", 24, 13),
    "weinterrupt": ("WI", 9, 13),
    "wespro": ("WD", 17, None),
    "clickandchat": ("CC", 36, 18),
}
NAMES = ("WeCustomers", "We app", "We Interrupt", "WeInterrupt", "Wespro", "ClickAndChat")


@pytest.fixture(params=SITES)
def site(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def document(site: str) -> Document:
    return read(FILES / f"{site}.toml")


def parts(value: object, place: str = "") -> Iterator[tuple[str, Part]]:
    """Every table of a document, with its place."""
    if isinstance(value, Part):
        yield place, value
        for name in type(value).model_fields:
            yield from parts(getattr(value, name), f"{place}.{name}")
    elif isinstance(value, list):
        for number, item in enumerate(value, 1):
            yield from parts(item, f"{place}[{number}]")


def texts(document: Document) -> Iterator[str]:
    """Every text of a document."""
    for _place, part in parts(document):
        for name in type(part).model_fields:
            value = getattr(part, name)
            if isinstance(value, str):
                yield value


def test_files_are_the_five_sites() -> None:
    assert sorted(path.stem for path in FILES.glob("*.toml")) == sorted(SITES)


def test_file_is_valid_and_named_after_its_site(site: str, document: Document) -> None:
    assert document.site.key == site


def test_file_has_every_promise_of_its_site_in_order(site: str, document: Document) -> None:
    letters, count, _youngest = SITES[site]
    expected = [f"{letters}-{number}" for number in range(1, count + 1)]
    assert [promise.id for promise in document.promises] == expected


def test_promises_speak_to_the_reader(document: Document) -> None:
    """You, we, or whoever does something: no promise is about "the user"."""
    strange = [p.id for p in document.promises if re.search(r"\busers?\b(?! tell| name)", p.text)]
    assert strange in ([], ["CC-4"])  # CC-4 lists a user name among the fields


def test_no_two_promises_share_a_text() -> None:
    counted = Counter(p.text for name in SITES for p in read(FILES / f"{name}.toml").promises)
    assert [text for text, count in counted.items() if count > 1] == []


def test_file_has_its_youngest_age(site: str, document: Document) -> None:
    assert document.age.youngest == SITES[site][2]
    assert document.age.child_under == (document.age.youngest or 13)


def test_only_minors_who_may_register_get_advice() -> None:
    advised = {name for name in SITES if read(FILES / f"{name}.toml").age.minors_advice}
    assert advised == {"wecustomers", "weapp"}


def test_sites_look_different() -> None:
    sites = [read(FILES / f"{name}.toml").site for name in SITES]
    for field in ("name", "mark", "accent", "accent_dark", "summary"):
        assert len({getattr(site, field) for site in sites}) == len(SITES)


def test_tables_with_a_period_say_that_the_operator_chose_it(document: Document) -> None:
    """None of the five published policies names a period, so none may look published."""
    silent = [
        place
        for place, part in parts(document)
        if isinstance(part, Chosen)
        and any(isinstance(getattr(part, name), Period) for name in type(part).model_fields)
        and not part.operators_choice
    ]
    assert silent == []


def test_mail_frequencies_are_marked_as_chosen(document: Document) -> None:
    unmarked = [m.key for m in document.mail_categories if m.frequency and not m.operators_choice]
    assert unmarked == []


def test_invented_addresses_are_marked(document: Document) -> None:
    """An address no published policy names is a placeholder that no mail can reach."""
    controller = document.controller
    placeholder = controller.email.endswith(".example") or any(
        "filled in by the operator" in line for line in controller.address
    )
    assert placeholder == bool(controller.operators_choice)


def test_file_has_the_collection_points_the_product_uses(document: Document) -> None:
    points = {point.key for point in document.collection_points}
    assert {"age-screen", "signup", "choices", "deletion-request"} - points == set()


def test_every_personal_field_has_a_purpose(document: Document) -> None:
    """Whatever the data map knows is used for something the page names (WA-2)."""
    named = {name for purpose in document.purposes for name in purpose.data}
    homeless = [
        f"{holding.key}.{personal.name}"
        for holding in registry.holdings()
        for personal in holding.personal
        if is_on(document, holding.feature)
        if not {holding.key, f"{holding.key}.{personal.name}"} & named
    ]
    assert homeless == []


def test_every_purpose_of_the_app_names_its_data() -> None:
    """WA-10: eleven purposes, each tied to data it uses."""
    purposes = read(FILES / "weapp.toml").purposes
    assert len(purposes) == 11
    assert [purpose.key for purpose in purposes if not purpose.data] == []


def test_every_grown_up_holding_with_an_end_has_a_rule(document: Document) -> None:
    """Log-ins, mail, requests, choices and proof all end."""
    ruled = {rule.holding for rule in document.retention}
    assert {
        "accounts.account",
        "accounts.session",
        "audit.access",
        "audit.entry",
        "consent.event",
        "consent.mail",
        "requests.link",
        "requests.request",
    } - ruled == set()


def test_opting_out_is_possible_wherever_mail_goes_without_a_yes(document: Document) -> None:
    without_yes = [m for m in document.mail_categories if m.basis == "opt-out"]
    rule = document.request_rule("opt-out")
    assert rule is not None
    assert rule.approvals == 0
    for category in without_yes:
        purpose = document.purpose(category.purpose)
        assert purpose is not None
        assert purpose.legal_basis == "legitimate interests"


def test_deletion_is_approved_by_one(document: Document) -> None:
    rule = document.request_rule("deletion")
    assert rule is not None
    assert (str(rule.deadline), rule.approvals) == ("1 month", 1)


def test_acknowledging_is_never_called_consent() -> None:
    """WI-9, WD-17, CC-36: use of the site is noted and rests nothing."""
    for name, promise_id in (
        ("weinterrupt", "WI-9"),
        ("wespro", "WD-17"),
        ("clickandchat", "CC-36"),
    ):
        promises = {p.id: p for p in read(FILES / f"{name}.toml").promises}
        promise = promises[promise_id]
        assert "consent" not in promise.text
        assert "no use of data rests on it" in (promise.reading or "")


def test_every_control_keeps_a_promise_or_the_law() -> None:
    law = {"requests.deadlines"}  # GDPR 12(3), whatever a policy says
    used = {p.control for name in SITES for p in read(FILES / f"{name}.toml").promises}
    assert sorted(set(control.controls()) - used - law) == []


def test_files_are_tidy(site: str) -> None:
    source = (FILES / f"{site}.toml").read_text()
    lines = source.split("\n")
    assert [n for n, line in enumerate(lines, 1) if len(line) > 100 or line != line.rstrip()] == []
    assert "\n\n\n\n" not in source
    assert "\t" not in source
    assert source.endswith('"\n')


def test_texts_are_plain(document: Document) -> None:
    """No mark-up, no doubled spaces; texts over several lines are joined."""
    assert [t for t in texts(document) if "  " in t or "\n" in t or "<" in t] == []


def test_no_site_is_named_in_the_code() -> None:
    """The difference between sites is data in the policy file, never an `if` in the code.

    Tests and benchmarks say on which policy they run.
    """
    words = re.compile("|".join(rf"\b{re.escape(word)}\b" for word in (*SITES, *NAMES)))
    found = [
        f"{path.relative_to(ROOT)}: {match[0]}"
        for path in python_files()
        if path.relative_to(ROOT).parts[0] not in ("tests", "benchmarks")
        for match in words.finditer(path.read_text())
    ]
    assert found == []


def python_files() -> list[Path]:
    """Every Python file of the project, committed or about to be."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "*.py"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode == 0 and listed.stdout:
        paths = [ROOT / name for name in listed.stdout.split("\0") if name]
    else:  # an unpacked archive has no history
        paths = [p for p in ROOT.rglob("*.py") if not any(x.startswith(".") for x in p.parts)]
    return [path for path in paths if path.exists()]


def schema_keys(schema: Any) -> Iterator[str]:
    """Every key a policy file may have."""
    if isinstance(schema, dict):
        for name, value in schema.items():
            if name == "properties":
                yield from value
            yield from schema_keys(value)
    elif isinstance(schema, list):
        for item in schema:
            yield from schema_keys(item)


def documented_tables() -> dict[str, str]:
    """Heading of a table → its section of the reference."""
    sections = re.split(r"(?m)^### ", REFERENCE.read_text())
    return {section.split("\n", 1)[0].strip("` "): section for section in sections[1:]}


TABLES = {
    "site": "[site]",
    "controller": "[controller]",
    "release": "[release]",
    "age": "[age]",
    "notice": "[notice]",
    "features": "[features]",
    "staff": "[staff]",
}


def test_reference_has_a_section_for_every_table_and_a_row_for_every_key() -> None:
    sections = documented_tables()
    schema = Document.model_json_schema()
    missing = []
    for name, field in schema["properties"].items():
        if name == "format":
            continue
        heading = TABLES.get(name, f"[[{name}]]")
        section = sections.get(heading, "")
        reference = field.get("$ref") or field.get("items", {}).get("$ref") or ""
        if not reference:
            reference = field["allOf"][0]["$ref"] if "allOf" in field else ""
        keys = schema["$defs"][reference.rpartition("/")[2]]["properties"]
        missing += [f"{heading} {key}" for key in keys if f"| `{key}` |" not in section]
    assert missing == []


def test_reference_names_every_key_of_the_schema() -> None:
    reference = REFERENCE.read_text()
    keys = set(schema_keys(Document.model_json_schema()))
    assert sorted(key for key in keys if f"`{key}`" not in reference) == []


def test_reference_names_every_word_a_key_may_have() -> None:
    """Legal bases, roles, kinds of request, channels: none is left to guessing."""
    reference = REFERENCE.read_text()

    def words(schema: Any) -> Iterator[str]:
        if isinstance(schema, dict):
            yield from (w for w in schema.get("enum", ()) if isinstance(w, str))
            for value in schema.values():
                yield from words(value)
        elif isinstance(schema, list):
            for item in schema:
                yield from words(item)

    allowed = set(words(Document.model_json_schema()))
    assert "processor" in allowed
    assert sorted(word for word in allowed if f'`"{word}"`' not in reference) == []


def example() -> str:
    """The smallest file, from the reference."""
    blocks = re.findall(r"```toml\n(.*?)```", REFERENCE.read_text(), re.S)
    (whole,) = [block for block in blocks if block.startswith("format = 1")]
    return str(whole)


def test_example_of_the_reference_is_a_valid_file() -> None:
    """The smallest file in the reference can be published as it stands."""
    document = read(example().encode(), filename="example.toml")
    assert document.site.key == "example"


def test_reference_shows_the_mistakes_as_they_are_reported() -> None:
    text = example()
    for right, wrong in (
        ('"Europe/Paris"', '"Europe/Pariss"'),
        ('contest = "7 days"', 'contest = "a week"'),
        ("youngest = 16", "youngest = 20"),
        ('legal_basis = "contract"', 'legal_base = "contract"'),
        ('"page", "e-mail"', '"page", "email"'),
    ):
        assert right in text
        text = text.replace(right, wrong)
    with pytest.raises(PolicyError) as caught:
        read(text.encode(), filename="policies/example.toml")
    shown = re.search(r"```text\n(.*?)\n```", REFERENCE.read_text(), re.S)
    assert shown is not None
    assert shown[1].split("\n") == [str(problem) for problem in caught.value.problems]
