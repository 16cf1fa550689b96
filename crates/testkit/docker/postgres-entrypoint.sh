#!/bin/sh
# What the official image of PostgreSQL promises, as far as tests rely on it: POSTGRES_USER, POSTGRES_PASSWORD and
# POSTGRES_DB make an empty volume's cluster and are without effect on any other.
set -e
PATH=/usr/lib/postgresql/15/bin:$PATH
: "${PGDATA:=/var/lib/postgresql/data}" "${POSTGRES_USER:=postgres}"
: "${POSTGRES_DB:=$POSTGRES_USER}"
# Another command than the server's is run as it is.
[ "$1" = postgres ] || exec "$@"
as_postgres() { setpriv --reuid postgres --regid postgres --init-groups "$@"; }
mkdir -p "$PGDATA" /var/run/postgresql
chown postgres:postgres "$PGDATA" /var/run/postgresql
chmod 700 "$PGDATA"
if [ ! -s "$PGDATA/PG_VERSION" ]; then
    if [ -z "$POSTGRES_PASSWORD" ]; then
        echo "Error: the superuser has no password: POSTGRES_PASSWORD is empty" >&2
        exit 1
    fi
    printf '%s' "$POSTGRES_PASSWORD" >/tmp/pw
    chown postgres /tmp/pw
    as_postgres initdb --no-sync --username "$POSTGRES_USER" --pwfile /tmp/pw --auth-host scram-sha-256 \
        --auth-local trust -D "$PGDATA" >/dev/null
    rm /tmp/pw
    echo "host all all all scram-sha-256" >>"$PGDATA/pg_hba.conf"
    as_postgres pg_ctl -D "$PGDATA" -o "-c listen_addresses=''" -w start >/dev/null
    [ "$POSTGRES_DB" = postgres ] || as_postgres createdb --username "$POSTGRES_USER" "$POSTGRES_DB"
    for file in /docker-entrypoint-initdb.d/*.sql; do
        [ ! -e "$file" ] || as_postgres psql -q -U "$POSTGRES_USER" -d "$POSTGRES_DB" -f "$file"
    done
    as_postgres pg_ctl -D "$PGDATA" -m fast -w stop >/dev/null
fi
exec setpriv --reuid postgres --regid postgres --init-groups "$@" -D "$PGDATA" -c "listen_addresses=*"
