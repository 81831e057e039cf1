"""What the command does when all is well."""
import json
import os
import unittest

import support
from support import field, model, node, npy, png, product, read_npy, read_png8, tensor, value_info


class Main(support.CommandTest):

  def test_version_and_help(self):
    self.assertRegex(self.succeed('--version'), r'^convoy \d+\.\d+\.\d+\n$')
    for command in ('devices', 'run', 'conv', 'doctor', 'explain', 'bench', 'tune'):
      self.assertIn(command, self.succeed('--help'))
      self.assertIn('Usage: convoy ' + command, self.succeed(command, '--help'))

  def test_usage_errors_exit_2(self):
    self.refuse(2, ['nonsense', 'no such command'], 'nonsense')
    self.refuse(2, ['--nonsense', 'no such option'], 'devices', '--nonsense')
    self.refuse(2, ['-q', 'no such option'], 'run', '-q')
    self.refuse(2, ['--device', 'needs a value'], 'run', '--device')
    self.refuse(2, ['one', 'too many'], 'devices', 'one')
    self.refuse(2, ['0 models'], 'run')
    self.refuse(2, ['1 files given'], 'conv', 'x.npy')


class Devices(support.CommandTest):

  def test_table_and_json_agree(self):
    table = self.succeed('devices')
    platforms = json.loads(self.succeed('devices', '--json'))['platforms']
    self.assertTrue(platforms)
    for platform in platforms:
      self.assertIn(platform['name'], table)
      for device in platform['devices']:
        self.assertIn(device['name'], table)
        self.assertIn(device['selector'], table)
        self.assertIn(device['driver_version'], table)
        self.assertGreater(device['max_alloc_bytes'], 0)
        self.assertGreater(device['max_work_group'], 0)
        self.assertIsInstance(device['fp16'], bool)

  def test_rates_are_told_where_they_are_asked_for(self):
    self.assertNotIn('GFLOP/s', self.succeed('devices'))
    self.assertIn('GFLOP/s; memory', self.succeed('devices', '--rates'))
    for platform in json.loads(self.succeed('devices', '--rates', '--json'))['platforms']:
      for device in platform['devices']:
        self.assertEqual(sorted(device['rates']),
                         ['cache_bytes', 'flops', 'group_seconds', 'launch_seconds', 'memory_bytes'])
        self.assertGreater(min(device['rates'].values()), 0)

  def test_platform_without_device_is_listed(self):
    status, out, err = self.convoy('devices', OCL_ICD_VENDORS='rusticl.icd', RUSTICL_ENABLE='')
    if status != 0 or 'rusticl' not in out:
      self.skipTest('no such platform here: ' + err)
    self.assertIn('no device', out)

  def test_no_opencl_says_what_to_install(self):
    os.mkdir(self.path('empty'))
    status, out, err = self.convoy('devices', OCL_ICD_VENDORS=self.path('empty') + '/')
    self.assertEqual((status, out), (1, ''))
    self.assertIn('pocl-opencl-icd', err)
    self.assertEqual(len(err.splitlines()), 1)


