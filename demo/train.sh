#!/bin/sh
# Trains demo/model.safetensors as demo/README.md records. usage: train.sh build/genseg
# STEPS and LAST_STEPS shorten it; killed, it goes on where it was.
set -eu
genseg=$1 out=build/demo-model steps=${STEPS:-40000} last_steps=${LAST_STEPS:-10000}
[ -e $out/data/dataset.json ] ||
  "$genseg" data demo --out $out/data --scale 2 --cases 400 --annotated 0.1 --seed 1
# One thread: more are faster and end with other last digits.
train() {
  "$genseg" train --dataset $out/data --out $out/run --resume --preset brain --width 0.25 --batch-size 4 \
    --min-annotated 1 --augment --weights adv=10,seg=5 --seed 1 --threads 1 \
    --validate-every 500 --checkpoint-every 500 "$@"
}
train --max-steps "$steps"
train --max-steps $((steps + last_steps)) --learning-rate 0.0002
cp $out/run/model.safetensors demo/model.safetensors
"$genseg" eval --model demo/model.safetensors --dataset $out/data --split test
