"""Settings from the environment (12-factor). KEPT_ENV is production unless it says otherwise.

Every secret NAME can come as a file, NAME_FILE. A missing or weak production setting stops the
start; all of them are named at once. docs/operators.md lists the variables.
"""

import secrets
from pathlib import Path
from typing import Any

import django_stubs_ext
from csp.constants import NONE, SELF

from config import production
from config.env import database, env, mail_server, site_url
from config.logs import configure_logging

django_stubs_ext.monkeypatch()

BASE_DIR = Path(__file__).resolve().parent.parent

# --- profile ------------------------------------------------------------------------------------

KEPT_ENV = env.text("KEPT_ENV", "production")
if KEPT_ENV not in {"production", "development", "test"}:
    env.problem("KEPT_ENV", f"{KEPT_ENV!r} is unknown", "Use production, development or test.")
PRODUCTION, DEVELOPMENT = KEPT_ENV not in {"development", "test"}, KEPT_ENV == "development"
# What this process is: web, worker, beat, or a command.
KEPT_PROCESS = env.text("KEPT_PROCESS", "command")

DEBUG = env.flag("DEBUG")
SITE_URL = site_url(env, default="" if PRODUCTION else "http://localhost:8000")
HTTPS = SITE_URL.startswith("https://")
ALLOWED_HOSTS = env.words("ALLOWED_HOSTS") or (
    [] if PRODUCTION else ["localhost", "127.0.0.1", "[::1]", "testserver"]
)
CSRF_TRUSTED_ORIGINS = [SITE_URL] if SITE_URL else []

# --- secrets ------------------------------------------------------------------------------------

SECRET_KEY = env.secret("SECRET_KEY", "" if PRODUCTION else secrets.token_urlsafe(64))
SECRET_KEY_FALLBACKS = env.words("SECRET_KEY_FALLBACKS")
# Fernet keys, newest first: `datamap.encryption`. Outside production a lost key loses nothing.
KEPT_ENCRYPTION_KEYS = env.words("KEPT_ENCRYPTION_KEYS") or (
    [] if PRODUCTION else ["a2VwdCBkZXZlbG9wbWVudCBvbmx5LCBubyBzZWNyZXQ="]
)

# --- rooms --------------------------------------------------------------------------------------

ROOMS = [
    "datamap",
    "audit",
    "policy",
    "consent",
    "cookies",
    "accounts",
    "retention",
    "disclosures",
    "requests",
    "config",
]
INSTALLED_APPS = [
    # First: its apps.py must be imported before REST framework looks for a library of that name.
    "requests",
    *[room for room in ROOMS if room != "requests"],
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.humanize",
    "django.contrib.messages",
    "django.contrib.postgres",
    "django.contrib.staticfiles",
    "django.forms",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "csp",
    "django_filters",
    "django_htmx",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "pgtrigger",
    "rest_framework",
]

MIDDLEWARE = [
    "config.middleware.request_id",
    "config.api.problems",
    "config.middleware.personal_pages",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "config.middleware.admin_without_trusted_types",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"

TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "policy.context.site",
            ],
        },
    },
]
FORM_RENDERER = "django.forms.renderers.TemplatesSetting"

# --- database, cache, queue ---------------------------------------------------------------------

# `manage.py migrate` works as the owner of the tables, everything else as the runtime role, which
# can't change what is append-only (config.grants).
RUNTIME_ROLE = env.text("KEPT_RUNTIME_ROLE")
AS_OWNER = env.text("KEPT_DATABASE_ROLE") == "owner"
DATABASES = {"default": database(env, as_owner=AS_OWNER, process=KEPT_PROCESS)}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

REDIS_URL = env.secret("REDIS_URL")
_SHARED: dict[str, Any] = {
    "LOCATION": REDIS_URL,
    "KEY_PREFIX": "kept",
    "OPTIONS": {"socket_timeout": 1, "socket_connect_timeout": 1},
}
_OWN = {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}
# While the server is away the first falls back on the process's memory, and the second fails.
CACHES: dict[str, dict[str, Any]] = {
    "default": {"BACKEND": "config.cache.SharedCache", **_SHARED} if REDIS_URL else _OWN,
    "strict": {"BACKEND": "django.core.cache.backends.redis.RedisCache", **_SHARED}
    if REDIS_URL
    else _OWN,
}

