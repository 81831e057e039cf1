"""ONNX's own test cases of convolutions through `convoy run --expect`: those of Debian's libonnx-testdata, of the
Python package onnx where it is installed, and of the folder ONNX_TESTDATA. Skips itself where none is there.

A model that also holds operators that convoy does not read is listed with the reason, and is no failure. Results in integers must be equal, others within 1e-4."""
import argparse
import collections
import glob
import importlib.metadata
import importlib.util
import os
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


def numbered(folder, kind):
  """input_0.pb, input_1.pb, ... in order."""
  return sorted(glob.glob(os.path.join(folder, kind + '_*.pb')),
                key=lambda path: int(os.path.splitext(path)[0].rsplit('_', 1)[1]))


def run_case(model, folder, environment):
  """(exit status, the command's last words) on one data set."""
  command = [CONVOY, 'run', model]
  for path in numbered(folder, 'input'):
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


def run_model(folder, environment):
  """None for a model without convolutions, else (operators, data sets run, failures)."""
  path = os.path.join(folder, 'model.onnx')
  if not os.path.exists(path):
    return None
  found = operators(read(path))
  if not CONVOLUTIONS & set(found):
    return None
  sets = sorted(glob.glob(os.path.join(folder, 'test_data_set_*')))
  failures = []
  for data in sets:
    status, words = run_case(path, data, environment)
    if status != 0:
      failures.append((status, '%s: %s' % (os.path.basename(data), words)))
  if not sets:
    failures.append((0, 'it has no data set'))
  return found, len(sets), failures


def report(label, folder, environment):
  """Runs a folder of cases and prints what came out. Returns (convolutions passed, cases failed)."""
  models = passed = failed = data_sets = 0
  each = collections.Counter()
  for name in sorted(os.listdir(folder)):
    result = run_model(os.path.join(folder, name), environment)
    if result is None:
      continue
    found, count, failures = result
    models += 1
    data_sets += count
    if not failures:
      passed += 1
      each.update(set(found) & CONVOLUTIONS)
      continue
    # what else a model holds may be beyond convoy; a convolution by itself may not
    beside = sorted(set(found) - CONVOLUTIONS)
    excused = beside and all('not supported' in words for _, words in failures)
    failed += not excused
    for _, words in failures:
      print('  %s %s (%s): %s' % ('not run:' if excused else 'FAILED:', name, ', '.join(sorted(found)), words))
  kinds = ', '.join('%d %s' % (count, kind) for kind, count in sorted(each.items()))
  print('%s: %d of %d models with convolutions pass, %d data sets (%s)' %
        (label, passed, models, data_sets, kinds or 'none'))
  return models, failed


def generate(folder):
  """Writes the package's node cases with convolutions: newer packages bring the code that makes them instead."""
  from onnx.backend.test import cmd_tools
  from onnx.backend.test.case import node
  with warnings.catch_warnings():
    warnings.simplefilter('ignore')
    everything = node.collect_testcases(None)
  cases = [case for case in everything
           if case.model is not None and CONVOLUTIONS & {inner.op_type for inner in case.model.graph.node}]
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
