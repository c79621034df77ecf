#!/bin/sh
# Dumps cases with the reference program (Debian's python3-torch) and compares the engine with them.
# usage: parity.sh genseg_torch.py build/genseg [threads]
set -eu
reference=$1 genseg=$2
python=/usr/bin/python3
"$python" -c 'import torch' 2>/dev/null || { echo "needs Debian's python3-torch"; exit 2; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=""
# task width batch seed steps
while read -r task width batch seed steps; do
  "$python" "$reference" dump --task "$task" --width "$width" --batch "$batch" --seed "$seed" \
    --steps "$steps" --out "$work" >/dev/null
  for backend in cpu reference; do
    # The oracle is plain loops: only small cases.
    [ $backend = reference ] && [ "$task" != tiny ] && continue
    echo "== $task width $width batch $batch seed $seed steps $steps: $backend"
    "$genseg" parity --weights "$work/weights.safetensors" --case "$work/case.safetensors" \
      --preset "$task" --width "$width" --backend $backend || failed="$failed $task/$width/$batch/$seed"
  done
done <<CASES
tiny 1 4 1 5
tiny 1 1 2 5
tiny 0.5 3 3 5
synthetic48 0.25 4 1 5
synthetic48 0.5 3 2 2
synthetic48 1 2 3 2
synthetic128 0.25 2 2 2
synthetic128 0.5 1 3 0
brain 0.25 2 1 2
brain 1 1 2 0
liver 0.25 1 1 2
CASES
[ -z "$failed" ] || { echo "failed:$failed"; exit 1; }