CELERY_BROKER_URL = REDIS_URL or "memory://"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_SERIALIZER = "json"
CELERY_TASK_IGNORE_RESULT = True
# Both: acks_late alone loses the task whose child process is killed.
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
# A task must end before the broker gives it to a second worker: soft < hard < visibility.
CELERY_TASK_SOFT_TIME_LIMIT = 240
CELERY_TASK_TIME_LIMIT = 270
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "visibility_timeout": 300,
    # Without these a killed worker's tasks come back up to 100 s after the time-out.
    "unacked_restore_interval": 5,
    "unacked_restore_throttle": 1,
    "socket_connect_timeout": 2,
    # Nobody who waits for a page waits for a broker that takes connections and never answers.
    "socket_timeout": 1 if KEPT_PROCESS == "web" else 10,
    "retry_on_timeout": False,
    # Whoever sends a task gives up on a broker that is down within a second: a tick will send it.
    "connect_retries_timeout": 0.5,
    "interval_start": 0.1,
    "interval_step": 0.1,
    "interval_max": 0.2,
}
CELERY_TASK_PUBLISH_RETRY = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_SEND_TASK_EVENTS = False
# Prefork would close the connection after each task; `config.celery` renews it when it must.
CELERY_DB_REUSE_MAX = 1000
CELERY_TIMEZONE = "UTC"
# Intervals of the schedule are divided by this: 1 in production, more where a demo is to feel live.
KEPT_TICK_SPEED = env.number("KEPT_TICK_SPEED", 6 if DEVELOPMENT else 1, least=0.01)
# A rule that would take more of a table in a day waits for an administrator (retention.brake).
KEPT_SWEEP_BRAKE_SHARE = env.number("KEPT_SWEEP_BRAKE_SHARE", 0.2)
KEPT_SWEEP_BRAKE_FLOOR = int(env.number("KEPT_SWEEP_BRAKE_FLOOR", 1000))
# How many workers one sweep may occupy at the same time.
KEPT_SWEEP_WORKERS = int(env.number("KEPT_SWEEP_WORKERS", 2, least=1))

# --- people -------------------------------------------------------------------------------------

AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["accounts.backends.AccountBackend"]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
# NIST SP 800-63B-4: 15 characters where the password is the only factor, no composition rules.
_VALIDATION = "django.contrib.auth.password_validation"
AUTH_PASSWORD_VALIDATORS: list[dict[str, Any]] = [
    {"NAME": f"{_VALIDATION}.MinimumLengthValidator", "OPTIONS": {"min_length": 15}},
    {"NAME": f"{_VALIDATION}.CommonPasswordValidator"},
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/privacy/"

ACCOUNT_ADAPTER = "accounts.adapter.AccountAdapter"
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_EMAIL_VERIFICATION = "mandatory"
ACCOUNT_EMAIL_CONFIRMATION_EXPIRE_DAYS = 3
ACCOUNT_PREVENT_ENUMERATION = True
ACCOUNT_EMAIL_NOTIFICATIONS = True
# One address per account; a new one counts once it is confirmed.
ACCOUNT_CHANGE_EMAIL = True
ACCOUNT_LOGOUT_ON_GET = False
ACCOUNT_CONFIRM_EMAIL_ON_GET = False
ACCOUNT_DEFAULT_HTTP_PROTOCOL = "https" if HTTPS else "http"
ACCOUNT_REAUTHENTICATION_REQUIRED = True
# The log-in ends with the browser (WC-3).
ACCOUNT_SESSION_REMEMBER = False
ACCOUNT_PASSWORD_RESET_TOKEN_GENERATOR = "accounts.password_reset.ResetTokens"  # noqa: S105  a path
ACCOUNT_FORMS = {
    "add_email": "accounts.forms.login.AddEmailForm",
    "change_password": "accounts.forms.login.ChangePasswordForm",
    "login": "accounts.forms.login.LoginForm",
    "reset_password": "accounts.forms.login.ResetPasswordForm",
}
# Beside allauth's own limits, which are on by default; counted in the cache, per address.
ACCOUNT_RATE_LIMITS = {
    "age": "20/m/ip",
    "find_person": "60/h/user",
    "connect": "60/h/user",
    "fact": "60/h/user",
    "guardian": "20/m/ip",
    "correct": "30/m/user",
    "invite": "60/h/user",
    "invitation": "30/m/ip",
    "invitation_address": "20/h/ip",
    "invitation_letter": "3/h/key",
    "stolen": "10/m/ip",
    "stolen_address": "3/h/key",
    "people": "30/m/user",
    "profile": "30/m/user",
}
MFA_ADAPTER = "accounts.adapter.SecondFactorAdapter"
# A key is a second step beside the app's codes, never instead of the password. It needs JavaScript;
# one-time and recovery codes work without any.
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_FORMS = {
    "add_webauthn": "accounts.forms.passkeys.AddKeyForm",
    "authenticate_webauthn": "accounts.forms.passkeys.KeyAtLoginForm",
    "edit_webauthn": "accounts.forms.passkeys.RenameKeyForm",
    "reauthenticate_webauthn": "accounts.forms.passkeys.KeyAgainForm",
}
MFA_PASSKEY_LOGIN_ENABLED = MFA_PASSKEY_SIGNUP_ENABLED = False
MFA_TRUST_ENABLED = False

# --- sessions, cookies, headers -----------------------------------------------------------------

_HOST_ONLY = "__Host-" if HTTPS else ""
SESSION_ENGINE = "accounts.sessions"
SESSION_COOKIE_NAME = f"{_HOST_ONLY}session"
SESSION_COOKIE_SECURE = HTTPS
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_EXPIRE_AT_BROWSER_CLOSE = True
CSRF_COOKIE_NAME = f"{_HOST_ONLY}csrf"
CSRF_COOKIE_SECURE = HTTPS
CSRF_COOKIE_HTTPONLY = True
CSRF_COOKIE_SAMESITE = "Lax"
# None makes it end with the browser, as the session does.
CSRF_COOKIE_AGE = None
LANGUAGE_COOKIE_SECURE = HTTPS
LANGUAGE_COOKIE_SAMESITE = "Lax"

X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
SECURE_CONTENT_TYPE_NOSNIFF = True
if PRODUCTION:
    SECURE_SSL_REDIRECT = env.flag("SECURE_SSL_REDIRECT", True)
    # Health checks come from inside, without TLS.
    SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$"]
    SECURE_HSTS_SECONDS = int(env.number("SECURE_HSTS_SECONDS", 31_536_000))
    SECURE_HSTS_INCLUDE_SUBDOMAINS = env.flag("SECURE_HSTS_INCLUDE_SUBDOMAINS", True)
    SECURE_HSTS_PRELOAD = env.flag("SECURE_HSTS_PRELOAD", True)
    # Only a proxy that always sets or strips the header may be trusted with it.
    if env.flag("KEPT_BEHIND_PROXY"):
        SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
        # Each proxy appends whom it spoke to. Of X-Forwarded-For only that many entries from the
        # right are ours; what stands left of them the visitor wrote.
        ALLAUTH_TRUSTED_PROXY_COUNT = int(env.number("KEPT_PROXY_COUNT", 1, least=1))
    elif env.text("KEPT_PROXY_COUNT"):
        env.problem(
            "KEPT_PROXY_COUNT",
            "it counts proxies, but KEPT_BEHIND_PROXY says there is none",
            "Set KEPT_BEHIND_PROXY=true, or remove it.",
        )

# django-csp drops directives it doesn't know without a word: a test reads the header as served.
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "base-uri": [NONE],
        "connect-src": [SELF],
        "font-src": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
        "img-src": [SELF, "data:"],  # the second factor's QR code is a data: image
        "manifest-src": [SELF],
        "object-src": [NONE],
        "require-trusted-types-for": ["'script'"],
        "script-src": [SELF],
        "style-src": [SELF],
        "trusted-types": ["default"],
    }
}

# --- language, time, files ----------------------------------------------------------------------

LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English")]
LOCALE_PATHS = [BASE_DIR / "locale"]
USE_I18N = True
TIME_ZONE = "UTC"
USE_TZ = True

