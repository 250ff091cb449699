#!/usr/bin/env bash
# load-image.sh: builds the image and gives it to a local cluster, as the version that the chart names.
#
#   deploy/kind/load-image.sh kind|k3d|minikube [NAME OF THE CLUSTER, varve by default]
set -euo pipefail
cd "$(dirname "$0")/../.."

what="${1:?kind, k3d or minikube}"
name="${2:-varve}"
tag="varve:$(sed -n 's/^appVersion: *//p' deploy/helm/varve/Chart.yaml)"
docker build -t "$tag" -f deploy/Dockerfile ${BASE_IMAGE:+--build-arg "BASE_IMAGE=$BASE_IMAGE"} .
case "$what" in
  kind) kind load docker-image "$tag" --name "$name" ;;
  k3d) k3d image import "$tag" --cluster "$name" ;;
  minikube) minikube image load "$tag" --profile "$name" ;;
  *)
    echo "kind, k3d or minikube, not $what" >&2
    exit 2
    ;;
esac