class Conv(support.CommandTest):

  def check(self, x_shape, w_shape, arguments, stride=(1, 1), pad=((0, 0), (0, 0)), dilation=(1, 1), groups=1,
            bias=True):
    x = self.random_npy('x.npy', x_shape)
    w = self.random_npy('w.npy', w_shape)
    b = self.random_npy('b.npy', [w_shape[0]]) if bias else None
    shape, want = support.conv_oracle(x, x_shape, w, w_shape, b, stride, pad, dilation, groups)
    arguments = list(arguments) + (['--bias', 'b.npy'] if bias else [])
    for algo in ('ref', 'im2col'):
      out = self.succeed('conv', 'x.npy', 'w.npy', '-o', 'y.npy', '--algo', algo, *arguments)
      self.assertRegex(out, r'algorithm +%s\n' % algo)
      got_shape, got = read_npy(self.path('y.npy'))
      self.assertEqual(got_shape, shape)
      error = max(abs(a - b) for a, b in zip(got, want))
      self.assertLess(error, 1e-5 * product(w_shape[1:]), 'seed %d' % self.seed)
    return shape, want

  def test_defaults(self):
    self.check([2, 3, 6, 5], [4, 3, 3, 3], [], bias=False)

  def test_lists_per_axis_and_groups(self):
    self.check([1, 4, 9, 8], [6, 2, 3, 2],
               ['--stride', '2,1', '--pad', '1,0:2,1', '--dilation', '1,2', '--groups', '2'],
               stride=(2, 1), pad=((1, 0), (2, 1)), dilation=(1, 2), groups=2)

  def test_one_value_stands_for_all_axes(self):
    self.check([1, 2, 7, 7], [2, 2, 3, 3], ['--stride', '2', '--pad', '1'], stride=(2, 2), pad=((1, 1), (1, 1)))

  def test_transposed_spreads_a_single_value(self):
    self.write('x.npy', npy([1, 1, 1, 1], [2.0]))
    self.write('w.npy', npy([1, 1, 2, 2], [1.0, 2.0, 3.0, 4.0]))
    self.succeed('conv', 'x.npy', 'w.npy', '-o', 'y.npy', '--transposed', '--stride', '3',
                 '--output-padding', '1,0')
    self.assertEqual(read_npy(self.path('y.npy')), ([1, 1, 3, 2], [2.0, 4.0, 6.0, 8.0, 0.0, 0.0]))

  def test_flip_reads_weights_backwards(self):
    self.write('x.npy', npy([1, 1, 3], [1.0, 10.0, 100.0]))
    self.write('w.npy', npy([1, 1, 2], [1.0, 2.0]))
    self.succeed('conv', 'x.npy', 'w.npy', '-o', 'y.npy', '--flip')
    self.assertEqual(read_npy(self.path('y.npy')), ([1, 1, 2], [12.0, 120.0]))

  def test_padding_modes(self):
    self.write('x.npy', npy([1, 1, 3], [1.0, 10.0, 100.0]))
    self.write('w.npy', npy([1, 1, 1], [1.0]))
    for mode, want in (('zeros', [0, 0, 1, 10, 100, 0]), ('reflect', [100, 10, 1, 10, 100, 10]),
                       ('replicate', [1, 1, 1, 10, 100, 100]), ('circular', [10, 100, 1, 10, 100, 1])):
      for algo in ('ref', 'im2col'):
        self.succeed('conv', 'x.npy', 'w.npy', '-o', 'y.npy', '--pad', '2:1', '--pad-mode', mode, '--algo', algo)
        self.assertEqual(read_npy(self.path('y.npy')), ([1, 1, 6], [float(v) for v in want]), mode)

  def test_shuffle_interleaves_the_groups(self):
    self.write('x.npy', npy([1, 2, 1], [1.0, 10.0]))
    self.write('w.npy', npy([6, 1, 1], [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]))
    self.succeed('conv', 'x.npy', 'w.npy', '-o', 'y.npy', '--groups', '2', '--shuffle', '2')
    self.assertEqual(read_npy(self.path('y.npy')), ([1, 6, 1], [1.0, 40.0, 2.0, 50.0, 3.0, 60.0]))

  def test_separable_runs_two_passes(self):
    x = self.random_npy('x.npy', [1, 1, 6, 5])
    sobel = [1.0, 0.0, -1.0, 2.0, 0.0, -2.0, 1.0, 0.0, -1.0]
    self.write('w.npy', npy([1, 1, 3, 3], sobel))
    shape, want = support.conv_oracle(x, [1, 1, 6, 5], sobel, [1, 1, 3, 3], None, (2, 1), ((1, 1), (1, 1)), (1, 1), 1)
    self.write('want.npy', npy(shape, want))
    command = ('conv', 'x.npy', 'w.npy', '--stride', '2,1', '--pad', '1', '--algo', 'ref', '--expect', 'want.npy')
    out = self.succeed(*command, '--separable', '0')
    self.assertRegex(out, r'separable +rank 1, relative error of w [0-9.e-]+\nalgorithm +ref \+ ref\n')
    self.assertNotIn('separable', self.succeed(*command))

  def test_kinds_of_several_passes(self):
    self.write('x.npy', npy([1, 2, 3, 3], [float(i) for i in range(18)]))
    self.write('b.npy', npy([2], [0.5, -0.5]))
    self.write('w1.npy', npy([2, 2, 1, 1], [1.0, 0.0, 0.0, 1.0]))
    self.write('column.npy', npy([2, 1, 3, 1], [1.0, 1.0, 1.0, 0.0, 1.0, 0.0]))
    self.write('row.npy', npy([2, 1, 1, 3], [1.0, 0.0, -1.0, 1.0, 2.0, 1.0]))
    self.write('window.npy', npy([2, 1, 3, 3], [0.0] * 4 + [1.0] + [0.0] * 4 + [1.0] * 9))
    self.write('mix.npy', npy([2, 2, 1, 1], [0.0, 1.0, 1.0, 1.0]))
    self.write('full.npy', npy([2, 2, 1, 3], [1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 2.0]))
    kinds = (('flattened', ('w1.npy', 'column.npy', 'row.npy'), [-6.0 + 0.5, 12.0 + 26.0 + 14.0 - 0.5]),
             ('depthwise-separable', ('window.npy', 'mix.npy'), [117.0 + 0.5, 4.0 + 117.0 - 0.5]))
    for kind, weights, want in kinds:
      out = self.succeed('conv', 'x.npy', *weights, '-o', 'y.npy', '--kind', kind, '--bias', 'b.npy')
      self.assertEqual(read_npy(self.path('y.npy')), ([1, 2, 1, 1], want), kind)
      self.assertEqual(out.count('\nw '), len(weights))
    self.write('column.npy', npy([2, 2, 3, 1], [1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0]))
    self.succeed('conv', 'x.npy', 'column.npy', 'full.npy', '-o', 'y.npy', '--kind', 'spatially-separable')
    self.assertEqual(read_npy(self.path('y.npy')), ([1, 2, 1, 1], [9.0, 28.0]))
    self.refuse(2, ['4 files given', '2 W needed'], 'conv', 'x.npy', 'w1.npy', 'w1.npy', 'w1.npy', '--kind',
                'depthwise-separable')
    self.refuse(2, ['--kind round', 'flattened'], 'conv', 'x.npy', 'w1.npy', '--kind', 'round')
    self.refuse(1, ['pass 2', 'need to be'], 'conv', 'x.npy', 'window.npy', 'column.npy', '--kind',
                'depthwise-separable')

  def test_separable_of_a_rank_too_small_reports_its_error(self):
    self.write('x.npy', npy([1, 1, 2, 2], [1.0, 0.0, 0.0, 0.0]))
    self.write('w.npy', npy([1, 1, 2, 2], [4.0, 0.0, 0.0, 3.0]))
    command = ('conv', 'x.npy', 'w.npy', '-o', 'y.npy', '--json', '--separable')
    report = json.loads(self.succeed(*command, '1'))['separable']
    self.assertEqual(report['rank'], 1)
    self.assertAlmostEqual(report['error'], 0.6, places=6)
    self.assertAlmostEqual(read_npy(self.path('y.npy'))[1][0], 4.0, places=5)
    self.assertEqual(json.loads(self.succeed(*command, '0'))['separable']['rank'], 2)
    status, _, err = self.convoy(*command, '3')
    self.assertEqual(status, 1)
    self.assertIn('at most 2', err)

  def test_expect_beyond_tolerance_exits_3(self):
    shape, want = self.check([1, 2, 5, 5], [3, 2, 3, 3], [])
    self.write('good.npy', npy(shape, want))
    want[7] += 0.5
    self.write('bad.npy', npy(shape, want))
    want[7] = float('nan')
    self.write('nan.npy', npy(shape, want))
    command = ('conv', 'x.npy', 'w.npy', '--bias', 'b.npy', '--json')
    report = json.loads(self.succeed(*command, '--expect', 'good.npy'))
    self.assertTrue(report['expect']['within'])
    status, out, _ = self.convoy(*command, '--expect', 'bad.npy')
    self.assertEqual(status, 3)
    self.assertAlmostEqual(json.loads(out)['expect']['max_absolute'], 0.5, places=4)
    self.succeed(*command, '--expect', 'bad.npy', '--tolerance', '10')
    status, out, _ = self.convoy(*command, '--expect', 'nan.npy', '--tolerance', '10')
    self.assertEqual((status, json.loads(out)['expect']['mismatches']), (3, 1))


