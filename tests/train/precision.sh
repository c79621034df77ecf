#!/bin/sh
# Trains the same in fp32 and in bf16, 300 steps of three seeds each, on simulated brains, and compares the
# Dice on the validation split of the last weights. Where the processor cannot do bf16 it is emulated, which
# takes long. usage: precision.sh build/genseg [METHOD]
#
# Exit status 1: the means over the seeds differ by more than 0.02.
set -eu
genseg=$1 method=${2:-segmentation_only}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export GENSEG_EMULATE_BF16=1 OMP_WAIT_POLICY=passive
"$genseg" data phantom --kind brain --out "$work/patients" --scale 4 --cases 30 --seed 1 2>/dev/null
"$genseg" data brats --in "$work/patients" --out "$work/data" --scale 4 --annotated 1 --validation 0.2 --seed 1 2>/dev/null

for seed in 1 2 3; do
  for precision in fp32 bf16; do
    "$genseg" train --dataset "$work/data" --out "$work/run" --method "$method" --preset brain --width 0.25 \
      --batch-size 8 --weights seg=5 --seed $seed --precision $precision --max-steps 300 --validate-every 300 \
      --keep-last >"$work/log"
    dice=$(sed -n 's/.*"event": *"done".*"dice": *\([0-9.]*\).*/\1/p' "$work/log")
    echo "$method seed $seed $precision: Dice $dice"
    echo "$precision $dice" >>"$work/dice"
  done
done
awk '{ sum[$1] += $2; n[$1]++ }
     END { d = sum["bf16"] / n["bf16"] - sum["fp32"] / n["fp32"]
           printf "means: fp32 %.4f, bf16 %.4f, difference %.4f\n", sum["fp32"] / n["fp32"], sum["bf16"] / n["bf16"], d
           exit !(n["bf16"] == 3 && n["fp32"] == 3 && d <= 0.02 && d >= -0.02) }' "$work/dice"
