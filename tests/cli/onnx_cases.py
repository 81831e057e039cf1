"""ONNX's own test cases through `convoy run --expect`: those of Debian's libonnx-testdata, of the
Python package onnx where it is installed, and of the folder ONNX_TESTDATA. Skips itself where none is there.

Cases are those of the operators that convoy reads, and PyTorch's models with convolutions. One that is refused is
listed with the reason, and is no failure unless a convolution stands in it alone. Results in integers must be
equal, others within 1e-4."""
import argparse
import collections
import glob
import importlib.metadata
import importlib.util
import os
import re
import subprocess
import sys
import tempfile
import warnings

CONVOY = os.environ['CVY_TEST_CONVOY']
DEBIAN = '/usr/share/libonnx-testdata/data'
FOLDERS = ('node', 'pytorch-converted', 'pytorch-operator')
CONVOLUTIONS = {'Conv', 'ConvTranspose', 'ConvInteger', 'QLinearConv'}
FLOATS = {1, 10, 11, 16}  # TensorProto.DataType: float, float16, double, bfloat16
HALVES = {10, 16}
# not run: Debian's bfloat16 are the bits as integers; docs/onnx.md says where align_corners goes by another size
LEFT_OUT = {'test_cast_FLOAT_to_BFLOAT16', 'test_castlike_FLOAT_to_BFLOAT16_expanded',
            'test_resize_downsample_scales_cubic_align_corners',
            'test_resize_downsample_scales_linear_align_corners'}
DOCS = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..', 'docs', 'onnx.md')
# words of refusals that docs/onnx.md speaks of
REFUSALS = ('not supported', 'networks take', 'it computes in float32', 'so convert it', 'has no elements',
            'every dimension must be at least 1', 'where numbers to compute with', 'it must be float32',
            'must be a constant', 'must be constants', 'as ONNX has it', 'does not exist in this opset',
            'and later are read', 'only training needs', 'its elements are string', 'is no tensor',
            'the file is damaged')


def read_operators():
  """Those of the table of docs/onnx.md."""
  found = set()
  with open(DOCS, encoding='utf-8') as file:
    for line in file:
      row = re.match(r'\| ([A-Z][A-Za-z0-9, ]*) \| \S', line)
      if row:
        found.update(name.strip() for name in row.group(1).split(','))
  return found


def varint(data, at):
  value = shift = 0
  while True:
    byte = data[at]
    at += 1
    value |= (byte & 127) << shift
    shift += 7
    if byte < 128:
      return value, at


def fields(data):
  """The fields of one protobuf message: (number, value), bytes for everything but varints."""
  at = 0
  while at < len(data):
    key, at = varint(data, at)
    kind = key & 7
    if kind == 0:
      value, at = varint(data, at)
    else:
      size = {1: 8, 5: 4}.get(kind)
      if kind == 2:
        size, at = varint(data, at)
      value, at = data[at:at + size], at + size
    yield key >> 3, value


def read(path):
  with open(path, 'rb') as file:
    return file.read()


def operators(model):
  """How often the graph holds each operator."""
  counts = collections.Counter()
  for number, graph in fields(model):
    if number == 7:
      for inner, node in fields(graph):
        if inner == 1:
          counts.update(value.decode() for field, value in fields(node) if field == 4)
  return counts


def element_type(tensor):
  return next((value for number, value in fields(tensor) if number == 2), 0)


def written(number, value):
  """A field of a message, the other way round."""
  def number_of(n):
    out = b''
    while n > 127:
      out, n = out + bytes([n & 127 | 128]), n >> 7
    return out + bytes([n])
  if isinstance(value, int):
    return number_of(number << 3) + number_of(value)
  return number_of(number << 3 | 2) + number_of(len(value)) + value


def with_constants(model, folder, which):
  """The model with the inputs of a data set that `which` chooses by element type as constants; and the files of
  the others."""
  graph = next(value for number, value in fields(model) if number == 7)
  infos = [value for number, value in fields(graph) if number == 11]
  files = numbered(folder, 'input')
  kept, constants, left = b'', b'', []
  for info, path in zip(infos, files):
    tensor = read(path)
    if which(element_type(tensor)):
      name = next(value for number, value in fields(info) if number == 1)
      plain = b''.join(written(*field) for field in fields(tensor) if field[0] != 8)
      constants += written(5, plain + written(8, name))
    else:
      kept += written(11, info)
      left.append(path)
  rest = b''.join(written(*field) for field in fields(graph) if field[0] != 11)
  made = b''.join(written(*field) for field in fields(model) if field[0] != 7)
  return made + written(7, rest + kept + constants), left


def numbered(folder, kind):
  """input_0.pb, input_1.pb, ... in order."""
  return sorted(glob.glob(os.path.join(folder, kind + '_*.pb')),
                key=lambda path: int(os.path.splitext(path)[0].rsplit('_', 1)[1]))


def run_case(model, folder, inputs, environment):
  """(exit status, the command's last words) on one data set."""
  command = [CONVOY, 'run', model]
  for path in inputs:
    command += ['-i', '=' + path]
  types = set()
  for path in numbered(folder, 'output'):
    command += ['--expect', '=' + path]
    types.add(element_type(read(path)))
  tolerance = '1e-2' if types & HALVES else '1e-4' if types & FLOATS else '0'
  done = subprocess.run(command + ['--tolerance', tolerance], env=environment, stdout=subprocess.PIPE,
                        stderr=subprocess.PIPE, timeout=300, check=False)
  words = done.stderr.decode() + done.stdout.decode()
  errors = [line for line in words.splitlines() if line.startswith('convoy: ') or 'beyond' in line]
  return done.returncode, (errors[-1] if errors else words[-300:]).replace('convoy: %s: ' % model, '')


