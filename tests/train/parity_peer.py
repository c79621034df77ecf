#!/usr/bin/python3
"""Whether PyTorch's own single precision stays within the tolerance that `genseg parity` allows for a dump.

usage: parity_peer.py genseg_torch.py TASK WIDTH FOLDER [bf16]

A dump is computed in double precision. Where an L1 term or a ReLU sits on its kink, or where AMSGrad makes
a whole step of a gradient that is almost zero, single precision cannot follow it, whoever computes; this
tells such cases from mistakes. Prints one line, `passed` or `beyond the tolerance`; the exit status is 0
for both. With `bf16` it tells instead how far the outputs move when every convolution rounds its factors to
bfloat16 and sums in double precision: what nobody who computes in bfloat16 can stay below by much.
"""
import importlib.util
import sys

import torch


def load(path):
    spec = importlib.util.spec_from_file_location("reference", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def model_of(reference, task, width, weights):
    model = reference.GenSeg(task, width)
    state = model.state_dict()
    for name in state:
        state[name].copy_(weights[name])
    return model


def batch_of(case, prefix):
    return (case[prefix + "x_a"], case[prefix + "x_p"], case[prefix + "mask"], case[prefix + "has_mask"] > 0,
            case[prefix + "u"])


def share_of_tolerance(ours, theirs, largest):
    difference, theirs = (ours - theirs).flatten(), theirs.flatten()
    norm = 1e-3 * theirs.norm() + 1e-6 * largest * theirs.numel() ** 0.5
    highest = 5e-3 * theirs.abs().max() + 1e-5 * largest
    return max(float(difference.norm() / norm), float(difference.abs().max() / highest))


def worst_gradient(reference, model, case):
    x_a, x_p, mask, has_mask, u = batch_of(case, "in.")
    generated = model.generate(x_a, x_p, u)
    total = model.total(model.losses_gen(x_a, x_p, generated, mask, has_mask))
    worst = 0
    for group, objective in (("grad_gen.", total), ("grad_disc.", model.loss_disc(x_a, x_p, generated))):
        names = [name for name, _ in model.named_parameters() if group + name in case]
        parameters = dict(model.named_parameters())
        gradients = torch.autograd.grad(objective, [parameters[name] for name in names], retain_graph=True)
        largest = max(case[group + name].abs().max() for name in names)
        for name, gradient in zip(names, gradients):
            worst = max(worst, share_of_tolerance(gradient, case[group + name], largest))
    return worst


def worst_step(reference, model, case):
    update, worst = reference.trainer(model), 0
    for step in range(1000):
        if f"step{step}.in.x_a" not in case:
            break
        for term, value in update(*batch_of(case, f"step{step}.in.")).items():
            theirs = float(case[f"step{step}.loss.{term}"])
            worst = max(worst, abs(float(value) - theirs) / max(1e-3 * abs(theirs), 1e-4))
    return worst


class Round(torch.autograd.Function):
    @staticmethod
    def forward(context, x):
        return x.to(torch.bfloat16).to(x.dtype)


def worst_output_in_bf16(reference, model, case):
    exact = torch.nn.functional.conv2d
    torch.nn.functional.conv2d = lambda x, weight, *rest, **named: exact(Round.apply(x), Round.apply(weight),
                                                                         *rest, **named)
    x_a, x_p, _, _, u = batch_of(case, "in.")
    with torch.no_grad():
        outputs = model.generate(x_a, x_p, u)
    torch.nn.functional.conv2d = exact
    both = [(outputs[name], case["out." + name]) for name in outputs if "out." + name in case]
    worst = max(float((a - b).abs().max() / b.abs().max()) for a, b in both)
    mean = max(float((a - b).square().mean().sqrt() / b.abs().max()) for a, b in both)
    return worst, mean


def main():
    reference, task, width, folder = load(sys.argv[1]), sys.argv[2], float(sys.argv[3]), sys.argv[4]
    weights = reference.load_safetensors(folder + "/weights.safetensors")
    case = reference.load_safetensors(folder + "/case.safetensors")
    if sys.argv[5:] == ["bf16"]:
        worst, mean = worst_output_in_bf16(reference, model_of(reference, task, width, weights), case)
        print(f"worst difference {worst:.3g} of the largest magnitude, its root mean square {mean:.3g}")
        return
    gradient = worst_gradient(reference, model_of(reference, task, width, weights), case)
    step = worst_step(reference, model_of(reference, task, width, weights), case)
    verdict = "passed" if max(gradient, step) <= 1 else "beyond the tolerance"
    print(f"{verdict}: gradients at {gradient:.3g} of it, losses of steps at {step:.3g}")


if __name__ == "__main__":
    main()
