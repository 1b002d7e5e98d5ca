"""`check_promises`: evaluate every promise of the policy in force and store the evidence."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from audit.models import Evidence
from policy import current, evaluation
from policy.evaluation import Evaluated


class Command(BaseCommand):
    """Exit 1 when a promise is broken or a check could not be carried out."""

    help = "Check the promises of the policy in force; exits 1 when one is broken."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
        parser.add_argument("--only", metavar="CONTROL", help="evaluate one control")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            version = current.fresh()
            results = evaluation.evaluate(version=version, now=timezone.now(), only=options["only"])
        except (current.NoPolicy, evaluation.UnknownControl) as error:
            raise CommandError(str(error)) from None
        unchecked = [p.id for p in version.document.promises if not _checked(p.id, results)]
        if options["json"]:
            report = {
                "policy": {"site": version.site, "version": version.version},
                "controls": [_as_json(result) for result in results],
                "no_check_yet": [] if options["only"] else unchecked,
            }
            self.stdout.write(json.dumps(report, indent=2, ensure_ascii=False))
        else:
            self._table(results, 0 if options["only"] else len(unchecked))
        bad = [r for r in results if r.evidence.outcome != Evidence.Outcome.KEPT]
        if bad:
            keys = ", ".join(r.control.key for r in bad)
            raise CommandError(f"Not kept: {keys}")

    def _table(self, results: list[Evaluated], unchecked: int) -> None:
        width = max((len(r.control.key) for r in results), default=0)
        styles = {
            Evidence.Outcome.KEPT.value: self.style.SUCCESS,
            Evidence.Outcome.BROKEN.value: self.style.ERROR,
        }
        for result in results:
            found = result.evidence
            outcome = styles.get(found.outcome, self.style.WARNING)(f"{found.outcome:<6}")
            figures = f"{found.checked} checked, {found.violations} violations"
            promises = ", ".join(result.promises)
            self.stdout.write(f"{outcome}  {result.control.key:<{width}}  {figures}  ({promises})")
            for violation in found.violation_ids[:10]:
                self.stdout.write(f"          {violation}")
            if "error" in found.figures:
                self.stdout.write(f"          the check stopped: {found.figures['error']}")
        if unchecked:
            self.stdout.write(f"{unchecked} promises have no check yet.")


def _checked(promise: str, results: list[Evaluated]) -> bool:
    return any(promise in result.promises for result in results)


def _as_json(result: Evaluated) -> dict[str, Any]:
    found = result.evidence
    return {
        "control": result.control.key,
        "promises": list(result.promises),
        "outcome": found.outcome,
        "checked": found.checked,
        "violations": found.violations,
        "violation_ids": found.violation_ids,
        "figures": found.figures,
        "at": found.at.isoformat(),
    }
