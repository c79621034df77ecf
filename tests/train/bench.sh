#!/bin/sh
# The engine beside the reference program in PyTorch on this machine, in one run: seconds (medians)
# and the ratio. usage: bench.sh genseg_torch.py build/genseg
set -eu
reference=$1 genseg=$2
python=/usr/bin/python3
threads=$(nproc)
seconds() { sed -n "s/.*\"$1\": \([0-9.e-]*\).*/\1/p"; }
row() { # op preset width batch torch_seconds
  ours=$("$genseg" bench --op "$1" --preset "$2" --width "$3" --batch "$4" --precision fp32 \
    --threads "$threads" --json | tail -n 1 | seconds seconds_median)
  awk -v o="$ours" -v t="$5" -v n="$1 $2 width $3 batch $4" \
    'BEGIN { printf "%-36s PyTorch %8.4f s   genseg %8.4f s   ratio %.2f\n", n, t, o, t / o }'
}
while read -r task width batch; do
  peer=$("$python" "$reference" bench --task "$task" --width "$width" --batch "$batch" --threads "$threads")
  row segment "$task" "$width" "$batch" "$(echo "$peer" | seconds segment_s)"
  row translate "$task" "$width" "$batch" "$(echo "$peer" | seconds translate_pa_s)"
  row train "$task" "$width" "$batch" "$(echo "$peer" | seconds train_step_s)"
done <<CASES
brain 1 1
brain 1 4
synthetic48 1 20
brain 0.25 4
synthetic48 0.25 20
CASES
