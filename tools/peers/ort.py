"""Races convoy against ONNX Runtime: ort.py PEER_SCRIPT.so [OPTION...] LIST..., options as of the other races.

Needs the packages onnx, onnxruntime and numpy. One model with one Conv or ConvTranspose for each problem; x and y are
plain, so --plain is implied. What Python adds to an execution, some microseconds, counts as ONNX Runtime's.
"""
import ctypes
import sys

import numpy
import onnx
import onnxruntime
from onnx import helper

FLOATS = ctypes.POINTER(ctypes.c_float)


class Script(ctypes.Structure):
  """struct cvy_peer_script of script.c."""
  CREATE = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_int64), FLOATS, FLOATS,
                            ctypes.POINTER(ctypes.c_char), ctypes.c_size_t)
  RUN = ctypes.CFUNCTYPE(ctypes.c_int)
  READ = ctypes.CFUNCTYPE(ctypes.c_int, FLOATS)
  DESTROY = ctypes.CFUNCTYPE(None)
  _fields_ = [('name', ctypes.c_char_p), ('algorithm', ctypes.c_char_p), ('create', CREATE), ('run', RUN),
              ('read', READ), ('destroy', DESTROY)]


def array(pointer, shape):
  return numpy.ctypeslib.as_array(pointer, tuple(shape))


def make_model(x_shape, w, y_shape, groups, transposed, axes):
  kernel, stride, dilation, begin, end, extra = axes[1:7]
  attributes = {'group': groups, 'kernel_shape': kernel, 'strides': stride, 'dilations': dilation,
                'pads': begin + end}
  if transposed:
    attributes['output_padding'] = extra
  node = helper.make_node('ConvTranspose' if transposed else 'Conv', ['x', 'w'], ['y'], **attributes)
  floats = onnx.TensorProto.FLOAT
  graph = helper.make_graph([node], 'g', [helper.make_tensor_value_info('x', floats, x_shape)],
                            [helper.make_tensor_value_info('y', floats, y_shape)],
                            [onnx.numpy_helper.from_array(w, 'w')])
  return helper.make_model(graph, opset_imports=[helper.make_opsetid('', 13)], ir_version=8)


class Convolution:
  """One session whose x and y stay where they are."""

  def __init__(self, numbers, x, w):
    threads, rank, n, c, k, groups, transposed = numbers[:7]
    axes = [[numbers[7 + 8 * i + field] for i in range(rank)] for field in range(8)]
    x_shape, y_shape = [n, c] + axes[0], [n, k] + axes[7]
    w_shape = ([c, k // groups] if transposed else [k, c // groups]) + axes[1]
    model = make_model(x_shape, array(w, w_shape), y_shape, groups, transposed, axes)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    self.session = onnxruntime.InferenceSession(model.SerializeToString(), options,
                                                providers=['CPUExecutionProvider'])
    self.x = onnxruntime.OrtValue.ortvalue_from_numpy(array(x, x_shape).copy())
    self.y = onnxruntime.OrtValue.ortvalue_from_numpy(numpy.full(y_shape, numpy.nan, numpy.float32))
    self.binding = self.session.io_binding()
    self.binding.bind_ortvalue_input('x', self.x)
    self.binding.bind_ortvalue_output('y', self.y)


def main():
  if len(sys.argv) < 2:
    sys.exit(__doc__)
  current = []

  def create(numbers, x, w, why, size):
    rank = numbers[1]
    try:
      current[:] = [Convolution(list(numbers[:7 + 8 * rank]), x, w)]
    except Exception as problem:  # pylint: disable=broad-except
      text = str(problem).encode()[:size - 1] + b'\0'
      ctypes.memmove(why, text, len(text))
      return 0
    return 1

  def run():
    current[0].session.run_with_iobinding(current[0].binding)
    return 1

  def read(y):
    values = current[0].y.numpy()
    ctypes.memmove(y, values.ctypes.data, values.nbytes)
    return 1

  script = Script(b'ONNX Runtime', ('ort %s' % onnxruntime.__version__).encode(), Script.CREATE(create),
                  Script.RUN(run), Script.READ(read), Script.DESTROY(current.clear))
  arguments = [b'peer-ort', b'--plain'] + [argument.encode() for argument in sys.argv[2:]]
  library = ctypes.CDLL(sys.argv[1])
  return library.cvy_peer_script_main(len(arguments), (ctypes.c_char_p * (len(arguments) + 1))(*arguments),
                                      ctypes.byref(script))


if __name__ == '__main__':
  sys.exit(main())
