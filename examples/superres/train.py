#!/usr/bin/env python3
"""Regenerates everything beside this file: photos/, the two bicubic networks and
the trained super-resolution network.

    python3 train.py DOWNLOADS

DOWNLOADS is a folder for the packages that hold the pictures; what is missing from
it is downloaded with apt-get and pip.
"""
import argparse
import bz2
import pathlib
import subprocess
import sys
import time

import numpy as np
import onnx
import torch
import torch.nn.functional as F
from onnx import TensorProto, helper, numpy_helper
from PIL import Image
from torch import nn

HERE = pathlib.Path(__file__).resolve().parent

DEBIAN = ["lomiri-wallpapers-16.04=20.04.0-2", "lomiri-wallpapers-20.04=20.04.0-2"]
PYPI = ["scikit-image==0.19.3", "scikit-learn==1.3.2", "scipy==1.9.3"]

# Pictures the network learns from, none of them in photos/.
TRAINING = ["sklearn/datasets/images/flower.jpg"] + ["usr/share/backgrounds/" + name for name in (
    "aitzgorri_by_Aitzol_Berasategi.jpg",
    "Bridge_by_Sander_Klootwijk.jpg",
    "Dragonfly_by_Bolly.jpg",
    "free_by_Peter_Nerlich.jpg",
    "friends_by_Aitzol_Berasategi.jpg",
    "greentock_by_Peter_Nerlich.jpg",
    "Kleiber_by_Lukas_Baubkus.jpg",
    "life_by_Aitzol_Berasategi.jpg",
    "Picture_0B_by_freespace.jpg",
    "Picture_1A_by_freespace.jpg",
    "picosdeeuropa_by_Aitzol_Berasategi.jpg",
    "seeding_by_Clements_Engelhardt.jpg",
    "sunset_by_Aitzol_Berasategi.jpg",
    "Wine_by_Jakkub_Mede.jpg",
)]

# Pictures kept for eval.py: file, crop (left, top, right, bottom), size in photos/.
HELD_OUT = {
    "astronaut": ("skimage/data/astronaut.png", (0, 0, 512, 512), (400, 400)),
    "cat": ("skimage/data/chelsea.png", (0, 0, 450, 300), (450, 300)),
    "coffee": ("skimage/data/coffee.png", (0, 0, 600, 400), (510, 340)),
    "pagoda": ("sklearn/datasets/images/china.jpg", (0, 0, 640, 426), (512, 340)),
    "raccoon": ("scipy/misc/face.dat", (0, 0, 1024, 768), (512, 384)),
    "rocket": ("skimage/data/rocket.jpg", (0, 0, 640, 426), (512, 340)),
}

SEED = 1
REDUCE = (2, 3, 4, 6)  # each training picture is used at these fractions of its size
PATCH = 96             # side of a training patch, in pixels of the full resolution
STRIDE = 64            # between patches
BATCH = 16
RATE = 2e-3            # Adam's first learning rate, lowered to 0 along a cosine
FEATURES, SHRUNK, MAPS = 48, 16, 4


# --- Pictures

def fetch(downloads):
    """Downloads and unpacks the packages, once."""
    done = downloads / "complete"
    if done.exists():
        return
    downloads.mkdir(parents=True, exist_ok=True)
    subprocess.run(["apt-get", "download", *DEBIAN], cwd=downloads, check=True)
    subprocess.run([sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", ".",
                    "--only-binary=:all:", "--python-version", "3.10", *PYPI],
                   cwd=downloads, check=True)
    for package in downloads.glob("*.deb"):
        subprocess.run(["dpkg-deb", "--extract", package, downloads], check=True)
    for wheel in downloads.glob("*.whl"):
        subprocess.run([sys.executable, "-m", "zipfile", "-e", wheel, downloads], check=True)
    done.touch()


def load(path):
    if path.suffix == ".dat":  # scipy's raccoon: raw pixels, bz2
        return Image.frombytes("RGB", (1024, 768), bz2.decompress(path.read_bytes()))
    return Image.open(path).convert("RGB")


def write_photos(downloads):
    (HERE / "photos").mkdir(exist_ok=True)
    for name, (path, box, size) in HELD_OUT.items():
        photo = load(downloads / path).crop(box)
        if photo.size != size:
            photo = photo.resize(size, Image.LANCZOS)
        photo.save(HERE / "photos" / (name + ".png"), optimize=True)


# --- Halving and doubling: Keys' cubic, a = -0.5

