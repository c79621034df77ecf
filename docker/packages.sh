#!/bin/sh
# Installs the Debian 12 packages that genseg needs and that are missing: what building and the demo
# take, and with "test", "bench", "results" or "cuda" as argument what the tests, the benchmark, the
# quick check of results or the cuda backend take as well; with "runtime" only what the built program
# takes, with "proxy" the reverse proxy, with "docker" what `make test-docker` takes. Needs root or
# sudo only if something is missing.
set -eu

packages="gcc make cmake pkg-config libc6-dev libdnnl-dev libmicrohttpd-dev libgnutls28-dev libjansson-dev libsqlite3-dev
  libpng-dev libcairo2-dev libnifti-dev zlib1g-dev nettle-dev libarchive-dev libcmocka-dev python3 python3-yaml mricron-data"
if [ "${1:-}" = test ]; then
  packages="$packages g++ curl jq nodejs openssl chromium chromium-driver python3-pytest python3-requests
    python3-selenium python3-jsonschema"
fi
if [ "${1:-}" = bench ]; then
  packages="$packages python3-torch nodejs wrk"
fi
if [ "${1:-}" = test ] || [ "${1:-}" = bench ] || [ "${1:-}" = results ]; then
  # Other packages of Node bring npm themselves and conflict with Debian's.
  command -v npm >/dev/null || packages="$packages npm"
fi
case "${1:-}" in
cuda) packages="$packages g++" ;;
runtime)
  packages="libdnnl2 libmicrohttpd12 libgnutls30 libjansson4 libsqlite3-0 libpng16-16 libcairo2 libniftiio2 zlib1g
    libnettle8 libarchive13 libgomp1"
  ;;
proxy) packages="nginx" ;;
docker) packages="mmdebstrap iproute2 openssl python3-pytest python3-yaml" ;;
esac

missing=""
for package in $packages; do
  dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

as_root=""
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null || { echo "missing packages, and neither root nor sudo:$missing" >&2; exit 1; }
  as_root="sudo"
fi
echo "installing$missing"
export DEBIAN_FRONTEND=noninteractive
$as_root apt-get update -qq
# shellcheck disable=SC2086 # a list of names
$as_root apt-get install -y -qq --no-install-recommends $missing >/dev/null
