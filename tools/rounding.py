"""Measures how algorithms round: rounding.py [CONVOY] [--channels C,...] [--seed N].

3x3 convolutions of normal numbers, by 'convoy conv --algo NAME', against sums in double. Prints the root mean square
of the error relative to that of y. CONVOY is the command (default: build/tools/convoy). Needs numpy.
"""
import argparse
import pathlib
import subprocess
import tempfile
import time

import numpy

SIDE = 28
ALGORITHMS = ('winograd', 'direct', 'ref')


def sums_in_double(x, w):
  padded = numpy.pad(x.astype(numpy.float64), ((0, 0), (0, 0), (1, 1), (1, 1)))
  y = numpy.zeros((1, w.shape[0], SIDE, SIDE))
  for r in range(3):
    for s in range(3):
      y += numpy.einsum('kc,nchw->nkhw', w[:, :, r, s].astype(numpy.float64),
                        padded[:, :, r:r + SIDE, s:s + SIDE], optimize=True)
  return y


def rounding_of(convoy, algorithm, folder, expected):
  y = folder / 'y.npy'
  y.unlink(missing_ok=True)
  subprocess.run([convoy, 'conv', folder / 'x.npy', folder / 'w.npy', '--pad', '1', '--algo', algorithm, '-o', y],
                 check=True, stdout=subprocess.DEVNULL)
  error = numpy.load(y).astype(numpy.float64) - expected
  return numpy.sqrt(numpy.mean(error**2) / numpy.mean(expected**2))


def main():
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument('convoy', nargs='?', default='build/tools/convoy')
  parser.add_argument('--channels', default='16,64,256,512')
  parser.add_argument('--seed', type=int, default=int(time.time()))
  options = parser.parse_args()
  random = numpy.random.default_rng(options.seed)
  print('seed', options.seed)
  print('| channels |', ' | '.join(ALGORITHMS), '|')
  print('| --- |' + ' --- |' * len(ALGORITHMS))
  with tempfile.TemporaryDirectory() as name:
    folder = pathlib.Path(name)
    for channels in map(int, options.channels.split(',')):
      x = random.standard_normal((1, channels, SIDE, SIDE)).astype(numpy.float32)
      w = random.standard_normal((channels, channels, 3, 3)).astype(numpy.float32)
      numpy.save(folder / 'x.npy', x)
      numpy.save(folder / 'w.npy', w)
      expected = sums_in_double(x, w)
      found = [rounding_of(options.convoy, algorithm, folder, expected) for algorithm in ALGORITHMS]
      print(f'| {channels} |', ' | '.join(f'{each:.1e}' for each in found), '|')


if __name__ == '__main__':
  main()