@unittest.skipUnless(support.HAVE_ONNX, 'built without ONNX')
class Run(support.CommandTest):

  def identity(self, dims):
    return self.write('id.onnx', model([node('Relu', ['x'], ['y'])], [value_info('x', dims)],
                                       [value_info('y', dims)]))

  def test_conv_and_relu_by_name_and_by_order(self):
    x = self.random_npy('x.npy', [1, 2, 6, 6])
    w = [self.random.uniform(-1, 1) for _ in range(3 * 2 * 9)]
    self.write('m.onnx', model([node('Conv', ['x', 'w'], ['c'], name='first'), node('Relu', ['c'], ['y'])],
                               [value_info('x', ['n', 2, 'h', 'w'])], [value_info('y', ['n', 3, 'p', 'q'])],
                               [tensor('w', [3, 2, 3, 3], w)]))
    shape, want = support.conv_oracle(x, [1, 2, 6, 6], w, [3, 2, 3, 3], None, (1, 1), ((0, 0), (0, 0)), (1, 1), 1)
    self.write('e.npy', npy(shape, [max(value, 0.0) for value in want]))
    out = self.succeed('run', 'm.onnx', '-i', 'x.npy', '-o', 'y=y.npy', '--expect', 'e.npy')
    for word in ('first', 'Conv', '1x3x4x4', 'total', 'set-up', 'first kernel', 'memory', 'within'):
      self.assertIn(word, out)
    self.assertEqual(read_npy(self.path('y.npy'))[0], shape)
    report = json.loads(self.succeed('run', 'm.onnx', '-i', 'x=x.npy', '--expect', 'y=e.npy', '--json'))
    self.assertTrue(report['expect'][0]['within'])
    self.assertGreaterEqual(len(report['layers']), 1)
    self.assertGreater(report['first_kernel_ms'], 0)
    self.assertGreater(report['programs_loaded'], 0, 'the first run has filled the store')
    report = json.loads(self.succeed('run', 'm.onnx', '-i', 'x.npy', '--json', '--store', 'off'))
    self.assertEqual(report['programs_loaded'], 0)

  def test_dump_plan_shows_what_passes_fold(self):
    self.write('m.onnx', model(
        [node('Pad', ['x', 'pads'], ['p'], name='frame'), node('Conv', ['p', 'w'], ['c'], name='first'),
         node('MaxPool', ['c'], ['y'], [support.ints('kernel_shape', [1, 1])])], [value_info('x', [1, 1, 3, 3])], [value_info('y', [1, 1, 3, 3])],
        [support.tensor_int64('pads', [8], [0, 0, 1, 1] * 2), tensor('w', [1, 1, 3, 3], [1.0] * 9)]))
    out = self.succeed('run', 'm.onnx', '--dump-plan')
    for words in ("first  Conv with Pad 'frame'", '1x1x3x3  memory 0 from 0, 36 bytes', 'output 0'):
      self.assertIn(words, out)
    report = json.loads(self.succeed('run', 'm.onnx', '--dump-plan', '--json', '--no-pass', 'pad'))
    self.assertEqual([step['operator'] for step in report['steps']], ['Pad', 'Conv', 'MaxPool'])
    self.assertEqual([step['fused'] for step in report['steps']], ['', '', ''])
    self.refuse(2, ['none-such', 'shuffle', 'dead'], 'run', 'm.onnx', '--no-pass', 'none-such')

  def test_channel_shuffle_of_three_nodes_costs_no_pass(self):
    x = self.random_npy('x.npy', [1, 4, 5, 5])
    w = [self.random.uniform(-1, 1) for _ in range(6 * 2 * 9)]
    nodes = [node('Conv', ['x', 'w'], ['c'], [field(1, 'group') + field(3, 2) + field(20, 2)]),
             node('Relu', ['c'], ['r']), node('Reshape', ['r', 'split'], ['a']),
             node('Transpose', ['a'], ['b'], [support.ints('perm', [0, 2, 1, 3, 4])]),
             node('Reshape', ['b', 'merge'], ['y'])]
    self.write('m.onnx', model(nodes, [value_info('x', [1, 4, 5, 5])], [value_info('y', [1, 6, 3, 3])],
                               [tensor('w', [6, 2, 3, 3], w), support.tensor_int64('split', [5], [1, 2, 3, 3, 3]),
                                support.tensor_int64('merge', [4], [1, 6, 3, 3])]))
    shape, plain = support.conv_oracle(x, [1, 4, 5, 5], w, [6, 2, 3, 3], None, (1, 1), ((0, 0), (0, 0)), (1, 1), 2)
    want = [max(plain[(c % 2 * 3 + c // 2) * 9 + i], 0.0) for c in range(6) for i in range(9)]
    self.write('e.npy', npy(shape, want))
    report = json.loads(self.succeed('run', 'm.onnx', '-i', 'x.npy', '--expect', 'e.npy', '--json'))
    self.assertEqual([layer['operator'] for layer in report['layers']], ['Conv'])

  def test_reflected_pad_is_done_inside_the_convolution(self):
    x = self.random_npy('x.npy', [1, 1, 4, 4])
    w = [self.random.uniform(-1, 1) for _ in range(9)]
    pad = node('Pad', ['x', 'pads'], ['p'], [field(1, 'mode') + field(4, 'reflect') + field(20, 3)])
    self.write('m.onnx', model([pad, node('Conv', ['p', 'w'], ['y'])], [value_info('x', [1, 1, 4, 4])],
                               [value_info('y', [1, 1, 4, 4])],
                               [tensor('w', [1, 1, 3, 3], w),
                                support.tensor_int64('pads', [8], [0, 0, 1, 1, 0, 0, 1, 1])]))
    order = [1, 0, 1, 2, 3, 2]
    padded = [x[4 * row + column] for row in order for column in order]
    shape, want = support.conv_oracle(padded, [1, 1, 6, 6], w, [1, 1, 3, 3], None, (1, 1), ((0, 0), (0, 0)), (1, 1), 1)
    self.write('e.npy', npy(shape, want))
    report = json.loads(self.succeed('run', 'm.onnx', '-i', 'x.npy', '--expect', 'e.npy', '--json'))
    self.assertEqual([layer['operator'] for layer in report['layers']], ['Conv'])

  def test_tensorproto_in_and_out(self):
    values = [self.random.uniform(0, 1) for _ in range(12)]
    self.write('x.pb', tensor('x', [1, 3, 2, 2], values))
    self.identity(['n', 'c', 'h', 'w'])
    self.succeed('run', 'id.onnx', '-i', 'x.pb', '-o', 'y.pb')
    self.succeed('run', 'id.onnx', '-i', 'y.pb', '-o', 'y.npy')
    shape, got = read_npy(self.path('y.npy'))
    self.assertEqual(shape, [1, 3, 2, 2])
    self.assertLess(max(abs(a - b) for a, b in zip(got, values)), 1e-6)

  @unittest.skipUnless(support.HAVE_IMAGES, 'built without images')
  def test_pictures_of_every_kind(self):
    pixels = bytes(self.random.randrange(256) for _ in range(5 * 4 * 3))
    rows = [pixels[y * 15:(y + 1) * 15] for y in range(4)]
    rgba = [b''.join(row[x * 3:x * 3 + 3] + b'\x80' for x in range(5)) for row in rows]
    deep = [b''.join(bytes([value, value]) for value in row) for row in rows]
    self.identity(['n', 'c', 'h', 'w'])
    self.write('rgb.png', png(5, 4, 2, 8, rows))
    self.write('rgba.png', png(5, 4, 6, 8, rgba))
    self.write('deep.png', png(5, 4, 2, 16, deep))
    for name in ('rgb.png', 'rgba.png', 'deep.png'):
      self.succeed('run', 'id.onnx', '-i', name, '-o', 'out.png')
      self.assertEqual(read_png8(self.path('out.png')), (5, 4, 3, pixels), name)
    out = self.succeed('run', 'id.onnx', '-i', 'rgb.png', '--expect', 'rgba.png')
    self.assertIn('PSNR inf dB', out)
    palette = [bytes([0, 1, 2, 1]), bytes([2, 2, 0, 0])]
    colours = [b'\x0a\x14\x1e', b'\xff\x00\x80', b'\x01\x02\x03']
    self.write('palette.png', png(4, 2, 3, 8, palette, support.chunk(b'PLTE', b''.join(colours)) +
                                  support.chunk(b'tRNS', b'\x00\x80\xff')))
    self.succeed('run', 'id.onnx', '-i', 'palette.png', '-o', 'out.png')
    self.assertEqual(read_png8(self.path('out.png')),
                     (4, 2, 3, b''.join(colours[index] for row in palette for index in row)))
    self.write('bits.png', png(8, 1, 0, 1, [b'\xa5']))
    self.succeed('run', 'id.onnx', '-i', 'bits.png', '-o', 'out.npy')
    self.assertEqual(read_npy(self.path('out.npy')), ([1, 1, 1, 8], [1, 0, 1, 0, 0, 1, 0, 1]))

  @unittest.skipUnless(support.HAVE_IMAGES, 'built without images')
  def test_picture_options(self):
    self.identity(['n', 'c', 'h', 'w'])
    self.write('p.png', png(4, 2, 2, 8, [b'\xff\x00\x00' * 4, b'\xff\x00\x00' * 4]))
    self.succeed('run', 'id.onnx', '-i', 'p.png', '-o', 'y.npy', '--size', '3x7', '--mean', '-1,-2,-3',
                 '--std', '1,2,0.5')
    shape, got = read_npy(self.path('y.npy'))
    self.assertEqual(shape, [1, 3, 3, 7])
    for index, value in enumerate(got):
      self.assertAlmostEqual(value, (2.0, 1.0, 6.0)[index // 21], places=5)
    self.succeed('run', 'id.onnx', '-i', 'p.png', '-o', 'y.npy', '--grey')
    shape, got = read_npy(self.path('y.npy'))
    self.assertEqual(shape, [1, 1, 2, 4])
    self.assertAlmostEqual(got[0], 0.299, places=5)
    self.identity([1, 1, 'h', 'w'])
    self.succeed('run', 'id.onnx', '-i', 'p.png', '-o', 'y.png')
    self.assertEqual(read_png8(self.path('y.png')), (4, 2, 1, b'\x4c' * 8))

  @unittest.skipUnless(support.HAVE_IMAGES, 'built without images')
  def test_jpeg_keeps_a_smooth_picture(self):
    rows = [b''.join(bytes([8 * x, 8 * y, 100]) for x in range(16)) for y in range(16)]
    self.write('p.png', png(16, 16, 2, 8, rows))
    self.identity(['n', 'c', 'h', 'w'])
    self.succeed('run', 'id.onnx', '-i', 'p.png', '-o', 'y.jpg')
    report = json.loads(self.succeed('run', 'id.onnx', '-i', 'y.jpg', '--expect', 'p.png', '--tolerance', 'inf',
                                     '--json'))
    self.assertGreater(report['expect'][0]['psnr_db'], 30)

  @unittest.skipUnless(support.HAVE_IMAGES, 'built without images')
  def test_shipped_model_doubles_a_picture(self):
    shipped = os.path.join(support.SOURCE, 'examples', 'superres', 'superres.onnx')
    if not os.path.exists(shipped):
      self.skipTest('no examples/superres/superres.onnx')
    rows = [b''.join(bytes([10 * x, 10 * y, 128]) for x in range(20)) for y in range(16)]
    self.write('small.png', png(20, 16, 2, 8, rows))
    out = self.succeed('run', shipped, '-i', 'small.png', '-o', 'large.png')
    self.assertIn('ConvTranspose', out)
    width, height, channels, _ = read_png8(self.path('large.png'))
    self.assertEqual((width, height, channels), (40, 32, 3))

  def test_device_from_the_environment(self):
    self.write('x.npy', npy([1, 1, 2, 2], [1.0, -1.0, 2.0, -2.0]))
    self.identity([1, 1, 2, 2])
    self.refuse(1, ['no-such-device'], 'run', 'id.onnx', '-i', 'x.npy', CONVOY_DEVICE='no-such-device')
    self.succeed('run', 'id.onnx', '-i', 'x.npy', '--device', '0:0', CONVOY_DEVICE='no-such-device')


if __name__ == '__main__':
  unittest.main()
