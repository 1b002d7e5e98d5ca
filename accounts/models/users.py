"""People with an account, and where they are logged in."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar, Literal

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.contrib.sessions.base_session import AbstractBaseSession
from django.db import models, transaction
from django.db.models import Q
from django.db.models.functions import Lower
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models.handles import new_handle
from accounts.models.staff import StaffMember, missing_duties
from accounts.roles import ROLES, is_personal_data_permission
from datamap.email import LONGEST, normalise_email
from datamap.models import Subject, new_id

SecondFactor = Literal["proved", "unproved", "missing"]


class UserManager(BaseUserManager["User"]):
    """Creates users, each with a subject of their own."""

    def get_by_natural_key(self, username: str | None) -> User:
        """The user with this address, however it is spelled."""
        return self.select_related("subject", "staff_member").get(
            email=normalise_email(username or "")
        )

    def create_user(
        self,
        email: str,
        password: str | None = None,
        *,
        first_name: str = "",
        last_name: str = "",
        now: datetime | None = None,
        **fields: Any,
    ) -> User:
        """A user and the subject it is about, unconfirmed unless the caller says otherwise.

        Raises `ValidationError` for what is no address.
        """
        now = now or timezone.now()
        minor = fields.pop("minor", False)
        fields.setdefault("unconfirmed_since", now)
        with transaction.atomic(using=self._db):
            user = self.model(
                email=normalise_email(email),
                first_name=first_name,
                last_name=last_name,
                date_joined=now,
                **fields,
            )
            user.set_password(password)
            user.subject = Subject.objects.create(created_at=now, minor=minor)
            user.save(using=self._db, force_insert=True)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> User:
        """A user who may open the configuration pages; for `manage.py createsuperuser`.

        Made at the console, not through the age screen: the board reports such an account.
        """
        return self.create_user(email, password, is_staff=True, is_superuser=True, **fields)


class User(AbstractBaseUser, PermissionsMixin):
    """A person who can log in, by e-mail address.

    `unconfirmed_since` is empty once the address is confirmed; a policy's retention rule ends
    accounts that never are.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    subject = models.OneToOneField(Subject, on_delete=models.PROTECT, related_name="user")
    email = models.CharField(_("e-mail address"), max_length=LONGEST, unique=True)
    first_name = models.CharField(_("first name"), max_length=100, blank=True)
    last_name = models.CharField(_("last name"), max_length=100, blank=True)
    is_active = models.BooleanField(default=True)
    is_staff = models.BooleanField(
        default=False, help_text=_("May open the configuration pages under /admin/.")
    )
    date_joined = models.DateTimeField()
    unconfirmed_since = models.DateTimeField(null=True, blank=True)

    objects = UserManager()

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    class Meta:
        constraints = [
            models.UniqueConstraint(Lower("email"), name="accounts_user_email_unique"),
            models.CheckConstraint(
                condition=Q(email__regex=r"^[^\s\x00]+@[^\s@A-Z\x00]+$"),
                name="accounts_user_email_normalised",
            ),
        ]
        indexes = [
            models.Index(fields=["date_joined"], name="accounts_user_joined"),
            models.Index(
                fields=["unconfirmed_since"],
                condition=Q(unconfirmed_since__isnull=False),
                name="accounts_user_unconfirmed",
            ),
        ]

    def __str__(self) -> str:
        return str(self.pk)

    def get_full_name(self) -> str:
        """First and last name, as far as given."""
        return f"{self.first_name} {self.last_name}".strip()

    @property
    def staff_role(self) -> str:
        """The key of the role on the staff console, empty for everybody else."""
        member = StaffMember.of(self)
        return member.role if member else ""

    @property
    def is_staff_member(self) -> bool:
        """Whether the staff console is open to this person at all."""
        return bool(self.staff_role)

    def has_perm(self, perm: str, obj: Any = None) -> bool:
        """Permissions over people's data come from the role alone, never from superuser rights."""
        if is_personal_data_permission(perm):
            return self.is_active and perm in ROLES.get(self.staff_role, frozenset())
        return super().has_perm(perm, obj)

    def second_factor_state(self, request: HttpRequest) -> SecondFactor:
        """Whether this session's log-in was proved by a second factor (ASVS 6.3.3)."""
        # Imported here: allauth's modules read this model when they load.
        from allauth.account.authentication import get_authentication_records

        if any(r.get("method") == "mfa" for r in get_authentication_records(request, self)):
            return "proved"
        from allauth.mfa.models import Authenticator

        own = Authenticator.objects.filter(user_id=self.pk, type__in=("totp", "webauthn"))
        return "unproved" if own.exists() else "missing"

    def missing_duties(self, now: datetime) -> tuple[str, ...]:
        """What has to be in force before a page of the staff opens, and is not; one query."""
        return missing_duties(user=self, now=now)


class Session(AbstractBaseSession):
    """A log-in, or a browser in the middle of one; `user` makes "end my sessions" one query.

    The row's key is a digest of what the browser holds, so reading the table opens no session.
    `handle` names the row in URLs. `asked_id` is the entry of the log in which the person asked to
    stay signed in; without one no log-in outlives its browser (WC-4).
    """

    user = models.ForeignKey(User, null=True, on_delete=models.CASCADE, related_name="sessions")
    handle = models.CharField(max_length=32, unique=True, default=new_handle)
    persistent = models.BooleanField(default=False)
    asked_id = models.UUIDField(null=True)
    created_at = models.DateTimeField()

    class Meta(AbstractBaseSession.Meta):
        abstract = False
        indexes = [
            models.Index(fields=["created_at"], name="accounts_session_created"),
            models.Index(
                fields=["asked_id"], condition=Q(persistent=True), name="accounts_session_stays"
            ),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(persistent=False) | Q(asked_id__isnull=False),
                name="accounts_session_stays_if_asked",
            ),
        ]

    @classmethod
    def get_session_store_class(cls) -> Any:
        from accounts.sessions import SessionStore

        return SessionStore
