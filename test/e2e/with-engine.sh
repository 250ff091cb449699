#!/usr/bin/env bash
# with-engine.sh: runs a command with a container engine: the one that answers, or else one of its own, started by hand for the command's time and
# removed with all that it held. Where neither is to be had the command runs all the same, and says itself what it does without. Linux, root.
#
#   test/e2e/with-engine.sh npm run test:e2e
set -uo pipefail

PATH="$PATH:/usr/sbin:/sbin"
say() { printf 'with-engine: %s\n' "$*"; }
answers() { timeout 10 docker version >/dev/null 2>&1; }

if answers; then exec "$@"; fi
if ! command -v dockerd >/dev/null || ! command -v docker >/dev/null; then
  say "no engine answers, and dockerd is not here (Debian's package docker.io has it)"
  exec "$@"
fi

folder="$(mktemp -d "${TMPDIR:-/tmp}/varve-engine-XXXXXX")"
engine=""
stop() {
  if [ -n "$engine" ]; then
    kill "$engine" 2>/dev/null
    for _ in $(seq 1 300); do kill -0 "$engine" 2>/dev/null || break; sleep 0.1; done
    kill -9 "$engine" 2>/dev/null
    wait "$engine" 2>/dev/null
    engine=""
  fi
}
finish() {
  stop
  # Mounts that an engine which had to be killed left behind.
  awk -v folder="$folder/" 'index($2, folder) == 1 {print $2}' /proc/mounts | sort -r | xargs -r -n 1 umount
  rm -rf "$folder"
}
trap finish EXIT
# The command ends first, in order, so that it can still ask the engine to remove what it made.
command=""
trap 'if [ -n "$command" ]; then kill "$command" 2>/dev/null; wait "$command"; fi; exit 130' INT TERM
run() {
  "$@" &
  command=$!
  wait "$command"
}

# Everything of it lies in one folder, and what it publishes is of this machine alone.
start() {
  dockerd --host "unix://$folder/docker.sock" --data-root "$folder/data" --exec-root "$folder/exec" --pidfile "$folder/pid" --ip 127.0.0.1 "$@" \
    >"$folder/log" 2>&1 </dev/null &
  engine=$!
  for _ in $(seq 1 300); do
    if answers; then return 0; fi
    kill -0 "$engine" 2>/dev/null || return 1
    sleep 0.2
  done
  return 1
}

export DOCKER_HOST="unix://$folder/docker.sock"
# What may be missing: a file system that overlays lie on; a packet filter, without which proxies still publish ports.
for options in "" "--storage-driver=vfs" "--iptables=false --ip-masq=false" "--iptables=false --ip-masq=false --storage-driver=vfs"; do
  # shellcheck disable=SC2086 # several words are several options
  if start $options; then
    say "started $(dockerd --version)${options:+ with $options}"
    run "$@"
    exit $?
  fi
  say "dockerd does not start${options:+ with $options}: $(tail -1 "$folder/log")"
  stop
done
unset DOCKER_HOST
"$@"
exit $?
