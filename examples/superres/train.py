#!/usr/bin/env python3
"""Makes everything beside this file: photos/, halve.onnx, bicubic.onnx, superres.onnx.

    python3 train.py FOLDER [--steps N]

FOLDER receives the packages that hold the pictures, unless they are there already.
"""
import argparse
import bz2
import pathlib
import subprocess
import sys
import zipfile

import numpy as np
import onnx
import torch
import torch.nn.functional as F
from onnx import TensorProto, helper, numpy_helper
from PIL import Image
from torch import nn

HERE = pathlib.Path(__file__).resolve().parent

WHEELS = ["scikit-image==0.22.0", "scikit-learn==1.3.2", "scipy==1.9.3"]
DEBS = ["lomiri-wallpapers-16.04=20.04.0-2", "lomiri-wallpapers-20.04=20.04.0-2"]

# Held out, never trained on: file, crop (left, top, right, bottom), size in photos/.
PHOTOS = {
    "demo": ("scipy/misc/face.dat", (0, 0, 1024, 768), (512, 384)),
    "astronaut": ("skimage/data/astronaut.png", (0, 0, 512, 512), (384, 384)),
    "cat": ("skimage/data/chelsea.png", (0, 0, 450, 300), (390, 260)),
    "coffee": ("skimage/data/coffee.png", (0, 0, 600, 400), (510, 340)),
    "pagoda": ("sklearn/datasets/images/china.jpg", (0, 0, 640, 426), (512, 340)),
    "rocket": ("skimage/data/rocket.jpg", (0, 0, 640, 426), (512, 340)),
}
# Trained on, each at several fractions of its size.
TRAINING = ["sklearn/datasets/images/flower.jpg"] + ["usr/share/backgrounds/" + name + ".jpg" for name in (
    "Bridge_by_Sander_Klootwijk", "Dragonfly_by_Bolly", "Kleiber_by_Lukas_Baubkus",
    "Picture_0B_by_freespace", "Picture_1A_by_freespace", "Wine_by_Jakkub_Mede",
    "aitzgorri_by_Aitzol_Berasategi", "free_by_Peter_Nerlich", "friends_by_Aitzol_Berasategi",
    "greentock_by_Peter_Nerlich", "life_by_Aitzol_Berasategi", "picosdeeuropa_by_Aitzol_Berasategi",
    "seeding_by_Clements_Engelhardt", "sunset_by_Aitzol_Berasategi")]
FRACTIONS = (2, 2.7, 3.6, 5)

PATCH, BATCH, RATE = 80, 16, 2e-3
FEATURES, SHRUNK, MAPS = 40, 12, 4


def fetch(folder):
    folder.mkdir(parents=True, exist_ok=True)
    if all((folder / path).exists() for path, *_ in PHOTOS.values()) and \
            all((folder / path).exists() for path in TRAINING):
        return
    subprocess.run([sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:",
                    "--python-version", "3.10", "--dest", ".", *WHEELS], cwd=folder, check=True)
    subprocess.run(["apt-get", "download", *DEBS], cwd=folder, check=True)
    for wheel in folder.glob("*.whl"):
        zipfile.ZipFile(wheel).extractall(folder)
    for deb in folder.glob("*.deb"):
        subprocess.run(["dpkg-deb", "--extract", deb.name, "."], cwd=folder, check=True)


def load(path):
    if path.suffix == ".dat":
        return Image.frombytes("RGB", (1024, 768), bz2.decompress(path.read_bytes()))
    return Image.open(path).convert("RGB")


def write_photos(folder):
    (HERE / "photos").mkdir(exist_ok=True)
    for name, (path, box, size) in PHOTOS.items():
        photo = load(folder / path).crop(box).resize(size, Image.LANCZOS)
        photo.save(HERE / "photos" / (name + ".png"), optimize=True)


# Keys' cubic, a = -0.5

