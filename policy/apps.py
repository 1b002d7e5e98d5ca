"""What the site promises: file format, versions, changes."""

from django.apps import AppConfig


class PolicyConfig(AppConfig):
    """Keeps what pages show of the policy fresh in every process that serves them."""

    name = "policy"
    verbose_name = "Policy"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from django.core.signals import request_started
        from django.db.models.signals import post_save

        from audit.models import Evidence
        from policy import board, memory, trail

        request_started.connect(memory.keep_fresh, dispatch_uid="policy.memory.keep_fresh")
        post_save.connect(board.newest.forget, sender=Evidence, dispatch_uid="policy.board.newest")
        post_save.connect(trail.forget, sender=Evidence, dispatch_uid="policy.trail.forget")
