#!/bin/sh
# Trains demo/model.safetensors as demo/README.md records. usage: train.sh build/genseg
# Killed, it goes on where it was.
set -eu
genseg=$1 out=build/demo-model
# The demo's patients, and the same without their tumours: what translations are compared with.
if [ ! -e $out/truth/dataset.json ]; then
  rm -rf $out/patients $out/healthy
  "$genseg" data phantom --kind brain --out $out/patients --healthy $out/healthy --scale 2 --cases 60 --seed 1
  for data in brains truth; do
    [ $data = truth ] && healthy="--healthy $out/healthy" || healthy=
    [ -e $out/$data/dataset.json ] || "$genseg" data brats --in $out/patients --out $out/$data --scale 2 \
      --annotated 0.1 --validation 0.15 --test 0.15 --seed 1 $healthy
  done
fi
# One thread: more are faster and end with other last digits.
train() {
  "$genseg" train --dataset $out/brains --out $out/run --resume --preset brain --width 0.25 --batch-size 4 \
    --min-annotated 1 --augment --average-decay 0.995 --discriminator-rate 0.1 --weights adv=10,seg=5,rec=20,cyc=20 \
    --keep-last --seed 1 --threads 1 --validate-every 250 --checkpoint-every 250 "$@"
}
train --max-steps 6000
train --max-steps 7000 --learning-rate 0.0003 # slower steps calm the adversaries
cp $out/run/model.safetensors demo/model.safetensors
"$genseg" eval --model demo/model.safetensors --dataset $out/brains --healthy $out/truth --split test
