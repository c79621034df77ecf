#!/bin/sh
# Trains demo/model.safetensors as demo/README.md records. usage: train.sh build/genseg
# Killed, it goes on where it was.
set -eu
genseg=$1 out=build/demo-model
[ -e $out/data/dataset.json ] ||
  "$genseg" data demo --out $out/data --scale 2 --cases 400 --annotated 0.1 --seed 1
# One thread: more are faster and end with other last digits.
train() {
  "$genseg" train --dataset $out/data --out $out/run --resume --preset brain --width 0.25 --batch-size 4 \
    --min-annotated 1 --augment --seed 1 --threads 1 --validate-every 500 --checkpoint-every 500 "$@"
}
train --weights adv=10,seg=5 --max-steps 17000
# Slower steps calm the adversaries; a heavier adversarial loss keeps the lesions out of the healthy images.
train --weights adv=30,seg=5 --learning-rate 0.0003 --max-steps 22000 --keep-last
cp $out/run/model.safetensors demo/model.safetensors
"$genseg" eval --model demo/model.safetensors --dataset $out/data --split test
