#!/bin/sh
# Starts the container's command as soon as somebody listens on the database's port.
echo "waiting for $DB_HOST:$DB_PORT"
while ! nc -z "$DB_HOST" "$DB_PORT"; do
    sleep 0.2
done

python manage.py migrate --noinput
python manage.py collectstatic --noinput
exec "$@"