STATIC_URL = "/static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
STATIC_ROOT = env.text("STATIC_ROOT", str(BASE_DIR / "static-collected"))
MEDIA_ROOT = env.text("MEDIA_ROOT", str(BASE_DIR / "media"))
_WHITENOISE = "whitenoise.storage.CompressedManifestStaticFilesStorage"
_PLAIN = "django.contrib.staticfiles.storage.StaticFilesStorage"
STORAGES: dict[str, dict[str, Any]] = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    # Encrypted copies of people's data: never under an address, shared by web and workers.
    "packages": {
        "BACKEND": "requests.package.store.PrivateFolder",
        "OPTIONS": {"location": env.text("PACKAGES_ROOT", str(BASE_DIR / "packages"))},
    },
    # People's photos: never under an address, a view asks first who looks.
    "photos": {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {
            "location": f"{MEDIA_ROOT}/photos",
            "file_permissions_mode": 0o600,
            "directory_permissions_mode": 0o700,
        },
    },
    "staticfiles": {"BACKEND": _WHITENOISE if PRODUCTION else _PLAIN},
}
WHITENOISE_USE_FINDERS = WHITENOISE_AUTOREFRESH = not PRODUCTION
# Fields of forms, not files: a megabyte is more than any of ours needs.
DATA_UPLOAD_MAX_MEMORY_SIZE = 1_048_576
DATA_UPLOAD_MAX_NUMBER_FIELDS = 1000
# The first lets go of a file that is larger than anything we take.
FILE_UPLOAD_HANDLERS = [
    "accounts.uploads.Bounded",
    "django.core.files.uploadhandler.MemoryFileUploadHandler",
    "django.core.files.uploadhandler.TemporaryFileUploadHandler",
]

# --- mail ---------------------------------------------------------------------------------------

_MAIL = mail_server(env, default="" if PRODUCTION else "smtp://localhost:25")
# Refuses: mail leaves through consent.mail only, which speaks to this relay by itself.
EMAIL_BACKEND = "consent.mail_backend.GateBackend"
EMAIL_HOST = _MAIL["EMAIL_HOST"]
EMAIL_PORT = _MAIL["EMAIL_PORT"]
EMAIL_HOST_USER = _MAIL["EMAIL_HOST_USER"]
EMAIL_HOST_PASSWORD = _MAIL["EMAIL_HOST_PASSWORD"]
EMAIL_USE_TLS = _MAIL["EMAIL_USE_TLS"]
EMAIL_USE_SSL = _MAIL["EMAIL_USE_SSL"]
# A consent row is locked while its mail is handed over: seconds, not minutes.
EMAIL_TIMEOUT = 5
DEFAULT_FROM_EMAIL = env.text("DEFAULT_FROM_EMAIL", "privacy@localhost")
SERVER_EMAIL = DEFAULT_FROM_EMAIL
# Where `make run` keeps the mail it caught, for /dev/mail/.
KEPT_MAIL_FOLDER = env.text("KEPT_MAIL_FOLDER")

# --- API ----------------------------------------------------------------------------------------

REST_FRAMEWORK = {
    # The browsable API renders with inline scripts, which the content security policy refuses.
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_AUTHENTICATION_CLASSES": ["accounts.bearer.KeyAuthentication"],
    # A view that says nothing else is closed.
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_THROTTLE_CLASSES": ["accounts.bearer.PerAddress", "accounts.bearer.PerKey"],
    "DEFAULT_METADATA_CLASS": None,
    "EXCEPTION_HANDLER": "config.api.as_problem",
    "URL_FORMAT_OVERRIDE": None,
}
# Calls in each minute of the clock; 0 counts none.
KEPT_API_CALLS_PER_ADDRESS = int(env.number("KEPT_API_CALLS_PER_ADDRESS", 300))
KEPT_API_CALLS_PER_KEY = int(env.number("KEPT_API_CALLS_PER_KEY", 120))
SPECTACULAR_SETTINGS = {
    "OAS_VERSION": "3.1.0",
    "TITLE": "Kept",
    "VERSION": "1",
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "SERVE_INCLUDE_SCHEMA": False,
    "POSTPROCESSING_HOOKS": ["config.openapi.complete"],
}

# --- logs and tests -----------------------------------------------------------------------------

LOG_LEVEL = env.text("LOG_LEVEL", "INFO").upper()
# None: Django would apply its own defaults on top, and undo the levels.
LOGGING_CONFIG = None
configure_logging(level=LOG_LEVEL, as_json=env.flag("LOG_JSON", PRODUCTION))

if PRODUCTION:
    production.check(env, settings=globals())
env.raise_problems()
