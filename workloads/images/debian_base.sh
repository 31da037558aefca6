#!/usr/bin/env bash
# Makes a base image from Debian packages alone, for sites (and tests) that reach a package mirror and no registry.
#
#   workloads/images/debian_base.sh localhost/slipway-base:bookworm   [mirror]
#
# Needs root, debootstrap and buildah. Prints the image's digest: `make images BASE=localhost/slipway-base@sha256:…`.
set -euo pipefail

name=${1:?"name of the image, for example localhost/slipway-base:bookworm"}
mirror=${2:-}
root=$(mktemp -d)
container=
trap 'rm -rf "$root"; [ -z "$container" ] || buildah rm "$container" >/dev/null' EXIT

debootstrap --variant=minbase --include=python3,python3-venv,ca-certificates bookworm "$root" ${mirror:+"$mirror"} >&2
rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/*
container=$(buildah from scratch)
buildah add --quiet "$container" "$root" / >/dev/null
buildah config --env PATH=/usr/local/bin:/usr/bin:/bin "$container"
buildah commit --quiet "$container" "$name" >/dev/null
buildah inspect --type image --format '{{.FromImageDigest}}' "$name"
