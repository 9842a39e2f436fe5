"""The language model of language-model.mjs in PyTorch, on the same weights and batch: the yardstick of
`npm run bench -- train-step`.

    python3 torch_step.py SETTINGS.json DATA.bin

SETTINGS holds the model's sizes, AdamW's settings and where each parameter lies in DATA (float32), behind which come
tokens and targets (int64). Reads a line for each step and answers with the loss before it and the milliseconds it
took, of the clock and of the processor.
"""
import json
import sys
import time

import numpy as np
import torch
import torch.nn.functional as F

with open(sys.argv[1]) as file:
    settings = json.load(file)
torch.set_num_threads(1)
width, heads = settings["width"], settings["heads"]
batch, length, vocabulary = settings["batch"], settings["time"], settings["vocabulary"]

with open(sys.argv[2], "rb") as file:
    flat = np.frombuffer(file.read(4 * settings["parameters"]), np.float32)
    ids = torch.from_numpy(np.frombuffer(file.read(), np.int64).reshape(2, batch, length).copy())
tokens, targets = ids[0], ids[1]
w = {}
for entry in settings["layout"]:
    values = flat[entry["offset"] : entry["offset"] + entry["size"]]
    w[entry["name"]] = torch.nn.Parameter(torch.from_numpy(values.reshape(entry["shape"]).copy()))
optimiser = torch.optim.AdamW(
    [
        {"params": [p for p in w.values() if p.dim() > 1], "weight_decay": settings["weightDecay"]},
        {"params": [p for p in w.values() if p.dim() == 1], "weight_decay": 0.0},
    ],
    lr=settings["rate"],
    betas=(0.9, 0.999),
    eps=1e-8,
    foreach=True,
)
causal = torch.full((length, length), float("-inf")).triu(1)


def linear(x, name):
    return F.linear(x, w[name + ".weight"], w.get(name + ".bias"))


def norm(x, name):
    return F.layer_norm(x, (width,), w[name + ".weight"], w[name + ".bias"])


def split(x):
    return x.view(batch, length, heads, width // heads).transpose(1, 2)


def attention(x, name):
    q, k, v = (split(linear(x, f"{name}.{part}_proj")) for part in "qkv")
    scores = torch.matmul(q * (width // heads) ** -0.5, k.transpose(-1, -2)) + causal
    seen = torch.matmul(torch.softmax(scores, -1), v)
    return linear(seen.transpose(1, 2).reshape(batch, length, width), name + ".out_proj")


def loss_of():
    x = F.embedding(tokens, w["embedding.weight"]) + w["positions"]
    for i in range(settings["layers"]):
        name = f"layers.{i}."
        x = x + attention(norm(x, name + "norm1"), name + "attention")
        inner = F.gelu(linear(norm(x, name + "norm2"), name + "feed_forward.fc1"))
        x = x + linear(inner, name + "feed_forward.fc2")
    logits = linear(norm(x, "norm"), "head")
    return F.cross_entropy(logits.view(-1, vocabulary), targets.view(-1))


def step():
    optimiser.zero_grad(set_to_none=True)
    loss = loss_of()
    loss.backward()
    optimiser.step()
    return loss.item()


a, b = torch.randn(1024, 512), torch.randn(512, 512)
a @ b
started = time.process_time()
for _ in range(8):
    a @ b
gemm = 8 * 2 * 1024 * 512 * 512 / (time.process_time() - started) / 1e9
print(json.dumps({"version": torch.__version__, "gemmGflops": gemm}), flush=True)
for _ in sys.stdin:
    clock, processor = time.perf_counter(), time.process_time()
    loss = step()
    ms, processor_ms = (time.perf_counter() - clock) * 1000, (time.process_time() - processor) * 1000
    print(json.dumps({"loss": loss, "ms": ms, "processorMs": processor_ms}), flush=True)
