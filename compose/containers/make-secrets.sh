#!/bin/sh
# Makes the passwords and the token that compose.yaml mounts, in compose/secrets/. What is there already stays as it is:
# the databases and the broker keep the passwords of their first start.
set -eu
umask 077

dir=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)/secrets
mkdir -p "$dir"
chmod 0700 "$dir"

# The folder keeps other users of this machine out. The files are readable by all, because each container
# reads them as a user of its own.
keep() {
    if [ -s "$dir/$1" ]; then
        echo "kept  $dir/$1"
        cat >/dev/null
        return
    fi
    cat >"$dir/.$1.new"
    chmod 0444 "$dir/.$1.new"
    mv "$dir/.$1.new" "$dir/$1"
    echo "made  $dir/$1"
}

for name in reviews_owner reviews_write reviews_projector reviews_read broker admin_token; do
    od -An -N24 -tx1 /dev/urandom | tr -d ' \n' | keep "$name"
done

# The broker's image takes its first user from a configuration file only.
keep rabbitmq_user.conf <<CONF
default_user = reviews
default_pass = $(cat "$dir/broker")
default_user_tags.administrator = false
CONF
