"""Every bad input gets its message and its exit status, and leaves no file behind."""
import json
import os
import unittest

import support
from support import field, ints, model, node, npy, png, tensor, tensor_int64, value_info


class BadConv(support.CommandTest):

  def setUp(self):
    super().setUp()
    self.random_npy('x.npy', [1, 4, 5, 5])
    self.random_npy('w.npy', [6, 4, 3, 3])

  def refuse_conv(self, status, words, *args):
    return self.refuse(status, words, 'conv', *args)

  def test_missing_file(self):
    self.refuse_conv(1, ['gone.npy', 'no such file'], 'gone.npy', 'w.npy', '-o', 'y.npy')
    self.refuse_conv(1, ['gone.npy'], 'x.npy', 'w.npy', '-o', 'y.npy', '--expect', 'gone.npy')

  def test_unknown_kind_of_file(self):
    self.refuse_conv(1, ['x.txt', '.npy'], 'x.txt', 'w.npy', '-o', 'y.npy')
    self.refuse_conv(1, ['y.tiff', '.npy'], 'x.npy', 'w.npy', '-o', 'y.tiff')

  def test_truncated_npy(self):
    whole = npy([1, 4, 5, 5], [0.0] * 100)
    for size in (0, 5, 9, 40, len(whole) - 1):
      self.write('cut.npy', whole[:size])
      self.refuse_conv(1, ['cut.npy'], 'cut.npy', 'w.npy', '-o', 'y.npy')

  def test_wrong_rank(self):
    self.random_npy('flat.npy', [4, 5])
    self.refuse_conv(1, ['flat.npy', 'rank 2', '4x5'], 'flat.npy', 'w.npy', '-o', 'y.npy')
    self.refuse_conv(1, ['flat.npy', 'rank 2', 'rank 4'], 'x.npy', 'flat.npy', '-o', 'y.npy')

  def test_channels_do_not_divide_by_groups(self):
    self.refuse_conv(1, ['4', 'groups', '3'], 'x.npy', 'w.npy', '-o', 'y.npy', '--groups', '3')

  def test_weights_do_not_fit_channels(self):
    self.refuse_conv(1, ['w.npy', '6x4x3x3', '6x2x3x3'], 'x.npy', 'w.npy', '-o', 'y.npy', '--groups', '2')

  def test_kernel_larger_than_padded_input(self):
    self.random_npy('big.npy', [6, 4, 9, 3])
    self.refuse_conv(1, ['9', '7'], 'x.npy', 'big.npy', '-o', 'y.npy', '--pad', '1')

  def test_zero_stride_dilation_and_groups(self):
    self.refuse_conv(1, ['stride'], 'x.npy', 'w.npy', '-o', 'y.npy', '--stride', '0')
    self.refuse_conv(1, ['dilation'], 'x.npy', 'w.npy', '-o', 'y.npy', '--dilation', '1,0')
    self.refuse_conv(1, ['groups'], 'x.npy', 'w.npy', '-o', 'y.npy', '--groups', '0')

  def test_lists_that_are_wrong(self):
    self.refuse_conv(2, ['--stride 2,1,1: 3 values, but the problem has 2 axes'], 'x.npy', 'w.npy', '-o',
                     'y.npy', '--stride', '2,1,1')
    for bad in ('', '-1', '+1', ' 1', '1,', ',1', '1,,1', '1x', '0x2', '1.5', '99999999999999999999'):
      self.refuse_conv(2, ['--stride', 'whole number'], 'x.npy', 'w.npy', '-o', 'y.npy', '--stride', bad)
    self.refuse_conv(2, ['--pad'], 'x.npy', 'w.npy', '-o', 'y.npy', '--pad', '1:')
    self.refuse_conv(2, ['--pad'], 'x.npy', 'w.npy', '-o', 'y.npy', '--pad', '1:1:1')
    self.refuse_conv(2, ['--groups'], 'x.npy', 'w.npy', '-o', 'y.npy', '--groups', '-1')
    self.refuse_conv(2, ['--tolerance'], 'x.npy', 'w.npy', '-o', 'y.npy', '--tolerance', 'nan')
    self.refuse_conv(2, ['--store-time'], 'x.npy', 'w.npy', '-o', 'y.npy', '--store-time', '0')
    self.refuse_conv(2, ['--store-size'], 'x.npy', 'w.npy', '-o', 'y.npy', '--store-size', '0')

  def test_padding_mode_and_shuffle_that_are_wrong(self):
    self.refuse_conv(2, ['--pad-mode mirror', 'reflect'], 'x.npy', 'w.npy', '-o', 'y.npy', '--pad-mode', 'mirror')
    self.refuse_conv(1, ['circular', 'transposed'], 'x.npy', 'w.npy', '-o', 'y.npy', '--transposed', '--pad-mode',
                     'circular')
    self.refuse_conv(1, ['shuffle', 'left over'], 'x.npy', 'w.npy', '-o', 'y.npy', '--shuffle', '97')

  def test_enormous_parameters(self):
    huge = '18446744073709551615'
    for option in ('--stride', '--dilation', '--pad', '--groups'):
      status, _, err = self.convoy('conv', 'x.npy', 'w.npy', '-o', 'y.npy', option, huge)
      self.assertIn(status, (0, 1) if option == '--stride' else (1,), option + err)

  def test_bias_of_the_wrong_size(self):
    self.random_npy('b.npy', [5])
    self.refuse_conv(1, ['b.npy', '6 channels'], 'x.npy', 'w.npy', '-o', 'y.npy', '--bias', 'b.npy')

  def test_output_that_cannot_be_written(self):
    err = self.refuse_conv(1, ['nowhere/y.npy', 'cannot be written'], 'x.npy', 'w.npy', '-o', 'nowhere/y.npy')
    self.assertEqual(len(err.splitlines()), 1)
    os.mkdir(self.path('folder.npy'))
    self.refuse_conv(1, ['folder.npy', 'not a plain file'], 'x.npy', 'w.npy', '-o', 'folder.npy')

  def test_failure_keeps_the_old_output(self):
    self.write('y.npy', b'old')
    self.refuse_conv(1, ['stride'], 'x.npy', 'w.npy', '-o', 'y.npy', '--stride', '0')
    with open(self.path('y.npy'), 'rb') as file:
      self.assertEqual(file.read(), b'old')

  def test_picture_of_four_channels(self):
    self.refuse_conv(1, ['y.png', '1x6x3x3'], 'x.npy', 'w.npy', '-o', 'y.png')

  def test_selector_that_matches_nothing(self):
    self.refuse_conv(1, ['no-such-device'], 'x.npy', 'w.npy', '-o', 'y.npy', '--device', 'no-such-device')
    self.refuse_conv(1, ['7:7'], 'x.npy', 'w.npy', '-o', 'y.npy', '--device', '7:7')

  def test_unknown_algorithm_lists_those_known(self):
    self.refuse_conv(1, ['no-such-algo'], 'x.npy', 'w.npy', '-o', 'y.npy', '--algo', 'no-such-algo')

  def test_output_larger_than_the_device_allows(self):
    limit = {'POCL_MEMORY_LIMIT': '1'}  # GiB; PoCL would else offer more than indices of 32 bits reach
    platforms = json.loads(self.succeed('devices', '--json', **limit))['platforms']
    largest = max(device['max_alloc_bytes'] for platform in platforms for device in platform['devices'])
    if largest >= 4 << 30:
      self.skipTest('the device allows more than a tensor may have')
    self.write('x.npy', npy([1, 1, 1, 1], [1.0]))
    self.write('w.npy', npy([1, 1, 1, 1], [1.0]))
    side = int((largest / 4 * 1.5) ** 0.5)  # one and a half times what one allocation may have
    self.refuse(1, [str(largest), 'bytes'], 'conv', 'x.npy', 'w.npy', '-o', 'y.npy', '--pad',
                '%d:%d' % (side // 2, side // 2), **limit)

  def test_expected_file_of_another_shape(self):
    self.refuse_conv(1, ['x.npy', '1x4x5x5', '1x6x3x3'], 'x.npy', 'w.npy', '-o', 'y.npy', '--expect', 'x.npy')


@unittest.skipUnless(support.HAVE_ONNX, 'built without ONNX')
class BadRun(support.CommandTest):

  def setUp(self):
    super().setUp()
    self.random_npy('x.npy', [1, 2, 4, 4])

  def one_node(self, item, tensors=(), opset=13, dims=('n', 'c', 'h', 'w')):
    self.write('m.onnx', model([item], [value_info('x', dims)], [value_info('y', ['a', 'b', 'c', 'd'])],
                               tensors, opset))

  def refuse_run(self, words, *args, status=1):
    return self.refuse(status, words, 'run', *(args or ('m.onnx', '-i', 'x.npy', '-o', 'y.npy')))

  def test_missing_model(self):
    self.refuse_run(['gone.onnx'], 'gone.onnx', '-i', 'x.npy', '-o', 'y.npy')

  def test_truncated_model(self):
    self.one_node(node('Conv', ['x', 'w'], ['y']), [tensor('w', [3, 2, 3, 3], [0.5] * 54)])
    with open(self.path('m.onnx'), 'rb') as file:
      whole = file.read()
    for size in (0, 1, 10, len(whole) // 2, len(whole) - 1):
      self.write('m.onnx', whole[:size])
      self.refuse_run(['m.onnx'])

  def test_unknown_operator_is_named(self):
    self.one_node(node('Frobnicate', ['x'], ['y'], name='here'), opset=13)
    self.refuse_run(['Frobnicate', 'here', '13'])

  def test_nan_where_a_shape_is_computed(self):
    nan = float('nan')
    self.one_node(node('Resize', ['x', '', 'scales'], ['y'], name='grow'),
                  [tensor('scales', [4], [1.0, 1.0, nan, 2.0])])
    self.refuse_run(['grow'])
    self.one_node(node('Reshape', ['x', 'shape'], ['y'], name='bend'), [tensor('shape', [2], [nan, nan])])
    self.refuse_run(['bend'])

  def test_wrong_rank_and_channels(self):
    self.one_node(node('Conv', ['x', 'w'], ['y'], name='c1'), [tensor('w', [3, 2, 3, 3], [0.5] * 54)], dims=())
    self.one_node(node('Conv', ['x', 'w'], ['y'], name='c1'), [tensor('w', [3, 2, 3, 3], [0.5] * 54)])
    self.random_npy('x.npy', [2, 4])
    self.refuse_run([])
    self.random_npy('x.npy', [1, 5, 4, 4])
    self.refuse_run(['c1'])

  def test_kernel_larger_than_padded_input_names_the_node(self):
    self.one_node(node('Conv', ['x', 'w'], ['y'], name='c1'), [tensor('w', [1, 2, 9, 9], [0.5] * 162)])
    self.refuse_run(['c1', '9'])

  def test_zero_stride_names_the_node(self):
    self.one_node(node('Conv', ['x', 'w'], ['y'], [ints('strides', [0, 1])], name='c1'),
                  [tensor('w', [3, 2, 3, 3], [0.5] * 54)])
    self.refuse_run(['c1', 'stride'])

  def test_reshape_to_an_impossible_size(self):
    self.one_node(node('Reshape', ['x', 'shape'], ['y'], name='bend'), [tensor_int64('shape', [2], [7, 7])])
    self.refuse_run(['bend'])

  def test_names_that_do_not_exist(self):
    self.one_node(node('Relu', ['x'], ['y']))
    self.refuse_run(["'z'", 'model has x'], 'm.onnx', '-i', 'z=x.npy')
    self.refuse_run(["'z'", 'model has y'], 'm.onnx', '-i', 'x.npy', '-o', 'z=y.npy')
    self.refuse_run(['too many'], 'm.onnx', '-i', 'x.npy', '-i', 'x.npy')
    self.refuse_run(['no file', ': x'], 'm.onnx', '-o', 'y.npy')
    self.refuse_run(['given twice'], 'm.onnx', '-i', 'x.npy', '-o', 'y.npy', '-o', 'y.npy', status=2)

  def test_output_that_cannot_be_written(self):
    self.one_node(node('Relu', ['x'], ['y']))
    self.refuse_run(['nowhere/y.npy', 'cannot be written'], 'm.onnx', '-i', 'x.npy', '-o', 'nowhere/y.npy')

  def test_picture_options_that_are_wrong(self):
    self.one_node(node('Relu', ['x'], ['y']))
    for option, bad in (('--size', '3'), ('--size', '3x'), ('--size', '0x3'), ('--size', '-1x3'), ('--mean', '1,2'),
                        ('--mean', 'a'), ('--std', '0'), ('--std', '1,1,inf'), ('--mean', '1,2,3,4')):
      self.refuse_run([option], 'm.onnx', '-i', 'x.npy', option, bad, status=2)

  def test_output_that_is_no_picture(self):
    self.one_node(node('Relu', ['x'], ['y']))
    self.refuse_run(['y.png', '1x2x4x4'], 'm.onnx', '-i', 'x.npy', '-o', 'y.png')

  @unittest.skipUnless(support.HAVE_IMAGES, 'built without images')
  def test_damaged_pictures(self):
    self.one_node(node('Relu', ['x'], ['y']))
    whole = png(8, 8, 2, 8, [bytes(range(24))] * 8)
    for size in (0, 4, 30, len(whole) - 20):
      self.write('cut.png', whole[:size])
      self.refuse_run(['cut.png'], 'm.onnx', '-i', 'cut.png', '-o', 'y.npy')
    self.write('huge.png', b'\x89PNG\r\n\x1a\n' + support.chunk(
        b'IHDR', b'\x00\x0f\x00\x00\x00\x0f\x00\x00\x08\x02\x00\x00\x00') + support.chunk(b'IDAT', b''))
    self.refuse_run(['huge.png'], 'm.onnx', '-i', 'huge.png', '-o', 'y.npy')
    self.succeed('run', 'm.onnx', '-i', self.write('p.png', whole), '-o', 'p.jpg')
    with open(self.path('p.jpg'), 'rb') as file:
      whole = file.read()
    for size in (0, 2, 100, len(whole) - 20):
      self.write('cut.jpg', whole[:size])
      self.refuse_run(['cut.jpg'], 'm.onnx', '-i', 'cut.jpg', '-o', 'y.npy')
    self.write('text.jpg', b'hello')
    self.refuse_run(['text.jpg'], 'm.onnx', '-i', 'text.jpg', '-o', 'y.npy')
    self.refuse_run(['gone.png', 'No such file'], 'm.onnx', '-i', 'gone.png', '-o', 'y.npy')

  @unittest.skipUnless(support.HAVE_IMAGES, 'built without images')
  def test_picture_that_does_not_fit_the_input(self):
    picture = self.write('p.png', png(2, 2, 2, 8, [bytes(6)] * 2))
    self.one_node(node('Relu', ['x'], ['y']), dims=(1, 7, 'h', 'w'))
    self.refuse_run(['p.png', "'x'", '1x7x0x0'], 'm.onnx', '-i', picture, '-o', 'y.npy')
    self.one_node(node('Relu', ['x'], ['y']), dims=(1, 3, 4, 4))
    self.refuse_run(['p.png', '--size 4x4'], 'm.onnx', '-i', picture, '-o', 'y.npy')

  def test_unknown_fields_are_no_model(self):
    self.write('m.onnx', field(1, 8))
    self.refuse_run(['m.onnx'])


if __name__ == '__main__':
  unittest.main()
