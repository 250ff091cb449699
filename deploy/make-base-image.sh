#!/usr/bin/env bash
# make-base-image.sh: makes a base image for deploy/Dockerfile from this machine's own Node.js and the libraries that it loads, for
# where no registry of images can be reached. Linux with glibc only. Nothing else goes in: no shell, no package manager, no npm.
#
#   deploy/make-base-image.sh [local/node:1]
set -euo pipefail

tag="${1:-local/node:1}"
node="$(readlink -f "$(command -v node)")"
root="$(mktemp -d)"
trap 'rm -rf "$root"' EXIT

install -D -m 0755 "$node" "$root/usr/bin/node"
# Each library under the path at which the loader looks for it; librt is one that compiled modules name and node does not.
libraries="$(ldd "$node" | grep -oE '/[^ ]+' | sort -u)"
libc="$(grep '/libc\.so\.6$' <<<"$libraries")"
for library in $libraries "$(dirname "$libc")/librt.so.1"; do
  install -D -m 0755 "$(readlink -f "$library")" "$root$library"
done
mkdir -p "$root/etc" "$root/tmp"
chmod 1777 "$root/tmp"
printf 'root:x:0:0:root:/:/none\nvarve:x:10001:10001:varve:/var/lib/varve:/none\n' >"$root/etc/passwd"
printf 'root:x:0:\nvarve:x:10001:\n' >"$root/etc/group"
printf 'hosts: files dns\n' >"$root/etc/nsswitch.conf"

tar -C "$root" --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -cf - . |
  docker import --change 'ENV PATH=/usr/local/bin:/usr/bin' --message 'Node.js of this machine' - "$tag" >/dev/null
docker image inspect "$tag" --format "$tag: {{.Size}} bytes, Node.js $(node --version)"
