"""Who is connected with whom, who asked, and who wants nothing to do with whom."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Greatest, Least
from django.utils.translation import gettext_lazy as _

from accounts.models.handles import new_handle
from datamap.models import Subject, new_id


class Connection(models.Model):
    """Two people who both agreed to be connected; one row for both.

    `asker` is the one who asked first. Either may end it, which deletes the row.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    asker = models.ForeignKey(
        Subject,
        on_delete=models.PROTECT,
        related_name="connections_asked_for",
        verbose_name=_("who asked"),
    )
    asked = models.ForeignKey(
        Subject,
        on_delete=models.PROTECT,
        related_name="connections_agreed_to",
        verbose_name=_("who agreed"),
    )
    handle = models.CharField(max_length=32, unique=True, default=new_handle)
    since = models.DateTimeField(_("connected since"))

    class Meta:
        constraints = [
            models.UniqueConstraint(
                Least("asker", "asked"),
                Greatest("asker", "asked"),
                name="accounts_connection_one_per_pair",
            ),
            models.CheckConstraint(
                condition=~Q(asker=F("asked")), name="accounts_connection_of_two"
            ),
        ]

    def __str__(self) -> str:
        return str(self.pk)


class ConnectionRequest(models.Model):
    """Somebody asked to be connected and got no yes so far.

    A no is kept with its time, so that asking again does not reach the person until a retention
    rule ends the row; whoever asked sees the same as before. `withdrawn_at`: they took the
    question back after a no that they do not know of.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    asker = models.ForeignKey(
        Subject,
        on_delete=models.PROTECT,
        related_name="connection_requests_sent",
        verbose_name=_("who asked"),
    )
    asked = models.ForeignKey(
        Subject,
        on_delete=models.PROTECT,
        related_name="connection_requests_received",
        verbose_name=_("who was asked"),
    )
    handle = models.CharField(max_length=32, unique=True, default=new_handle)
    asked_at = models.DateTimeField(_("asked"))
    declined_at = models.DateTimeField(_("declined"), null=True)
    withdrawn_at = models.DateTimeField(_("taken back"), null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                Least("asker", "asked"),
                Greatest("asker", "asked"),
                name="accounts_connection_request_one_per_pair",
            ),
            models.CheckConstraint(
                condition=~Q(asker=F("asked")), name="accounts_connection_request_of_two"
            ),
            models.CheckConstraint(
                condition=Q(withdrawn_at__isnull=True) | Q(declined_at__isnull=False),
                name="accounts_connection_request_open_ones_end",
            ),
        ]
        indexes = [
            models.Index(fields=["asked_at"], name="accounts_conn_request_asked"),
            models.Index(fields=["declined_at"], name="accounts_conn_request_declined"),
        ]

    def __str__(self) -> str:
        return str(self.pk)


class Block(models.Model):
    """One person wants nothing to do with another, who is not told.

    `blocked` is empty once that person was erased: then the row means nothing and goes.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    blocker = models.ForeignKey(
        Subject, on_delete=models.PROTECT, related_name="blocks", db_index=False
    )
    blocked = models.ForeignKey(
        Subject,
        null=True,
        on_delete=models.PROTECT,
        related_name="blocked_by",
        verbose_name=_("who is blocked"),
    )
    handle = models.CharField(max_length=32, unique=True, default=new_handle)
    since = models.DateTimeField(_("blocked since"))

    class Meta:
        constraints = [
            # Also the index by which one's own blocks are found.
            models.UniqueConstraint(
                fields=["blocker", "blocked"], name="accounts_block_one_per_pair"
            ),
            models.CheckConstraint(
                condition=Q(blocked__isnull=True) | ~Q(blocker=F("blocked")),
                name="accounts_block_of_two",
            ),
        ]

    def __str__(self) -> str:
        return str(self.pk)
