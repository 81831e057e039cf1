"""Random convolutions, every algorithm that applies, against PyTorch in double: torch_conv.py DRIVER [COUNT].

Skips itself (77) without PyTorch or an OpenCL device. CVY_TEST_SEED repeats a run, CVY_TEST_DEVICE picks the
device."""
import os
import random
import struct
import subprocess
import sys
import time

try:
  import numpy
  import torch
  import torch.nn.functional as F
except ImportError as missing:
  print('skipped: %s (Debian: python3-torch)' % missing)
  sys.exit(77)

MODES = ['constant', 'reflect', 'replicate', 'circular']
KINDS = ['plain', 'grouped', 'depthwise', 'pointwise', 'pointwise grouped']
MOST_IN = {1: 60, 2: 16, 3: 8}
MOST_KERNEL = {1: 9, 2: 5, 3: 3}


class Problem:
  """One convolution: the fields of struct cvy_conv_problem."""

  def __init__(self, r):
    while not self.draw(r):
      pass

  def draw(self, r):
    self.rank = r.randint(1, 3)
    self.kind = r.choice(KINDS)
    self.n = r.randint(1, 3)
    self.large = r.random() < 0.1  # beyond one tile of a kernel
    self.draw_channels(r)
    self.transposed = r.random() < 0.4
    self.flip = r.random() < 0.25
    self.bias = r.random() < 0.5
    self.mode = 0 if self.transposed or r.random() < 0.4 else r.randint(1, 3)
    self.shuffle = r.choice([self.groups, self.groups, self.k, 1]) if r.random() < 0.35 else 0
    self.max_workspace = r.choice([0, 1 << 14])
    # the same in all axes half of the time: common layers, and algorithms that want squares
    axes = [self.draw_axis(r) for _ in range(self.rank)]
    self.axes = axes[:1] * self.rank if r.random() < 0.5 else axes
    return all(self.out(axis) > 0 for axis in self.axes)

  def draw_channels(self, r):
    self.groups = r.randint(2, 6) if 'grouped' in self.kind or self.kind == 'depthwise' else 1
    most = r.choice([3, 8, 20]) if self.groups == 1 else 4
    most *= 4 if self.large else 1
    self.c = self.groups * (1 if self.kind == 'depthwise' else r.randint(1, most))
    self.k = self.groups * r.randint(1, most)

  def draw_axis(self, r):
    size = r.randint(1, MOST_IN[self.rank] * (2 if self.large else 1))
    if 'pointwise' in self.kind:
      return {'in': size, 'kernel': 1, 'stride': 1, 'dilation': 1, 'begin': 0, 'end': 0, 'output': 0}
    kernel = r.choice([3, 3, r.randint(1, MOST_KERNEL[self.rank])])
    stride, dilation = r.choice([1, 1, 2, 3]), r.choice([1, 1, 2, 3])
    # PyTorch folds reflect and circular padding once
    most = min(3, {1: size - 1, 3: size}.get(self.mode, 3))
    begin = r.randint(0, most)
    end = begin if r.random() < 0.5 else r.randint(0, most)
    output = r.randint(0, max(stride, dilation) - 1) if self.transposed else 0
    return {'in': size, 'kernel': kernel, 'stride': stride, 'dilation': dilation, 'begin': begin, 'end': end,
            'output': output}

  def out(self, axis):
    window = axis['dilation'] * (axis['kernel'] - 1) + 1
    pads = axis['begin'] + axis['end']
    if self.transposed:
      return (axis['in'] - 1) * axis['stride'] + window + axis['output'] - pads
    return (axis['in'] + pads - window) // axis['stride'] + 1

  def all(self, name):
    return [axis[name] for axis in self.axes]

  def x_shape(self):
    return [self.n, self.c] + self.all('in')

  def w_shape(self):
    first, second = (self.c, self.k) if self.transposed else (self.k, self.c)
    return [first, second // self.groups] + self.all('kernel')

  def y_shape(self):
    return [self.n, self.k] + [self.out(axis) for axis in self.axes]

  def terms(self):
    """Products in one element of y, at most."""
    return self.c // self.groups * int(numpy.prod(self.all('kernel'))) + 1

  def header(self):
    numbers = [self.rank, self.n, self.c, self.k, self.groups, self.shuffle, self.mode, self.transposed,
               self.flip, self.bias, self.max_workspace]
    for axis in self.axes:
      numbers += [axis[name] for name in ('in', 'kernel', 'stride', 'dilation', 'begin', 'end', 'output')]
    return struct.pack('=%dq' % len(numbers), *numbers)

  def __str__(self):
    words = ['rank %d' % self.rank, self.kind, 'n%d c%d k%d g%d' % (self.n, self.c, self.k, self.groups)]
    words += [name for name in ('transposed', 'flip', 'bias') if getattr(self, name)]
    words += [MODES[self.mode], 'shuffle%d' % self.shuffle, 'workspace%d' % self.max_workspace]
    words += ['[in%(in)d k%(kernel)d s%(stride)d d%(dilation)d p%(begin)d:%(end)d o%(output)d]' % axis
              for axis in self.axes]
    return ' '.join(words)


def reference(p, x, w, bias):
  """What PyTorch makes of it."""
  if p.flip:
    w = torch.flip(w, list(range(2, w.dim())))
  convolutions = [F.conv1d, F.conv2d, F.conv3d]
  transposed = [F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d]
  stride, dilation, begin, end = (p.all(name) for name in ('stride', 'dilation', 'begin', 'end'))
  if p.transposed:
    even = begin == end
    y = transposed[p.rank - 1](x, w, bias, stride=stride, dilation=dilation, groups=p.groups,
                               padding=begin if even else 0, output_padding=p.all('output'))
    if not even:
      for i in range(p.rank):
        y = y.narrow(2 + i, begin[i], y.shape[2 + i] - begin[i] - end[i])
  else:
    amounts = [amount for axis in reversed(p.axes) for amount in (axis['begin'], axis['end'])]
    if any(amounts):
      x = F.pad(x, amounts, mode=MODES[p.mode])
    y = convolutions[p.rank - 1](x, w, bias, stride=stride, dilation=dilation, groups=p.groups)
  if p.shuffle > 1:
    split = y.reshape([p.n, p.shuffle, p.k // p.shuffle] + list(y.shape[2:]))
    y = split.transpose(1, 2).reshape(y.shape)
  return y.numpy()


class Driver:
  """The C program that knows convoy."""

  def __init__(self, path):
    device = [os.environ['CVY_TEST_DEVICE']] if os.environ.get('CVY_TEST_DEVICE') else []
    self.process = subprocess.Popen([path] + device, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

  def read(self, count):
    data = self.process.stdout.read(count)
    if len(data) != count:
      status = self.process.wait()
      if status == 77:
        print('skipped: no OpenCL device')
        sys.exit(77)
      sys.exit('the driver ended early with status %d' % status)
    return data

  def run(self, p, tensors):
    """[(algorithm, y)]"""
    try:
      self.process.stdin.write(p.header() + b''.join(tensor.tobytes() for tensor in tensors))
      self.process.stdin.flush()
    except BrokenPipeError:
      self.read(1)
    shape = list(struct.unpack('=%dq' % (p.rank + 2), self.read(8 * (p.rank + 2))))
    if shape != p.y_shape():
      sys.exit('%s: y is %s, expected %s' % (p, shape, p.y_shape()))
    results = []
    for _ in range(struct.unpack('=q', self.read(8))[0]):
      name = self.read(struct.unpack('=q', self.read(8))[0]).decode()
      data = self.read(4 * int(numpy.prod(shape)))
      results.append((name, numpy.frombuffer(data, numpy.float32).reshape(shape)))
    return results


class Tally:
  """How many problems each algorithm did, and the largest error over the bound."""

  def __init__(self):
    self.count, self.worst, self.features = {}, {}, {}

  def add(self, p, results):
    for name, worst in results:
      self.count[name] = self.count.get(name, 0) + 1
      self.worst[name] = max(self.worst.get(name, 0), worst)
    features = ['rank %d' % p.rank, p.kind, 'transposed' if p.transposed else MODES[p.mode] + ' padding']
    features += ['flip'] * p.flip + ['bias'] * p.bias + ['shuffle'] * (p.shuffle > 1)
    features += ['dilated'] * any(d > 1 for d in p.all('dilation'))
    features += ['strided'] * any(s > 1 for s in p.all('stride'))
    features += ['uneven padding'] * (p.all('begin') != p.all('end'))
    for feature in features:
      self.features[feature] = self.features.get(feature, 0) + 1

  def show(self, problems):
    for name in self.count:
      print('%-10s %4d of %d problems, largest error %.3f of the bound' %
            (name, self.count[name], problems, self.worst[name]))
    print(', '.join('%s %d' % item for item in sorted(self.features.items())))


def winograd_bound(p, x, w):
  """What include/convoy/conv.h allows Winograd's algorithm, with 6 points on every axis that it transforms."""
  kernel = p.all('kernel')
  depth = kernel[0] if p.rank > 2 else 1
  amplification = numpy.prod([29.4 if taps > 1 else 1 for taps in kernel[-2:]])
  weights = numpy.abs(w.astype(numpy.float64)).sum(axis=tuple(range(1, w.ndim))).max()
  return amplification * (depth * p.c // p.groups + 32) * 6e-8 * numpy.abs(x).max() * weights


def compare(p, tensors, results):
  """[(algorithm, largest error over the rounding bound)]"""
  doubles = [torch.from_numpy(tensor).double() for tensor in tensors]
  bias = doubles[2] if p.bias else None
  expected = reference(p, doubles[0], doubles[1], bias)
  # the same convolution of absolute values: what rounding errors are in proportion to
  scale = reference(p, doubles[0].abs(), doubles[1].abs(), bias.abs() if p.bias else None)
  checked = []
  rounding = (p.terms() + 3) * 6e-8 * scale + 1e-30
  for name, y in results:
    bound = rounding + (winograd_bound(p, tensors[0], tensors[1]) if name == 'winograd' else 0)
    error = numpy.abs(y - expected) / bound
    if not numpy.all(error <= 1):
      at = tuple(numpy.argwhere(~(error <= 1))[0])
      sys.exit('%s: %s: y%s is %.9g, PyTorch has %.9g, bound %.3g; %d of %d elements differ' %
               (name, p, [int(i) for i in at], y[at], expected[at], bound[at], (~(error <= 1)).sum(), y.size))
    checked.append((name, float(error.max())))
  return checked


def main():
  count = int(sys.argv[2]) if len(sys.argv) > 2 else 1000
  seed = int(os.environ.get('CVY_TEST_SEED', random.SystemRandom().randrange(1 << 32)))
  print('CVY_TEST_SEED=%d, PyTorch %s' % (seed, torch.__version__), flush=True)
  torch.set_num_threads(1)
  r, numbers = random.Random(seed), numpy.random.RandomState(seed % (1 << 32))
  driver, tally, start = Driver(sys.argv[1]), Tally(), time.monotonic()
  for _ in range(count):
    p = Problem(r)
    shapes = [p.x_shape(), p.w_shape()] + ([[p.k]] if p.bias else [])
    tensors = [numbers.uniform(-1, 1, shape).astype(numpy.float32) for shape in shapes]
    results = driver.run(p, tensors)
    if not results:
      sys.exit('%s: no algorithm applies' % p)
    tally.add(p, compare(p, tensors, results))
  tally.show(count)
  print('%d problems agree, %.0f s' % (count, time.monotonic() - start))
  driver.process.stdin.close()
  sys.exit(driver.process.wait())


if __name__ == '__main__':
  main()
