# make.sh HOME PYTHON ENTRYPOINT: a small Debian with Python, Django and PostgreSQL, imported as two images into an
# engine whose data stay in HOME/data.
set -eu
home=$1 python=$2 entrypoint=$3
root=$home/rootfs
# An engine that was killed leaves its folder mounted.
umount "$home/data" 2>/dev/null || true
rm -rf "$root" "$home/site" "$home/wheels" "$home/data" "$home/ready" "$home/forbidden"
debootstrap --variant=minbase \
    --include=python3,python3-pip,python3-venv,ca-certificates,netcat-openbsd,postgresql-15 \
    bookworm "$root"
# For tests that build images, and for the image itself.
"$python" -m pip download --quiet --dest "$home/wheels" --python-version 3.11 --implementation cp \
    --only-binary=:all: Django 'psycopg[binary]' Pillow gunicorn
"$python" -m pip install --quiet --target "$home/site" --python-version 3.11 --implementation cp \
    --only-binary=:all: --no-index --find-links "$home/wheels" Django 'psycopg[binary]' Pillow gunicorn
mkdir -p "$root/usr/local/lib/python3.11/dist-packages"
cp -r "$home"/site/* "$root/usr/local/lib/python3.11/dist-packages/"
# Or every container would compile Django before it does anything.
chroot "$root" python3 -m compileall -q -j 0 /usr/local/lib/python3.11/dist-packages
ln -sf python3 "$root/usr/bin/python"
install -m 755 "$entrypoint" "$root/usr/local/bin/docker-entrypoint.sh"
rm -rf "$root"/etc/postgresql "$root"/var/lib/postgresql/15

run=$(mktemp -d)
dockerd --data-root "$home/data" --exec-root "$run/exec" --pidfile "$run/pid" --host "unix://$run/sock" \
    --bridge=none --iptables=false --ip6tables=false >"$home/dockerd.log" 2>&1 &
engine=$!
trap 'kill $engine; wait $engine || true; rm -rf "$run" "$root" "$home/site"' EXIT
export DOCKER_HOST="unix://$run/sock"
# Installed, but the kernel, or whatever this machine runs in, lets nobody run containers: said in HOME/forbidden.
forbidden() {
    { echo "no container can be run here: $1"; tail -n 3 "$home/dockerd.log"; } >"$home/forbidden"
    exit 1
}
for _ in $(seq 300); do
    docker info >/dev/null 2>&1 && break
    kill -0 $engine 2>/dev/null || forbidden 'the engine ends'
    sleep 0.1
done
pack() {
    tar -C "$root" -c --exclude=./var/cache/apt --exclude=./var/lib/apt/lists --exclude=./usr/share/doc \
        --exclude=./usr/share/man --exclude=./usr/share/locale --exclude=./proc --exclude=./sys --exclude=./dev .
}
path='ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
pack | docker import --change "$path" --change 'CMD ["python3"]' - python:3.11-slim
docker run --rm --network none python:3.11-slim true || forbidden 'the first one failed'
# The same layer; what differs is what an image says of itself.
printf '%s\n' 'FROM python:3.11-slim' 'ENV PGDATA=/var/lib/postgresql/data PG_MAJOR=15' \
    'ENTRYPOINT ["docker-entrypoint.sh"]' 'CMD ["postgres"]' 'STOPSIGNAL SIGINT' \
    'VOLUME /var/lib/postgresql/data' | docker build --tag postgres:15 -
