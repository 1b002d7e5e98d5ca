"""Where allauth meets our rooms: mail through the gate, locked people, spelling of addresses."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from allauth.account import signals as allauth_signals
from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.models import EmailAddress
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from django.conf import settings
from django.contrib import messages
from django.core.exceptions import ImproperlyConfigured, PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from accounts.models import LossNotice, User
from accounts.registration import absolute, confirm_address
from consent.mail import post
from datamap import encryption
from datamap.email import normalise_email

NO_ADDRESS = "0.0.0.0"  # noqa: S104  nothing listens there: a name for "unknown"


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]  # allauth has no types
    """allauth's account pages, on our terms."""

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """Every mail of allauth's: our own words, category account, through the gate.

        `account/email/password_changed` → `templates/mail/account_password_changed.txt`. Only
        links and times go along; addresses of visitors' machines stay out of mail.
        """
        user = context.get("user")
        links = {k: v for k, v in context.items() if k.endswith("_url") or k == "timestamp"}
        post(
            category="account",
            template=f"account_{template_prefix.rpartition('/')[2]}",
            context={
                "login_url": absolute(reverse("account_login")),
                "password_reset_url": absolute(reverse("account_reset_password")),
                "devices_url": absolute(reverse("accounts:devices")),
                **links,
            },
            address=email,
            subject_id=user.subject_id if isinstance(user, User) else None,
            now=timezone.now(),
            language=get_language() or "en",
        )

    def send_notification_mail(
        self,
        template_prefix: str,
        user: Any,
        context: dict[str, Any] | None = None,
        email: str | None = None,
    ) -> None:
        """Tell the owner of a change to how they log in, always."""
        self.send_mail(
            template_prefix,
            email or user.email,
            {**(context or {}), "user": user, "timestamp": timezone.now()},
        )

    def clean_email(self, email: str) -> str:
        """One spelling everywhere. Raises `ValidationError`."""
        return normalise_email(email)

    def confirm_email(self, request: HttpRequest, email_address: EmailAddress) -> bool:
        """Prove an address; False shows that it can't be."""
        keep = request.session.session_key or ""
        if not confirm_address(email_address=email_address, now=timezone.now(), keep=keep):
            template = "account/messages/email_confirmation_failed.txt"
            self.add_message(request, messages.ERROR, template, {"email": email_address.email})
            return False
        allauth_signals.email_confirmed.send(
            sender=EmailAddress, request=request, email_address=email_address
        )
        template = "account/messages/email_confirmed.txt"
        self.add_message(request, messages.SUCCESS, template, {"email": email_address.email})
        return True

    def pre_login(self, request: HttpRequest, user: Any, **kwargs: Any) -> HttpResponse | None:
        """Locked people stay outside, with a page that says why; they proved the password."""
        if user.subject.locked or not user.is_active:
            return self.respond_user_inactive(request, user)
        if LossNotice.pauses(user.subject_id):
            return redirect("accounts:paused")
        return None

    def get_login_redirect_url(self, request: HttpRequest) -> str:
        """Where a log-in ends that was not on the way to some page: staff begin at their console.

        An address that was passed along (`next`) goes first, if it is one of this site.
        """
        if getattr(request.user, "is_staff_member", False):
            return reverse("staff")
        return str(super().get_login_redirect_url(request))

    def respond_user_inactive(self, request: HttpRequest, user: Any) -> HttpResponse:
        """The page for locked people."""
        return redirect("accounts:locked")

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """allauth's own sign-up stays closed: ours asks for the age first."""
        return False

    def get_client_ip(self, request: HttpRequest) -> str:
        """The visitor's address, for rate limits: the connecting one, or the one our own proxies
        wrote down (KEPT_BEHIND_PROXY, KEPT_PROXY_COUNT). Whatever names none shares one limit.
        """
        try:
            return str(super().get_client_ip(request))
        except (PermissionDenied, ImproperlyConfigured):
            # A unix socket has no address; a header with fewer hops than there are proxies, or
            # with no address in it, was not written by them.
            return NO_ADDRESS


class SecondFactorAdapter(DefaultMFAAdapter):  # type: ignore[misc]  # allauth has no types
    """Secrets of second factors are encrypted at rest."""

    def encrypt(self, text: str) -> str:
        return encryption.encrypt(text).decode("ascii")

    def decrypt(self, encrypted_text: str) -> str:
        return encryption.decrypt(encrypted_text.encode("ascii"))

    def get_public_key_credential_rp_entity(self) -> dict[str, str]:
        """The site a key is made for: ours by its address, not one that a request named."""
        host = urlsplit(settings.SITE_URL).hostname or "localhost"
        return {"id": host, "name": self.get_totp_issuer()}

    def get_public_key_credential_user_entity(self, user: Any) -> dict[str, Any]:
        """What a key remembers of whose it is: the address, for its owner alone reads it there."""
        return {
            "id": str(user.pk).encode(),
            "display_name": user.get_full_name() or user.email,
            "name": user.email,
        }

    def generate_authenticator_name(self, user: Any, type: Any) -> str:
        """A name for a new key whose owner gave it none."""
        number = Authenticator.objects.filter(user_id=user.pk, type=type).count() + 1
        return _("Key %(number)d") % {"number": number}

    def get_totp_issuer(self) -> str:
        """The name an authenticator app shows: the site's host."""
        return str(settings.SITE_URL.partition("//")[2])