def cubic(x):
    x = np.abs(x)
    return np.where(x <= 1, (1.5 * x - 2.5) * x * x + 1,
                    np.where(x < 2, ((-0.5 * x + 2.5) * x - 4) * x + 2, 0))


def halving_weights():
    """8x8 antialiased filter: the cubic stretched twice, 8 taps, normalised."""
    taps = cubic((np.arange(8) - 3.5) / 2)
    taps /= taps.sum()
    return np.tile(np.outer(taps, taps), (3, 1, 1, 1)).astype(np.float32)


def halve(x):
    weights = torch.from_numpy(halving_weights())
    x = F.conv2d(F.pad(x, (3, 3, 3, 3), mode="replicate"), weights, stride=2, groups=3)
    return x.clamp(0, 1)


def bicubic(x):
    """Doubles as ONNX Resize does, half_pixel, cubic_coeff_a -0.5; not clipped."""
    before = cubic(np.array([-1.75, -0.75, 0.25, 1.25, 2.25]))  # output pixel at -0.25
    taps = np.stack([before, before[::-1]])
    weights = np.einsum("yi,xj->yxij", taps, taps).reshape(4, 1, 5, 5)
    weights = torch.from_numpy(np.tile(weights, (3, 1, 1, 1)).astype(np.float32))
    return F.pixel_shuffle(F.conv2d(F.pad(x, (2, 2, 2, 2), mode="replicate"), weights, groups=3), 2)


def to_bytes(x):
    return (x * 255).round().to(torch.uint8)


def to_floats(x):
    return x.to(torch.float32) / 255


# --- Training

def training_patches(downloads):
    """Pairs of low and full resolution patches, 8 bit: of each picture at each size,
    the half where bicubic does worst."""
    lows, fulls = [], []
    for path in TRAINING:
        picture = load(downloads / path)
        for factor in REDUCE:
            width, height = (side // factor // 2 * 2 for side in picture.size)
            full = np.array(picture.resize((width, height), Image.LANCZOS))
            full = torch.from_numpy(full).permute(2, 0, 1)[None]
            low = to_bytes(halve(to_floats(full)))
            error = (bicubic(to_floats(low)) - to_floats(full)).square()[0].mean(0)
            corners = [(y, x) for y in range(0, height - PATCH + 1, STRIDE)
                       for x in range(0, width - PATCH + 1, STRIDE)]
            corners.sort(key=lambda c: -error[c[0]:c[0] + PATCH, c[1]:c[1] + PATCH].mean().item())
            for y, x in corners[:(len(corners) + 1) // 2]:
                fulls.append(full[0, :, y:y + PATCH, x:x + PATCH].clone())
                lows.append(low[0, :, y // 2:(y + PATCH) // 2, x // 2:(x + PATCH) // 2].clone())
    return torch.stack(lows), torch.stack(fulls)


class Upscale(nn.Module):
    """A 6x6 transposed convolution of stride 2 and padding 2, computed as a 3x3
    convolution and a pixel shuffle, which trains several times faster."""

    def __init__(self, channels):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(channels, 3, 6, 6) * 0.001)
        self.bias = nn.Parameter(torch.zeros(3))

    def forward(self, x):
        channels = self.weight.shape[0]
        phases = self.weight.view(channels, 3, 3, 2, 3, 2).flip(2, 4).permute(1, 3, 5, 0, 2, 4)
        x = F.conv2d(x, phases.reshape(12, channels, 3, 3), padding=1)
        return F.pixel_shuffle(x, 2) + self.bias.view(3, 1, 1)


def network():
    """FSRCNN's layers, which compute what bicubic lacks. The names end up in the file."""
    layers = nn.Sequential()

    def convolution(name, inputs, outputs, size):
        layer = nn.Conv2d(inputs, outputs, size, padding=size // 2)
        nn.init.kaiming_normal_(layer.weight, a=0.25)  # PReLU starts at slope 0.25
        nn.init.zeros_(layer.bias)
        layers.add_module(name, layer)
        layers.add_module(name + "_prelu", nn.PReLU(outputs))

    convolution("feature", 3, FEATURES, 5)
    convolution("shrink", FEATURES, SHRUNK, 1)
    for i in range(MAPS):
        convolution(f"map{i + 1}", SHRUNK, SHRUNK, 3)
    convolution("expand", SHRUNK, FEATURES, 1)
    layers.add_module("upscale", Upscale(FEATURES))
    return layers


def train(layers, lows, fulls, steps):
    optimizer = torch.optim.Adam(layers.parameters(), lr=RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    start, total = time.time(), 0
    for step in range(1, steps + 1):
        picks = torch.randint(len(lows), (BATCH,))
        low, full = to_floats(lows[picks]), to_floats(fulls[picks])
        turns, mirror = torch.randint(4, ()).item(), torch.randint(2, ()).item()
        low, full = (torch.rot90(x, turns, (2, 3)) for x in (low, full))
        if mirror:
            low, full = low.flip(3), full.flip(3)
        loss = F.l1_loss(bicubic(low) + layers(low), full)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        total += loss.item()
        if step % 500 == 0:
            print(f"step {step} loss {total / 500:.5f} {time.time() - start:.0f} s", flush=True)
            total = 0


# --- ONNX files

def save_onnx(name, nodes, constants, output, scale):
    """Writes a graph from "image" to `output`, whose sides are `scale` times longer."""
    sides = {2: ("2 * height", "2 * width"), 0.5: ("height / 2", "width / 2")}[scale]
    graph = helper.make_graph(
        nodes, name,
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 3, "height", "width"])],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, ["batch", 3, *sides])],
        [numpy_helper.from_array(np.asarray(value), key) for key, value in constants.items()])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=7,
                              producer_name="convoy/examples/superres")
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, HERE / (name + ".onnx"))


