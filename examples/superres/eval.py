#!/usr/bin/env python3
"""Prints the PSNR of superres.onnx and of bicubic over photos/, run by ONNX Runtime.

Each photograph is halved by halve.onnx and stored as 8 bit, then doubled; the PSNR is
over all pixels and the three channels, outputs rounded to 8 bit.
"""
import pathlib

import numpy as np
import onnxruntime
from PIL import Image

HERE = pathlib.Path(__file__).resolve().parent


def network(name):
    session = onnxruntime.InferenceSession(HERE / name, providers=["CPUExecutionProvider"])

    def run(pixels):
        image = pixels.transpose(2, 0, 1)[None].astype(np.float32) / 255
        output = session.run(None, {"image": image})[0][0]
        return np.rint(output * 255).astype(np.uint8).transpose(1, 2, 0)
    return run


def psnr(a, b):
    return 10 * np.log10(255 ** 2 / np.mean((a.astype(float) - b) ** 2))


halve, bicubic, superres = map(network, ("halve.onnx", "bicubic.onnx", "superres.onnx"))
rows = []
print("photograph       size  bicubic  superres   gain")
for path in sorted((HERE / "photos").iterdir()):
    photo = np.array(Image.open(path).convert("RGB"))
    half = halve(photo)
    rows.append([psnr(photo, bicubic(half)), psnr(photo, superres(half))])
    size = "{1}x{0}".format(*photo.shape)
    print(f"{path.stem:12s} {size:>8s} {rows[-1][0]:8.2f} {rows[-1][1]:9.2f} {rows[-1][1] - rows[-1][0]:6.2f}")
mean = np.mean(rows, axis=0)
print(f"{'mean':21s} {mean[0]:8.2f} {mean[1]:9.2f} {mean[1] - mean[0]:6.2f}")
