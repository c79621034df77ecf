# make run        the demo in a browser: install, build, prepare, serve on 127.0.0.1:8080
# make test       everything from a clone to green
# make test-asan  the tests under AddressSanitizer and UndefinedBehaviorSanitizer
# make test-tsan  the server's tests under ThreadSanitizer
# make test-docker  the steps of docker/Dockerfile* in fresh Debian roots, and what they make running (as root)
# make parity     compare with the PyTorch program: REFERENCE=path/to/genseg_torch.py
# make bench      the goals of speed and memory, beside PyTorch and ONNX Runtime: REFERENCE=…,
#                 ROWS="segment translate train scaling serve" (all), BENCH_MINUTES of load by 32 clients (1)
# make test-gpu   what needs a GPU: operations, parity, memcheck, racecheck, an interrupted training (docs/gpu.md)
# make bench-gpu  latency, throughput and training step on a GPU, beside PyTorch there: REFERENCE=…
# make results-quick  the methods of table 1 on a small task, in at most 20 minutes; fails unless the proposed one is
#                 better than segmentation only
# make demo-model train the demo's model anew (some hours)

JOBS ?= $(shell nproc)
LISTEN ?= 127.0.0.1:8080
DATA ?= data
DEMO_DATA = build/demo-brains
DEMO_SCAN = build/demo-scan
REFERENCE ?= ../shared/reference/genseg_torch.py
ROWS ?=
BENCH_MINUTES ?= 1

.PHONY: run test test-asan test-tsan test-docker parity bench test-gpu bench-gpu results-quick demo-model \
  build build-gpu packages test-packages bench-packages results-packages docker-packages clean

packages:
	docker/packages.sh
test-packages:
	docker/packages.sh test
bench-packages:
	docker/packages.sh bench
results-packages:
	docker/packages.sh results
docker-packages:
	docker/packages.sh docker

build: packages
	cmake -S . -B build -DCMAKE_BUILD_TYPE=Release >build.log 2>&1 || { cat build.log; exit 1; }
	cmake --build build -j$(JOBS) --target genseg

# Simulated patients, imported as those of BraTS are; and the scan of one more, which the demo's model has never seen.
$(DEMO_DATA)/dataset.json: | build
	rm -rf build/demo-patients $(DEMO_DATA)
	build/genseg data phantom --kind brain --out build/demo-patients --scale 2 --cases 60 --seed 1
	build/genseg data brats --in build/demo-patients --out $(DEMO_DATA) --name demo --scale 2 --annotated 0.1 \
	  --validation 0.15 --test 0.15 --seed 1
	rm -rf build/demo-patients
$(DEMO_SCAN): | build
	build/genseg data phantom --kind brain --out $@ --scale 2 --cases 1 --seed 2

# The demo is imported once: what is deleted in the viewer stays deleted.
run: build $(DEMO_DATA)/dataset.json $(DEMO_SCAN)
	@test -e $(DATA)/genseg.db && imports= || imports="--import $(DEMO_DATA) --import-model demo/model.safetensors"; \
	exec build/genseg serve --data $(DATA) --listen $(LISTEN) $$imports

# Types of openapi.yaml, a checker and axe for the tests of the page (tests/browser/npm.py). Where npm's
# registry cannot be reached, those tests are skipped by name; everything else runs.
tests/browser/node_modules: tests/browser/package-lock.json | test-packages
	npm ci --prefix tests/browser --ignore-scripts --no-audit --no-fund && touch $@ || \
	  echo "npm's registry is not to be had: tests of the page that need it will be skipped" >&2

# Tests side by side: most wait more than they compute, and those that compute must not spin while they wait.
test: test-packages tests/browser/node_modules
	cmake -S . -B build -DCMAKE_BUILD_TYPE=Release >build.log 2>&1 || { cat build.log; exit 1; }
	cmake --build build -j$(JOBS)
	OMP_WAIT_POLICY=passive ctest --test-dir build -j$(JOBS) --output-on-failure --no-tests=error

# Without the browser: the server under it is the same program that the HTTP tests drive.
test-asan: test-packages
	cmake -S . -B build-asan -DCMAKE_BUILD_TYPE=RelWithDebInfo -DGENSEG_SANITIZE=address
	cmake --build build-asan -j$(JOBS)
	ctest --test-dir build-asan --output-on-failure --no-tests=error -E '^viewer'

# OpenMP's runtime is not instrumented, so one thread computes; the server's own threads are all there.
test-tsan: test-packages
	cmake -S . -B build-tsan -DCMAKE_BUILD_TYPE=RelWithDebInfo -DGENSEG_SANITIZE=thread
	cmake --build build-tsan -j$(JOBS)
	OMP_NUM_THREADS=1 ctest --test-dir build-tsan --output-on-failure --no-tests=error -R '^(http|test_server|test_store|test_api)'

# What it mounts is gone with the process; the base of the roots stays in build-docker for the next time.
test-docker: docker-packages
	@test "$$(id -u)" = 0 || { echo "make test-docker mounts and changes roots: run it as root" >&2; exit 1; }
	mkdir -p build-docker
	unshare --mount env PYTHONDONTWRITEBYTECODE=1 /usr/bin/python3 -m pytest -q -rs -p no:cacheprovider \
	  --durations=5 tests/docker/test_images.py

parity: build
	tests/train/parity.sh $(REFERENCE) build/genseg

# The package's own script would fetch libraries for GPUs; the one for processors is in the package.
tests/bench/node_modules: tests/bench/package-lock.json | bench-packages
	npm ci --prefix tests/bench --ignore-scripts --no-audit --no-fund
	touch $@

bench: build bench-packages tests/bench/node_modules
	tests/bench/bench.py build/genseg --reference "$(REFERENCE)" --rows "$(ROWS)" --minutes $(BENCH_MINUTES)

build-gpu: test-packages
	cmake -S . -B build -DCMAKE_BUILD_TYPE=Release >build.log 2>&1 || { cat build.log; exit 1; }
	cmake --build build -j$(JOBS)

test-gpu: build-gpu
	tests/gpu/test.sh build "$(REFERENCE)"

bench-gpu: build-gpu
	tests/gpu/bench.py build/genseg --reference "$(REFERENCE)"

results-quick: build results-packages
	timeout 1200 tests/results/quick.sh build/genseg

demo-model: build
	demo/train.sh build/genseg

clean:
	rm -rf build build-asan build-tsan build-docker build.log