RANGE = {"zero": np.float32(0), "one": np.float32(1)}
DOUBLE = {"double": np.array([1, 1, 2, 2], np.float32)}


def clip(value, output):
    return helper.make_node("Clip", [value, "zero", "one"], [output], "clip")


def resize(output):
    return helper.make_node("Resize", ["image", "", "double"], [output], "bicubic", mode="cubic",
                            cubic_coeff_a=-0.5, coordinate_transformation_mode="half_pixel")


def export_halve():
    nodes = [helper.make_node("Pad", ["image", "border"], ["padded"], "pad", mode="edge"),
             helper.make_node("Conv", ["padded", "cubic"], ["filtered"], "filter", group=3,
                              kernel_shape=[8, 8], strides=[2, 2]),
             clip("filtered", "half")]
    constants = {"border": np.array([0, 0, 3, 3, 0, 0, 3, 3]), "cubic": halving_weights()}
    save_onnx("halve", nodes, {**constants, **RANGE}, "half", 0.5)


def export_bicubic():
    save_onnx("bicubic", [resize("doubled"), clip("doubled", "upscaled")], {**DOUBLE, **RANGE},
              "upscaled", 2)


def export_superres(layers):
    nodes, constants, value = [], {}, "image"
    for name, layer in layers.named_children():
        constants[name + ".weight"] = layer.weight.detach().numpy()
        if isinstance(layer, nn.PReLU):
            constants[name + ".weight"] = constants[name + ".weight"].reshape(-1, 1, 1)
            nodes.append(helper.make_node("PRelu", [value, name + ".weight"], [name], name))
        else:
            constants[name + ".bias"] = layer.bias.detach().numpy()
            inputs = [value, name + ".weight", name + ".bias"]
            if isinstance(layer, Upscale):
                nodes.append(helper.make_node("ConvTranspose", inputs, ["detail"], name,
                                              kernel_shape=[6, 6], strides=[2, 2], pads=[2, 2, 2, 2]))
            else:
                size, pad = layer.kernel_size[0], layer.padding[0]
                nodes.append(helper.make_node("Conv", inputs, [name], name,
                                              kernel_shape=[size, size], pads=[pad] * 4))
        value = name
    nodes += [resize("smooth"), helper.make_node("Add", ["smooth", "detail"], ["sum"], "add"),
              clip("sum", "upscaled")]
    save_onnx("superres", nodes, {**constants, **DOUBLE, **RANGE}, "upscaled", 2)


def main():
    parser = argparse.ArgumentParser(description="Trains superres.onnx and writes what goes with it.")
    parser.add_argument("downloads", type=pathlib.Path, help="folder for the packages of pictures")
    parser.add_argument("--steps", type=int, default=24000, help="training steps; 0: do not train")
    arguments = parser.parse_args()

    fetch(arguments.downloads)
    write_photos(arguments.downloads)
    export_halve()
    export_bicubic()
    if arguments.steps:
        torch.manual_seed(SEED)
        torch.set_num_threads(1)
        torch.use_deterministic_algorithms(True)
        lows, fulls = training_patches(arguments.downloads)
        print(len(lows), "patches")
        layers = network()
        train(layers, lows, fulls, arguments.steps)
        export_superres(layers)


if __name__ == "__main__":
    main()
