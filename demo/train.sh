#!/bin/sh
# Trains demo/model.safetensors as demo/README.md records. usage: train.sh build/genseg
set -eu
genseg=$1 out=build/demo-model
"$genseg" data demo --out $out/first-data --scale 2 --cases 120 --annotated 0.1 --seed 1
"$genseg" data demo --out $out/data --scale 2 --cases 300 --annotated 0.1 --seed 1
# Translation first, on few cases; the segmentation loss hardly weighs.
"$genseg" train --dataset $out/first-data --out $out/first --preset brain --width 0.25 --batch-size 8 \
  --min-annotated 2 --weights seg=0.5 --seed 1 --threads 2 --max-steps 2495
"$genseg" train --dataset $out/data --out $out/second --init $out/first/checkpoint.safetensors \
  --batch-size 4 --min-annotated 2 --augment --weights seg=50 --seed 2 --threads 1 \
  --max-steps "${STEPS:-5600}" --validate-every 200 --checkpoint-every 200
cp $out/second/model.safetensors demo/model.safetensors
"$genseg" eval --model demo/model.safetensors --dataset $out/data --split test
