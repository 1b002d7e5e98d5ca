"""The floors between the rooms, where import-linter can't see: relations, migrations, get_model."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.apps import apps
from django.conf import settings
from django.db.migrations.loader import MigrationLoader

ROOMS: list[str] = settings.ROOMS
FLOOR = {room: number for number, room in enumerate(ROOMS)}
ROOT = Path(__file__).resolve().parents[2]


def room_files(*, migrations: bool = False) -> Iterator[tuple[str, Path]]:
    for room in ROOMS:
        for file in sorted((ROOT / room).rglob("*.py")):
            if migrations or "migrations" not in file.parts:
                yield room, file


def test_relations_of_models_point_down() -> None:
    wrong = [
        f"{model._meta.label}.{field.name} → {field.related_model._meta.label}"
        for model in apps.get_models(include_auto_created=True)
        if model._meta.app_label in FLOOR
        for field in model._meta.get_fields()
        if (field.many_to_one or field.one_to_one or field.many_to_many)
        and not field.auto_created
        and not isinstance(field.related_model, str)
        and field.related_model is not None
        and FLOOR.get(field.related_model._meta.app_label, -1) > FLOOR[model._meta.app_label]
    ]
    assert wrong == []


def test_migrations_depend_on_lower_rooms_only() -> None:
    loader = MigrationLoader(None, load=False)
    loader.load_disk()
    wrong = [
        f"{room}.{name} needs {needed}"
        for (room, name), migration in loader.disk_migrations.items()
        if room in FLOOR
        for needed, _ in [*migration.dependencies, *migration.run_before]
        # Django's placeholder for the user model; it belongs to accounts.
        if FLOOR.get("accounts" if needed == "__setting__" else needed, -1) > FLOOR[room]
    ]
    assert wrong == []


def calls_of_get_model(file: Path) -> list[int]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "get_model"
        # Inside a migration's function the historical models come this way, and no other.
        and not (isinstance(node.func.value, ast.Name) and node.func.value.id == "historical")
    ]


def test_get_model_is_not_used() -> None:
    wrong = [
        f"{file.relative_to(ROOT)}:{line}"
        for _, file in room_files(migrations=True)
        for line in calls_of_get_model(file)
    ]
    assert wrong == []


def test_strings_do_not_name_models_of_higher_rooms() -> None:
    """A lazy relation such as ForeignKey("requests.Request") would climb without an import."""
    labels = {model._meta.label: model._meta.app_label for model in apps.get_models()}
    wrong = []
    for room, file in room_files():
        if file.name == "holdings.py" or file.parent.name == "holdings":
            continue  # names of tables it declares; datamap's registry checks them
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if not (isinstance(node, ast.Constant) and isinstance(node.value, str)):
                continue
            if FLOOR.get(labels.get(node.value, ""), -1) > FLOOR[room]:
                wrong.append(f"{file.relative_to(ROOT)}:{node.lineno} {node.value}")
    assert wrong == []


@pytest.mark.parametrize("room", ROOMS)
def test_every_room_says_what_it_is(room: str) -> None:
    text = (ROOT / room / "apps.py").read_text(encoding="utf-8")
    assert (ast.get_docstring(ast.parse(text)) or "") != ""


def test_import_linter_knows_the_same_floors() -> None:
    import tomllib

    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    contract = tomllib.loads(text)["tool"]["importlinter"]["contracts"][0]
    assert contract["layers"] == ROOMS[::-1]