def cubic(x):
    x = np.abs(x)
    return np.where(x < 1, 1.5 * x**3 - 2.5 * x**2 + 1,
                    np.where(x < 2, -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2, 0))


def halving_filter():
    taps = cubic((np.arange(8) - 3.5) / 2)
    taps /= taps.sum()
    return np.tile(np.outer(taps, taps), (3, 1, 1, 1)).astype(np.float32)


def halve(x):
    x = F.pad(x, (3, 3, 3, 3), mode="replicate")
    return F.conv2d(x, torch.from_numpy(halving_filter()), stride=2, groups=3).clamp(0, 1)


def double(x):
    """ONNX Resize, mode cubic, half_pixel: two sets of taps, for positions -1/4 and +1/4."""
    left = cubic(np.arange(-2, 3) + 0.25)
    taps = np.stack([left, left[::-1]])
    taps = np.einsum("yi,xj->yxij", taps, taps).reshape(4, 1, 5, 5)
    taps = torch.from_numpy(np.tile(taps, (3, 1, 1, 1)).astype(np.float32))
    return F.pixel_shuffle(F.conv2d(F.pad(x, (2, 2, 2, 2), mode="replicate"), taps, groups=3), 2)


class Upscale(nn.Module):
    """Transposed convolution, 6x6, stride 2, padding 2. Computed as a 3x3 convolution
    to four phases and a pixel shuffle, which is several times faster to train."""

    def __init__(self, channels):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(channels, 3, 6, 6) * 1e-3)
        self.bias = nn.Parameter(torch.zeros(3))

    def forward(self, x):
        c = self.weight.shape[0]
        phases = self.weight.reshape(c, 3, 3, 2, 3, 2).flip(2, 4).permute(1, 3, 5, 0, 2, 4)
        x = F.conv2d(x, phases.reshape(12, c, 3, 3), self.bias.repeat_interleave(4), padding=1)
        return F.pixel_shuffle(x, 2)


