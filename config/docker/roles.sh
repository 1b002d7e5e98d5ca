#!/bin/sh
# Runs once, when the database is made: an owner of the tables for migrations, and a runtime role
# that gets its rights after each migration (config/grants.py).
set -eu
psql --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres \
  --set owner_password="$(cat /run/secrets/owner_password)" \
  --set app_password="$(cat /run/secrets/app_password)" <<'SQL'
CREATE ROLE kept_owner LOGIN PASSWORD :'owner_password';
CREATE ROLE kept_app LOGIN PASSWORD :'app_password';
GRANT kept_app TO kept_owner;
CREATE DATABASE kept OWNER kept_owner;
REVOKE ALL ON DATABASE kept FROM PUBLIC;
GRANT CONNECT ON DATABASE kept TO kept_app;
SQL
