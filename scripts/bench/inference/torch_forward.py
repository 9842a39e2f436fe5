"""wav2vec 2.0 base in PyTorch, on the weights of a checkpoint directory: the yardstick of `npm run bench -- inference`.

Reads from standard input a line for each run and answers with the milliseconds it took, of the clock and of the
processor. The first line it writes holds the first class's logits, so that the two sides can be compared, and the
speed of a plain matrix product: a Debian without OpenBLAS gives PyTorch a BLAS a hundred times slower.
"""
import json
import struct
import sys
import time

import numpy as np
import torch
import torch.nn.functional as F

directory, samples, threads = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
torch.set_num_threads(threads)
torch.set_grad_enabled(False)


def read(path):
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
        start = 8 + length
        whole = np.memmap(path, np.uint8, "r")
        for name, entry in header.items():
            if name == "__metadata__":
                continue
            begin, end = entry["data_offsets"]
            values = np.frombuffer(whole[start + begin : start + end].tobytes(), np.float32)
            yield name, torch.from_numpy(values.reshape(entry["shape"]).copy())


w = dict(read(directory + "/model.safetensors"))
encoder = "wav2vec2.encoder."
strides = [5, 2, 2, 2, 2, 2, 2]
g, v = (w[encoder + "pos_conv_embed.conv.weight_" + name] for name in "gv")
position = v * (g / v.norm(dim=(0, 1), keepdim=True))
heads, blocks = 12, 12


def linear(x, name):
    return F.linear(x, w[name + ".weight"], w[name + ".bias"])


def norm(x, name):
    return F.layer_norm(x, x.shape[-1:], w[name + ".weight"], w[name + ".bias"])


def block(x, name):
    batch, time_, width = x.shape
    a = name + "attention."
    split = lambda y: y.view(batch, time_, heads, width // heads).transpose(1, 2)
    q = split(linear(x, a + "q_proj") * (width // heads) ** -0.5)
    k, u = split(linear(x, a + "k_proj")), split(linear(x, a + "v_proj"))
    seen = torch.softmax(q @ k.transpose(-1, -2), -1) @ u
    attended = linear(seen.transpose(1, 2).reshape(batch, time_, width), a + "out_proj")
    x = norm(x + attended, name + "layer_norm")
    inner = F.gelu(linear(x, name + "feed_forward.intermediate_dense"))
    return norm(x + linear(inner, name + "feed_forward.output_dense"), name + "final_layer_norm")


def forward(sound):
    x = sound[:, None]
    for i, stride in enumerate(strides):
        layer = f"wav2vec2.feature_extractor.conv_layers.{i}."
        x = F.conv1d(x, w[layer + "conv.weight"], stride=stride)
        if i == 0:
            x = F.group_norm(x, x.shape[1], w[layer + "layer_norm.weight"], w[layer + "layer_norm.bias"])
        x = F.gelu(x)
    x = norm(x.transpose(1, 2), "wav2vec2.feature_projection.layer_norm")
    x = linear(x, "wav2vec2.feature_projection.projection")
    p = F.conv1d(x.transpose(1, 2), position, w[encoder + "pos_conv_embed.conv.bias"], padding=64, groups=16)
    x = norm(x + F.gelu(p[:, :, :-1]).transpose(1, 2), encoder + "layer_norm")
    for i in range(blocks):
        x = block(x, f"{encoder}layers.{i}.")
    return linear(x, "lm_head")


sound = torch.from_numpy(np.sin(np.arange(samples, dtype=np.float32) ** 2 * np.float32(1e-6)))[None]
sound = (sound - sound.mean()) / torch.sqrt(sound.var(unbiased=False) + 1e-7)
a, b = torch.randn(256, 768), torch.randn(768, 768)
a @ b
started = time.process_time()
a @ b
gemm = 2 * 256 * 768 * 768 / max(time.process_time() - started, 1e-6) / 1e9
logits = forward(sound)[0, :, 0].tolist()
print(json.dumps({"logits": logits, "version": torch.__version__, "gemmGflops": gemm}), flush=True)
for _ in sys.stdin:
    clock, processor = time.perf_counter(), time.process_time()
    forward(sound)
    elapsed = {"ms": (time.perf_counter() - clock) * 1000, "processorMs": (time.process_time() - processor) * 1000}
    print(json.dumps(elapsed), flush=True)
