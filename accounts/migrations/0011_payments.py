"""Payments, and cards or passwords said to be lost.

A card's token is read by one function, which belongs to the owner of the tables. It hands the token
out inside an open payment of the card's own person, and notes that; for all else it has no answer.
The runtime role may call it and can't read the column (`config.grants`).
"""

import django.db.models.deletion
from django.db import migrations, models

import accounts.models.handles
import datamap.models

READ = """
CREATE FUNCTION public.kept_read_payment_token(
    of_card uuid, for_payment uuid, note uuid, at_time timestamptz
) RETURNS bytea
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $kept$
DECLARE
    found bytea;
    person uuid;
BEGIN
    SELECT t.sealed, c.subject_id INTO found, person
    FROM public.accounts_paymenttoken AS t
    JOIN public.accounts_paymentcard AS c ON c.id = t.card_id
    JOIN public.accounts_payment AS p ON p.card_id = c.id AND p.subject_id = c.subject_id
    WHERE c.id = of_card AND p.id = for_payment
        AND c.frozen_at IS NULL AND c.dropped_at IS NULL
        AND p.closed_at IS NULL AND p.opened_at <= at_time AND p.open_until > at_time
    FOR SHARE OF c, p;
    IF found IS NULL THEN
        RETURN NULL;
    END IF;
    INSERT INTO public.accounts_paymentread
        (id, subject_id, card_id, payment_id, payment_named, at)
    VALUES (note, person, of_card, for_payment, for_payment, at_time);
    RETURN found;
END
$kept$;
CREATE FUNCTION public.kept_read_unsealed_tokens() RETURNS SETOF uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $kept$
    SELECT card_id FROM public.accounts_paymenttoken
    WHERE encode(sealed, 'escape') !~ '^gAAAAA[A-Za-z0-9_-]{80,}={0,2}$'
$kept$;
REVOKE ALL ON FUNCTION public.kept_read_payment_token(uuid, uuid, uuid, timestamptz) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.kept_read_unsealed_tokens() FROM PUBLIC;
"""
UNREAD = """
DROP FUNCTION public.kept_read_payment_token(uuid, uuid, uuid, timestamptz);
DROP FUNCTION public.kept_read_unsealed_tokens();
"""


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0010_staff_duties"),
        ("datamap", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="PaymentCard",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=datamap.models.new_id,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                (
                    "handle",
                    models.CharField(
                        default=accounts.models.handles.new_handle, max_length=32, unique=True
                    ),
                ),
                ("token_hash", models.CharField(max_length=64, null=True)),
                ("brand", models.BinaryField(verbose_name="brand")),
                ("last_four", models.BinaryField(verbose_name="last four digits")),
                ("expires", models.BinaryField(verbose_name="good until")),
                ("added_at", models.DateTimeField()),
                ("used_at", models.DateTimeField(null=True)),
                ("frozen_at", models.DateTimeField(null=True)),
                ("dropped_at", models.DateTimeField(null=True)),
            ],
        ),
        migrations.CreateModel(
            name="LossNotice",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=datamap.models.new_id,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("address", models.BinaryField(null=True, verbose_name="address that was entered")),
                ("reference", models.CharField(max_length=20, unique=True)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("reported", "just reported"),
                            ("open", "stopped for now"),
                            ("confirmed", "confirmed"),
                            ("undone", "taken back"),
                        ],
                        default="reported",
                        max_length=10,
                    ),
                ),
                ("password", models.BooleanField(verbose_name="password lost")),
                ("card", models.BooleanField(verbose_name="card lost")),
                ("language", models.CharField(default="en", max_length=10)),
                ("reported_at", models.DateTimeField()),
                ("acted_at", models.DateTimeField(null=True)),
                ("sessions_ended", models.PositiveIntegerField(default=0)),
                ("cards_frozen", models.PositiveIntegerField(default=0)),
                ("token_hash", models.CharField(max_length=64, null=True, unique=True)),
                ("link_until", models.DateTimeField(null=True)),
                (
                    "route",
                    models.CharField(
                        blank=True,
                        choices=[("link", "by the link we mailed"), ("staff", "by our staff")],
                        max_length=10,
                    ),
                ),
                ("decided_by", models.UUIDField(null=True)),
                ("confirmed_at", models.DateTimeField(null=True)),
                ("done_at", models.DateTimeField(null=True)),
                ("closed_at", models.DateTimeField(null=True)),
                (
                    "subject",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="loss_notices",
                        to="datamap.subject",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="PaymentToken",
            fields=[
                (
                    "card",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="token",
                        serialize=False,
                        to="accounts.paymentcard",
                    ),
                ),
                ("sealed", models.BinaryField()),
            ],
        ),
        migrations.AddField(
            model_name="paymentcard",
            name="frozen_by",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="frozen_cards",
                to="accounts.lossnotice",
            ),
        ),
        migrations.AddField(
            model_name="paymentcard",
            name="subject",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="payment_cards",
                to="datamap.subject",
            ),
        ),
        migrations.CreateModel(
            name="Payment",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=datamap.models.new_id,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                (
                    "reference",
                    models.CharField(max_length=64, unique=True, verbose_name="reference"),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("purchase", "a purchase"),
                            ("refund", "a refund"),
                            ("charge-back", "a charge-back"),
                        ],
                        max_length=12,
                        verbose_name="what for",
                    ),
                ),
                ("opened_at", models.DateTimeField()),
                ("open_until", models.DateTimeField()),
                ("closed_at", models.DateTimeField(null=True)),
                (
                    "subject",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="payments",
                        to="datamap.subject",
                    ),
                ),
                (
                    "card",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="payments",
                        to="accounts.paymentcard",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="PaymentRead",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=datamap.models.new_id,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("payment_named", models.UUIDField()),
                ("at", models.DateTimeField()),
                (
                    "card",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="accounts.paymentcard",
                    ),
                ),
                (
                    "payment",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="reads",
                        to="accounts.payment",
                    ),
                ),
                (
                    "subject",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="payment_reads",
                        to="datamap.subject",
                    ),
                ),
            ],
        ),
        migrations.AddIndex(
            model_name="lossnotice",
            index=models.Index(fields=["closed_at"], name="accounts_loss_closed"),
        ),
        migrations.AddIndex(
            model_name="lossnotice",
            index=models.Index(
                condition=models.Q(("state__in", ["reported", "open"])),
                fields=["reported_at"],
                name="accounts_loss_unsettled",
            ),
        ),
        migrations.AddConstraint(
            model_name="lossnotice",
            constraint=models.UniqueConstraint(
                condition=models.Q(("state", "open")),
                fields=("subject",),
                name="accounts_loss_one_open",
            ),
        ),
        migrations.AddConstraint(
            model_name="lossnotice",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("address__isnull", False), ("state", "reported"), ("subject__isnull", True)
                    ),
                    models.Q(
                        models.Q(("state", "reported"), _negated=True),
                        ("address__isnull", True),
                        ("subject__isnull", False),
                    ),
                    _connector="OR",
                ),
                name="accounts_loss_names_somebody",
            ),
        ),
        migrations.AddConstraint(
            model_name="lossnotice",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("state", "reported"), ("acted_at__isnull", False), _connector="OR"
                ),
                name="accounts_loss_acted",
            ),
        ),
        migrations.AddConstraint(
            model_name="lossnotice",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("state", "confirmed"), _negated=True),
                    models.Q(
                        ("confirmed_at__isnull", False),
                        ("done_at__isnull", False),
                        models.Q(("route", ""), _negated=True),
                    ),
                    _connector="OR",
                ),
                name="accounts_loss_confirmed_how",
            ),
        ),
        migrations.AddConstraint(
            model_name="lossnotice",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("closed_at__isnull", True), ("state__in", ["reported", "open"])),
                    models.Q(("closed_at__isnull", False), ("state__in", ["confirmed", "undone"])),
                    _connector="OR",
                ),
                name="accounts_loss_closed_when_settled",
            ),
        ),
        migrations.AddIndex(
            model_name="paymentcard",
            index=models.Index(fields=["used_at"], name="accounts_payment_card_used"),
        ),
        migrations.AddIndex(
            model_name="paymentcard",
            index=models.Index(fields=["dropped_at"], name="accounts_payment_card_dropped"),
        ),
        migrations.AddConstraint(
            model_name="paymentcard",
            constraint=models.UniqueConstraint(
                fields=("subject", "token_hash"), name="accounts_payment_card_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="paymentcard",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("dropped_at__isnull", False), ("token_hash__isnull", True)),
                    models.Q(("dropped_at__isnull", True), ("token_hash__isnull", False)),
                    _connector="OR",
                ),
                name="accounts_payment_card_dropped_is_bare",
            ),
        ),
        migrations.AddIndex(
            model_name="payment",
            index=models.Index(fields=["closed_at"], name="accounts_payment_closed"),
        ),
        migrations.AddIndex(
            model_name="payment",
            index=models.Index(
                condition=models.Q(("closed_at__isnull", True)),
                fields=["open_until"],
                name="accounts_payment_open",
            ),
        ),
        migrations.AddConstraint(
            model_name="payment",
            constraint=models.CheckConstraint(
                condition=models.Q(("open_until__gt", models.F("opened_at"))),
                name="accounts_payment_ends",
            ),
        ),
        migrations.AddConstraint(
            model_name="payment",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("closed_at__isnull", True),
                    ("closed_at__gte", models.F("opened_at")),
                    _connector="OR",
                ),
                name="accounts_payment_closed_after_opening",
            ),
        ),
        migrations.AddIndex(
            model_name="paymentread",
            index=models.Index(fields=["at"], name="accounts_payment_read_at"),
        ),
        migrations.RunSQL(sql=READ, reverse_sql=UNREAD),
    ]