def is_float(kind):
  return kind in FLOATS


def run_model(folder, environment):
  """None for a model that is no concern of convoy's, else (operators, runs, failures). An operator by itself is
  run as it is, with integers as constants, and with constants alone: that is the host's work."""
  path = os.path.join(folder, 'model.onnx')
  if not os.path.exists(path):
    return None
  model = read(path)
  found = operators(model)
  single = len(found) == 1 and set(found) <= READ
  if not single and not CONVOLUTIONS & set(found):
    return None
  failures = []
  runs = 0
  for data in sorted(glob.glob(os.path.join(folder, 'test_data_set_*'))):
    variants = [(model, numbered(data, 'input'))]
    if single:
      variants = [with_constants(model, data, lambda kind: not is_float(kind)),
                  with_constants(model, data, lambda kind: True)]
    if len(variants) == 2 and variants[0][0] == variants[1][0]:
      variants.pop()
    for changed, inputs in variants:
      with tempfile.NamedTemporaryFile(suffix='.onnx') as file:
        file.write(changed)
        file.flush()
        status, words = run_case(file.name, data, inputs, environment)
      runs += 1
      if status != 0:
        failures.append((status, '%s, %d inputs: %s' % (os.path.basename(data), len(inputs), words)))
  if runs == 0:
    failures.append((0, 'a data set that it can be run on is not supported'))
  return found, runs, failures


def report(label, folder, environment):
  """Runs a folder of cases and prints what came out. Returns (models, cases failed)."""
  models = passed = failed = runs = 0
  each = collections.Counter()
  for name in sorted(os.listdir(folder)):
    result = run_model(os.path.join(folder, name), environment) if name not in LEFT_OUT else None
    if result is None:
      continue
    found, count, failures = result
    models += 1
    runs += count
    if not failures:
      passed += 1
      each.update(set(found))
      continue
    # what else a model holds may be beyond convoy; a convolution by itself may not
    beside = sorted(set(found) - CONVOLUTIONS)
    excused = beside and all(any(refusal in words for refusal in REFUSALS) for _, words in failures)
    failed += not excused
    for _, words in failures:
      print('  %s %s (%s): %s' % ('not run:' if excused else 'FAILED:', name, ', '.join(sorted(found)), words))
  kinds = ', '.join('%d %s' % (count, kind) for kind, count in sorted(each.items()))
  print('%s: %d of %d models pass, in %d runs (%s)' % (label, passed, models, runs, kinds or 'none'))
  return models, failed


def generate(folder):
  """Writes the package's node cases: newer packages bring the code that makes them instead."""
  from onnx.backend.test import cmd_tools
  from onnx.backend.test.case import node
  with warnings.catch_warnings():
    warnings.simplefilter('ignore')
    everything = node.collect_testcases(None)
  cases = [case for case in everything
           if case.model is not None and READ & {inner.op_type for inner in case.model.graph.node}]
  cmd_tools.model_test.collect_testcases = lambda: cases
  cmd_tools.generate_data(argparse.Namespace(output=folder))


def package():
  """Version and folder of the onnx package, or None. A folder of that name, as Debian has, is no package."""
  try:
    version = importlib.metadata.version('onnx')
  except importlib.metadata.PackageNotFoundError:
    return None
  spec = importlib.util.find_spec('onnx')
  return (version, spec.submodule_search_locations[0]) if spec and spec.submodule_search_locations else None


def places(scratch):
  """Folders of cases, with a name for each. scratch: where cases may be made."""
  roots = [('Debian', DEBIAN)]
  found = package()
  if found is not None:
    data = os.path.join(found[1], 'backend', 'test', 'data')
    label = 'onnx ' + found[0]
    roots.append((label, data))
    if os.path.isdir(data) and not os.path.isdir(os.path.join(data, 'node')):
      generate(scratch)
      roots.append((label, scratch))
  if os.environ.get('ONNX_TESTDATA'):
    roots.append((os.environ['ONNX_TESTDATA'], os.environ['ONNX_TESTDATA']))
  for label, root in roots:
    for folder in FOLDERS:
      path = os.path.join(root, folder)
      if os.path.isdir(path):
        yield '%s %s' % (label, folder), path


READ = read_operators()


def main():
  if os.environ['CVY_TEST_ONNX'] != '1':
    print('this build has no ONNX')
    return 77
  models = failed = 0
  with tempfile.TemporaryDirectory(prefix='convoy-cases-') as scratch:
    environment = dict(os.environ, XDG_CACHE_HOME=os.path.join(scratch, 'cache'))
    for label, folder in places(os.path.join(scratch, 'data')):
      found, wrong = report(label, folder, environment)
      models += found
      failed += wrong
  if models == 0:
    print('no cases here; install libonnx-testdata, or set ONNX_TESTDATA to the data of ONNX\'s backend tests')
    return 77
  return 1 if failed else 0


if __name__ == '__main__':
  sys.exit(main())
