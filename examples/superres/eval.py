#!/usr/bin/env python3
"""PSNR of bicubic.onnx and superres.onnx on photos/: each photograph is halved by
halve.onnx, rounded to 8 bit, doubled, rounded again; all pixels and channels count."""
import pathlib

import numpy as np
import onnxruntime
from PIL import Image

HERE = pathlib.Path(__file__).resolve().parent


def load(name):
    session = onnxruntime.InferenceSession(str(HERE / name), providers=["CPUExecutionProvider"])

    def run(picture):
        image = picture.transpose(2, 0, 1)[None].astype(np.float32) / 255
        return np.rint(session.run(None, {"image": image})[0][0] * 255).transpose(1, 2, 0)
    return run


def psnr(a, b):
    return 10 * np.log10(255**2 / np.mean((a.astype(float) - b) ** 2))


halve, bicubic, superres = load("halve.onnx"), load("bicubic.onnx"), load("superres.onnx")
rows = []
print("| photograph | bicubic | network | gain |\n|---|--:|--:|--:|")
for path in sorted((HERE / "photos").glob("*.png")):
    photo = np.array(Image.open(path).convert("RGB"))
    half = halve(photo)
    rows.append((path.stem, psnr(photo, bicubic(half)), psnr(photo, superres(half))))
rows.append(("mean", *np.mean([row[1:] for row in rows], axis=0)))
for name, before, after in rows:
    print(f"| {name} | {before:.2f} dB | {after:.2f} dB | {after - before:+.2f} dB |")
