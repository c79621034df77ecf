#!/bin/sh
# Dumps cases with the reference program (Debian's python3-torch) and compares the engine with them.
# usage: parity.sh genseg_torch.py build/genseg [TASK [BACKEND [PRECISION…]]]   ("" TASK: all; cpu fp32)
# PYTHON is one that has torch; without it Debian's.
#
# A case passes when the backend is within the tolerance. Where it is not, the dump is one that single
# precision cannot follow, or we are wrong: it counts as `rounding` when the reference backend, which runs
# the same graph in double precision, is within the tolerance, and then PyTorch's own single precision is
# shown beside. Anything else fails, and so does a task of which fewer than two cases pass.
set -eu
reference=$1 genseg=$2 only=${3:-} backend=${4:-cpu}
shift $(($# < 4 ? $# : 4))
precisions=${*:-fp32}
here=$(cd "$(dirname "$0")" && pwd)
python=${PYTHON:-/usr/bin/python3}
"$python" -c 'import torch' 2>/dev/null || { echo "$python has no torch: install Debian's python3-torch, or set PYTHON"; exit 2; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

compare() { # backend task width precision
  "$genseg" parity --weights "$work/weights.safetensors" --case "$work/case.safetensors" \
    --preset "$2" --width "$3" --backend "$1" --precision "$4" >"$work/log" 2>&1
}

failed="" passed="" rounding=0
compare_in() { # precision
  echo "== $task width $width batch $batch seed $seed steps $steps, $1"
  if compare "$backend" "$task" "$width" "$1"; then
    sed 's/^/   /' "$work/log"
    passed="$passed $task,$1"
    return
  fi
  sed "s/^/   $backend: /" "$work/log"
  echo "   PyTorch's single precision: $("$python" "$here/parity_peer.py" "$reference" "$task" "$width" "$work")"
  if compare reference "$task" "$width" fp32; then
    rounding=$((rounding + 1))
    echo "   rounding: the reference backend passed"
  else
    sed 's/^/   reference: /' "$work/log"
    failed="$failed $task/$width/$batch/$seed/$1"
  fi
}

while read -r task width batch seed steps; do
  [ -z "$only" ] || [ "$only" = "$task" ] || continue
  "$python" "$reference" dump --task "$task" --width "$width" --batch "$batch" --seed "$seed" \
    --steps "$steps" --out "$work" >/dev/null
  for precision in $precisions; do compare_in "$precision"; done
done <<CASES
tiny 1 4 1 5
tiny 1 1 2 5
tiny 0.5 3 3 5
synthetic48 0.25 3 1 3
synthetic48 0.25 3 2 3
synthetic48 0.25 4 1 5
synthetic48 0.5 3 2 2
synthetic48 0.5 2 4 1
synthetic48 1 2 3 2
synthetic48 1 1 5 0
synthetic128 0.25 2 2 2
synthetic128 0.5 1 3 0
synthetic128 0.25 3 4 1
synthetic128 1 1 1 0
brain 0.25 2 1 2
brain 0.5 1 4 0
brain 0.25 1 5 1
brain 1 1 2 0
brain 1 1 3 0
liver 0.25 1 1 2
liver 0.25 1 3 0
liver 0.125 1 5 1
liver 0.125 2 4 1
liver 1 1 2 0
CASES

for task in tiny synthetic48 synthetic128 brain liver; do
  [ -z "$only" ] || [ "$only" = "$task" ] || continue
  for precision in $precisions; do
    count=$(echo "$passed" | tr ' ' '\n' | grep -c "^$task,$precision\$" || true)
    [ "$count" -ge 2 ] || failed="$failed $task, $precision: only $count passed"
  done
done
echo "passed: $(echo "$passed" | wc -w), rounding: $rounding, failed:${failed:- none}"
[ -z "$failed" ]