def network():
    """FSRCNN. Computes what bicubic doubling lacks."""
    layers = nn.Sequential()
    shapes = [("feature", 3, FEATURES, 5), ("shrink", FEATURES, SHRUNK, 1)]
    shapes += [(f"map{i + 1}", SHRUNK, SHRUNK, 3) for i in range(MAPS)]
    shapes += [("expand", SHRUNK, FEATURES, 1)]
    for name, inputs, outputs, size in shapes:
        conv = nn.Conv2d(inputs, outputs, size, padding=size // 2)
        nn.init.kaiming_normal_(conv.weight, a=0.25)
        nn.init.zeros_(conv.bias)
        layers.add_module(name, conv)
        layers.add_module(name + "_prelu", nn.PReLU(outputs))
    layers.add_module("upscale", Upscale(FEATURES))
    return layers


def pairs(folder):
    """Patches of full resolution and their 8-bit halves; of each picture the busier half."""
    fulls, halves = [], []
    for path in TRAINING:
        picture = load(folder / path)
        for fraction in FRACTIONS:
            w, h = (int(side / fraction) // 2 * 2 for side in picture.size)
            full = np.array(picture.resize((w, h), Image.LANCZOS))
            full = torch.from_numpy(full).permute(2, 0, 1)[None]
            half = (halve(full / 255) * 255).round()
            lost = (double(half) - full).abs().mean(1)
            half = half.byte()
            corners = [(y, x) for y in range(0, h - PATCH + 1, 64) for x in range(0, w - PATCH + 1, 64)]
            corners.sort(key=lambda c: -lost[:, c[0]:c[0] + PATCH, c[1]:c[1] + PATCH].mean().item())
            for y, x in corners[:(len(corners) + 1) // 2]:
                fulls.append(full[0, :, y:y + PATCH, x:x + PATCH].clone())
                halves.append(half[0, :, y // 2:(y + PATCH) // 2, x // 2:(x + PATCH) // 2].clone())
    return torch.stack(fulls), torch.stack(halves)


def train(folder, steps):
    torch.manual_seed(1)
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    fulls, halves = pairs(folder)
    print(len(fulls), "patches", flush=True)
    layers = network()
    optimizer = torch.optim.Adam(layers.parameters(), lr=RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    mean = 0
    for step in range(1, steps + 1):
        picks = torch.randint(len(fulls), (BATCH,))
        full, half = fulls[picks] / 255, halves[picks] / 255
        turns, mirror = torch.randint(4, ()).item(), torch.randint(2, ()).item()
        full, half = (torch.rot90(x.flip(3) if mirror else x, turns, (2, 3)) for x in (full, half))
        loss = F.l1_loss(double(half) + layers(half), full)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        mean += (loss.item() - mean) / ((step - 1) % 500 + 1)
        if step % 500 == 0 or step == steps:
            print(f"step {step}: loss {mean:.5f}", flush=True)
            mean = 0
            export_superres(layers)


# ONNX

CLIP = {"zero": np.float32(0), "one": np.float32(1)}
DOUBLE = {"scales": np.array([1, 1, 2, 2], np.float32), **CLIP}


def clip(value, output):
    return helper.make_node("Clip", [value, "zero", "one"], [output], "clip")


def resize():
    return helper.make_node("Resize", ["image", "", "scales"], ["bicubic"], "bicubic", mode="cubic",
                            coordinate_transformation_mode="half_pixel", cubic_coeff_a=-0.5)


def save(name, nodes, constants, output, sides):
    values = [helper.make_tensor_value_info(key, TensorProto.FLOAT, ["n", 3, *dims])
              for key, dims in (("image", ["h", "w"]), (output, sides))]
    constants = [numpy_helper.from_array(np.asarray(v), key) for key, v in constants.items()]
    graph = helper.make_graph(nodes, name, values[:1], values[1:], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=7,
                              producer_name="train.py")
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, HERE / (name + ".onnx"))


def export_halve():
    save("halve",
         [helper.make_node("Pad", ["image", "border"], ["padded"], "pad", mode="edge"),
          helper.make_node("Conv", ["padded", "filter"], ["filtered"], "filter", group=3,
                           kernel_shape=[8, 8], strides=[2, 2]),
          clip("filtered", "half")],
         {"border": np.array([0, 0, 3, 3, 0, 0, 3, 3]), "filter": halving_filter(), **CLIP},
         "half", ["h/2", "w/2"])


def export_bicubic():
    save("bicubic", [resize(), clip("bicubic", "upscaled")], DOUBLE, "upscaled", ["2h", "2w"])


def export_superres(layers):
    nodes, constants, value = [], dict(DOUBLE), "image"
    for name, layer in layers.named_children():
        for key, parameter in layer.named_parameters():
            constants[f"{name}.{key}"] = parameter.detach().numpy()
        if isinstance(layer, nn.PReLU):
            constants[name + ".slope"] = constants.pop(name + ".weight").reshape(-1, 1, 1)
            node = helper.make_node("PRelu", [value, name + ".slope"], [name], name)
        else:
            inputs = [value, name + ".weight", name + ".bias"]
            if isinstance(layer, Upscale):
                node = helper.make_node("ConvTranspose", inputs, [name], name, kernel_shape=[6, 6],
                                        strides=[2, 2], pads=[2, 2, 2, 2])
            else:
                node = helper.make_node("Conv", inputs, [name], name, pads=list(layer.padding) * 2,
                                        kernel_shape=list(layer.kernel_size))
        nodes.append(node)
        value = name
    nodes += [resize(), helper.make_node("Add", ["bicubic", "upscale"], ["sum"], "add"),
              clip("sum", "upscaled")]
    save("superres", nodes, constants, "upscaled", ["2h", "2w"])


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--steps", type=int, default=13000)
    arguments = parser.parse_args()
    fetch(arguments.folder)
    write_photos(arguments.folder)
    export_halve()
    export_bicubic()
    train(arguments.folder, arguments.steps)
