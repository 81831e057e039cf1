"""convoy explain: figures known from the literature, descriptors of both kinds, strictness, JSON."""
import itertools
import json
import unittest

import support
from support import CommandTest


class ExplainTest(CommandTest):
  def explain(self, *args):
    return json.loads(self.succeed('explain', '--no-device', '--json', *args))

  def alternative(self, report, name):
    return next(item for item in report['alternatives'] if item['name'] == name)

  def products(self, report, name):
    return [item['multiplications'] for item in self.alternative(report, name)['passes']]


class Costs(ExplainTest):
  """Multiplications counted by hand."""

  def test_depthwise_separable_takes_12_percent(self):
    desc = 'mb1ic3ih7oc128kh3'
    report = self.explain(desc)
    self.assertEqual([report['x'], report['w'], report['y']],
                     [[1, 3, 7, 7], [128, 3, 3, 3], [1, 128, 5, 5]])
    self.assertEqual(report['multiplications'], 86400)
    self.assertEqual(report['flops'], 172800)
    self.assertEqual(self.products(report, 'standard'), [86400])
    self.assertEqual(self.products(report, 'depthwise separable'), [675, 9600])
    self.assertEqual(self.alternative(report, 'depthwise separable')['multiplications'], 10275)
    self.assertAlmostEqual(self.alternative(report, 'depthwise separable')['ratio'], 10275 / 86400)
    line = next(line for line in self.succeed('explain', '--no-device', desc).splitlines()
                if 'depthwise separable' in line)
    self.assertIn('675 + 9,600 = 10,275', line)
    self.assertIn(' 12 % ', line)

  def test_spatially_separable_takes_72_of_81(self):
    report = self.explain('mb1ic1ih5oc1kh3')
    self.assertEqual(report['multiplications'], 81)
    self.assertEqual(self.products(report, 'spatially separable'), [45, 27])
    self.assertIn('45 + 27 = 72', self.succeed('explain', '--no-device', 'mb1ic1ih5oc1kh3'))

  def test_spatially_separable_ratio_tends_to_2_over_m(self):
    for kernel in (3, 5, 7):
      report = self.explain('mb1ic1ih20000oc1kh%d' % kernel)
      self.assertAlmostEqual(self.alternative(report, 'spatially separable')['ratio'], 2 / kernel, 3)

  def test_groups_divide_parameters(self):
    report = self.explain('mb1ic8ih7oc128kh3')
    for groups in (2, 4, 8):
      self.assertEqual(self.alternative(report, 'grouped by %d' % groups)['parameters'],
                       report['parameters'] / groups)
      self.assertAlmostEqual(self.alternative(report, 'grouped by %d' % groups)['ratio'], 1 / groups)

  def test_groups_that_do_not_divide_are_refused_with_the_reason(self):
    report = self.explain('mb1ic3ih7oc128kh3')
    item = self.alternative(report, 'grouped by 2')
    self.assertFalse(item['fits'])
    self.assertIn('3 channels of x do not divide by 2', item['why'])

  def test_one_axis_is_not_spatially_separable(self):
    item = self.alternative(self.explain('mb1ic4iw9oc4kw3'), 'spatially separable')
    self.assertFalse(item['fits'])
    self.assertTrue(item['why'])

  def test_the_given_kind_is_marked(self):
    for groups in (1, 2, 4, 8, 16):
      report = self.explain('g%dmb1ic16ih9oc32kh3' % groups)
      given = [item['name'] for item in report['alternatives'] if item['given']]
      self.assertEqual(given, ['standard'] if groups == 1 else ['grouped by %d' % groups])
      self.assertEqual(self.alternative(report, given[0])['multiplications'], report['multiplications'])

  def test_passes_lead_to_the_same_y(self):
    for _ in range(10):
      c, k = 2 * self.random.randrange(1, 5), 2 * self.random.randrange(1, 5)
      report = self.explain('mb2ic%dih%diw%doc%dkh3kw%dsh%dsw1ph1pw0' %
                            (c, self.random.randrange(5, 20), self.random.randrange(5, 20), k,
                             self.random.randrange(1, 4), self.random.randrange(1, 3)))
      for item in report['alternatives']:
        if item['fits']:
          self.assertEqual(item['passes'][-1]['y'], report['y'], item['name'])
          for figure in ('multiplications', 'parameters'):
            self.assertEqual(sum(one[figure] for one in item['passes']), item[figure])

  def test_costs_match_the_definition(self):
    for _ in range(10):
      n, c, k, h, w = (self.random.randrange(1, 9) for _ in range(5))
      groups = self.random.choice([g for g in range(1, 9) if c % g == 0 and k % g == 0])
      r, s = self.random.randrange(1, 4), self.random.randrange(1, 4)
      report = self.explain('g%dmb%dic%dih%diw%doc%dkh%dkw%dph3pw3' % (groups, n, c, h, w, k, r, s), '--bias')
      p, q = h + 6 - r + 1, w + 6 - s + 1
      self.assertEqual(report['y'], [n, k, p, q])
      self.assertEqual(report['multiplications'], n * k * p * q * (c // groups) * r * s)
      self.assertEqual(report['parameters'], k * (c // groups) * r * s + k)
      size = 4 * (n * c * h * w + report['parameters'] + n * k * p * q)
      self.assertEqual(report['bytes'], size)
      self.assertAlmostEqual(report['intensity'], report['flops'] / size)


class Fields(ExplainTest):
  def test_dilations_1_2_4_see_3_7_15(self):
    stack = ['mb1ic1ih31oc1kh3', 'mb1ic1ih29oc1kh3dh1', 'mb1ic1ih25oc1kh3dh3']
    report = self.explain(*stack)
    self.assertEqual([layer['receptive_field'] for layer in report['layers']], [[3, 3], [7, 7], [15, 15]])
    self.assertEqual(report['parameters'], 27)
    out = self.succeed('explain', *stack)
    for field in (' 3x3 ', ' 7x7 ', ' 15x15 '):
      self.assertIn(field, out)

  def test_strides_widen_what_follows(self):
    report = self.explain('mb1ic1ih33oc2kh3sh2n"first"', 'mb1ic2ih16oc1kh3')
    self.assertEqual([layer['receptive_field'] for layer in report['layers']], [[3, 3], [7, 7]])
    self.assertEqual([layer['jump'] for layer in report['layers']], [[2, 2], [2, 2]])
    self.assertEqual([layer['name'] for layer in report['layers']], ['first', '2'])

  def test_effective_kernel(self):
    report = self.explain('mb1ic1ih31iw40oc1kh3kw5dh1dw2')
    self.assertEqual(report['dilation'], [2, 3])
    self.assertEqual(report['effective_kernel'], [5, 13])
    self.assertEqual(report['receptive_field'], [5, 13])

  def test_stack_that_does_not_fit_is_refused(self):
    self.refuse(2, ['layer 2 takes 1x1x8x8', 'layer 1 gives 1x1x6x6'], 'explain', 'mb1ic1ih8oc1kh3',
                'mb1ic1ih8oc1kh3')


class Transposed(ExplainTest):
  def test_2x2_to_4x4(self):
    report = self.explain('--transposed', 'mb1ic1ih2oc1kh3')
    self.assertEqual(report['y'], [1, 1, 4, 4])
    self.assertEqual(report['transposed_view']['inserted_zeros'], [0, 0])
    self.assertEqual(report['transposed_view']['pad_begin'], [2, 2])
    self.assertTrue(report['transposed_view']['checkerboard']['even'])

  def test_2x2_to_5x5_with_stride_2(self):
    report = self.explain('--transposed', 'mb1ic1ih2oc1kh3sh2')
    self.assertEqual(report['y'], [1, 1, 5, 5])
    view = report['transposed_view']
    self.assertEqual(view['inserted_zeros'], [1, 1])
    self.assertEqual(view['pad_begin'], [2, 2])
    board = view['checkerboard']
    self.assertFalse(board['even'])
    self.assertEqual([board['least'], board['most']], [[1, 1], [2, 2]])
    self.assertEqual([board['kernel_below'], board['kernel_above']], [[2, 2], [4, 4]])
    self.assertEqual(board['counts'], [[1, 1, 2, 1, 1]] * 2)
    out = self.succeed('explain', '--transposed', '--no-device', 'mb1ic1ih2oc1kh3sh2')
    self.assertIn('  2  2  4  2  2', out)
    self.assertIn('kernel 2 or 4 with stride 2', out)
    self.assertIn('resize by 2x2', out)

  def test_counts_match_the_definition(self):
    for _ in range(10):
      size, kernel = self.random.randrange(1, 7), self.random.randrange(1, 6)
      stride, dilation = self.random.randrange(1, 4), self.random.randrange(1, 3)
      report = self.explain('--transposed', 'mb1ic1iw%doc1kw%dsw%ddw%d' % (size, kernel, stride, dilation - 1))
      counts = [0] * ((size - 1) * stride + dilation * (kernel - 1) + 1)
      for x, r in itertools.product(range(size), range(kernel)):
        counts[x * stride + r * dilation] += 1
      self.assertEqual(report['transposed_view']['checkerboard']['counts'], [counts])

  def test_output_size_may_be_asked_for(self):
    report = self.explain('--transposed', 'mb1ic4ih3oc2oh6kh3sh2ph1')
    self.assertEqual([report['y'], report['pad_begin'], report['pad_end']], [[1, 2, 6, 6], [1, 1], [0, 0]])
    report = self.explain('--transposed', 'mb1ic4ih3oc2oh8kh3sh2')
    self.assertEqual([report['y'], report['output_padding']], [[1, 2, 8, 8], [1, 1]])


class Matrix(ExplainTest):
  def cells(self, *args):
    report = self.explain('--matrix', *args)
    matrix = report['matrix']
    self.assertEqual(len(matrix['cells']), matrix['rows'])
    for row in matrix['cells']:
      self.assertEqual(len(row), matrix['columns'])
    return matrix['cells']

  def test_3x3_on_4x4_is_4x16(self):
    cells = self.cells('mb1ic1ih4oc1kh3')
    self.assertEqual((len(cells), len(cells[0])), (4, 16))
    for row, column in itertools.product(range(4), range(16)):
      r, s = column // 4 - row // 2, column % 4 - row % 2
      self.assertEqual(cells[row][column], 'w%d' % (3 * r + s) if 0 <= r < 3 and 0 <= s < 3 else '')
    out = self.succeed('explain', '--no-device', '--matrix', 'mb1ic1ih4oc1kh3')
    self.assertIn('4x16', out)
    self.assertIn('C^T, 16x4, is the transposed convolution', out)

  def test_transposed_is_the_transpose(self):
    for stride, size in ((1, 4), (2, 5)):
      forward = self.cells('mb1ic1ih%doc1kh3sh%d' % (size, stride))
      backward = self.cells('--transposed', 'mb1ic1ih2oc1kh3sh%d' % stride)
      self.assertEqual(backward, [list(column) for column in zip(*forward)])

  def test_replicated_padding_sums_weights(self):
    cells = self.cells('--pad-mode', 'replicate', 'mb1ic1iw3oc1kw3pw1')
    self.assertEqual(cells, [['w0+w1', 'w2', ''], ['w0', 'w1', 'w2'], ['', 'w0', 'w1+w2']])

  def test_large_matrix_is_refused(self):
    self.refuse(1, ['--matrix', '2916x3136'], 'explain', '--no-device', '--matrix', 'mb1ic1ih56oc1kh3')


class Descriptors(ExplainTest):
  def same(self, *texts):
    reports = [self.explain(*text.split(' | ')) for text in texts]
    for report in reports:
      del report['descriptor']
      del report['name']
      self.assertEqual(report, reports[0])
    return reports[0]

  def test_missing_axes_are_as_the_one_before(self):
    self.same('mb1ic3ih7oc8kh3ph1', 'mb1ic3ih7iw7oc8kh3kw3ph1pw1', 'mb1_ic3ih7_oc8_kh3_ph1_n"a name"')
    self.same('mb1ic3id7oc8kd3sd2', 'mb1ic3id7ih7iw7oc8kd3kh3kw3sd2sh2sw2')
    self.assertEqual(self.explain('mb1ic3iw7oc8kw3')['x'], [1, 3, 7])

  def test_every_knob_in_any_order(self):
    for _ in range(10):
      axes = 'dhw'[-self.random.randrange(1, 4):]
      pick = {letter: [self.random.randrange(*span) for _ in axes]
              for letter, span in (('i', (12, 30)), ('k', (1, 5)), ('s', (1, 4)), ('p', (0, 4)), ('d', (0, 3)))}
      knobs = ['%s%s%d' % (letter, axis, value) for letter, values in pick.items()
               for axis, value in zip(axes, values)] + ['g2', 'mb3', 'ic4', 'oc6']
      self.random.shuffle(knobs)
      report = self.explain(self.random.choice(('', '_')).join(knobs))
      dilation = [value + 1 for value in pick['d']]
      effective = [d * (k - 1) + 1 for d, k in zip(dilation, pick['k'])]
      self.assertEqual([report['x'], report['w']], [[3, 4] + pick['i'], [6, 2] + pick['k']])
      self.assertEqual([report['stride'], report['dilation'], report['effective_kernel'], report['groups']],
                       [pick['s'], dilation, effective, 2])
      self.assertEqual([report['pad_begin'], report['pad_end']], [pick['p'], pick['p']])
      self.assertEqual(report['y'], [3, 6] + [(i + 2 * p - e) // s + 1 for i, p, e, s in
                                              zip(pick['i'], pick['p'], effective, pick['s'])])

  def test_batch_is_2_unless_given(self):
    self.assertEqual(self.explain('ic3ih7oc8kh3')['x'], [2, 3, 7, 7])

  def test_output_size_gives_the_padding(self):
    self.same('mb1ic3ih7oc8oh7kh3', 'mb1ic3ih7oc8kh3ph1', 'mb1ic3ih7oc8oh7kh3ph1')
    report = self.explain('mb1ic3ih224oc64oh112kh7sh2ph3')
    self.assertEqual([report['pad_begin'], report['pad_end'], report['y']],
                     [[3, 3], [2, 2], [1, 64, 112, 112]])
    report = self.explain('mb1ic1ih4oc1oh4kh4')
    self.assertEqual([report['pad_begin'], report['pad_end']], [[1, 1], [2, 2]])

  def test_output_may_leave_a_rest_of_x(self):
    report = self.explain('mb1ic1ih8oc1oh3kh3sh2ph0')
    self.assertEqual([report['pad_end'], report['y']], [[0, 0], [1, 1, 3, 3]])

  def test_options_of_explain(self):
    self.assertEqual(self.explain('--same', 'mb1ic1ih7oc1kh3sh2')['y'], [1, 1, 4, 4])
    self.assertEqual(self.explain('--full', 'mb1ic1ih7oc1kh3')['y'], [1, 1, 9, 9])
    report = self.explain('--flip', '--shuffle', '2', '--pad-mode', 'circular', 'g2mb1ic4ih7oc4kh3ph1')
    self.assertEqual([report['flip'], report['shuffle'], report['pad_mode']], [True, 2, 'circular'])
    self.assertIn('shuffle', report['convolution'])

  def test_miopen_lines(self):
    line = 'conv -n 1 -c 3 -H 32 -W 32 -k 64 -y 3 -x 3 -p 1 -q 1 -u 1 -v 1 -l 1 -j 1 -g 1 -m conv -F 1 -t 1'
    expected = self.same('mb1ic3ih32oc64kh3ph1', line, './bin/MIOpenDriver ' + line, 'MIOpenDriver ' + line,
                         'conv --batchsize 1 --in_channels 3 --out_channels 64 --pad_h 1 --pad_w 1')
    words = json.loads(self.succeed('explain', '--no-device', '--json', *line.split()))
    self.assertEqual(words['y'], expected['y'])
    self.same('g4mb1ic8ih9iw10oc16kh3kw5sh1sw2ph1pw2dh1dw0',
              'conv -n 1 -c 8 -H 9 -W 10 -k 16 -y 3 -x 5 -u 1 -v 2 -p 1 -q 2 -l 2 -j 1 -g 4')
    self.same('--transposed | mb1ic8ih9oc16kh3sh2', 'conv -n 1 -c 8 -H 9 -W 9 -k 16 -u 2 -v 2 -m trans')
    self.same('mb1ic3id9ih8iw7oc4kd3kh2kw1sd2sh1sw1pd1ph0pw0dd1dh0dw0',
              'conv --spatial_dim 3 -n 1 -c 3 --in_d 9 -H 8 -W 7 -k 4 --fil_d 3 -y 2 -x 1 --conv_stride_d 2 '
              '--pad_d 1 --dilation_d 2')
    self.assertEqual(self.explain('conv')['x'], [100, 3, 32, 32])

  def test_bad_descriptors_are_refused(self):
    for text, words in (
        ('', ['no axis']),
        ('mb1ic3', ['no axis']),
        ('mb1ic3oc8ih7', ['kh is missing']),
        ('mb1ic3oc8kh7', ['ih is missing']),
        ('mb1ih7kh3oc8', ['ic is missing']),
        ('mb1ih7kh3ic8', ['oc is missing']),
        ('mb1ic3ih7oc8kh3z9', ['character 16', "'z9'"]),
        ('mb1ic3ih7oc8kh', ["'kh' needs a whole number"]),
        ('mb1ic3ih7oc8kh-3', ["'kh' needs a whole number"]),
        ('mb1ic3ih7oc8kh 3', ["'kh' needs a whole number"]),
        ('mb0ic3ih7oc8kh3', ["'mb0' must be at least 1"]),
        ('mb1ic3ih7oc8kh3sh0', ["'sh0' must be at least 1"]),
        ('mb1ic3ih7oc8kh3ih7', ["'ih' given a second time"]),
        ('mb1ic3ih99999999999999999999999oc8kh3', ['a smaller one']),
        ('mb1ic3ih18446744073709551615oc8kh3', ['a smaller one']),
        ('mb1ic3ih7oc8kh3n', ['name']),
        ('mb1ic3ih7oc8kh3n"open', ['not closed']),
        ('mb1ic3ih7oc8kh3sw2', ['iw is missing']),
        ('mb1ic3id7ih7oc8kd3kh3', ['depth and height']),
        ('mb1ic3ih7oc8kh9', ['kernel', 'not a possible convolution']),
        ('g2mb1ic3ih7oc8kh3', ['groups']),
        ('mb1ic3ih7oc8oh2kh3ph1', ['oh2', '1 of padding at the begin alone the output is 6']),
        ('conv -n', ['-n (--batchsize) at the end needs a value']),
        ('conv -n x', ['-n x (--batchsize): not a whole number']),
        ('conv -u 0', ['--conv_stride_h', 'from 1']),
        ('conv -l 0', ['--dilation_h', 'from 1']),
        ('conv -Q 1', ["'-Q'"]),
        ('conv -n 1 -n 2', ['--batchsize given a second time']),
        ('conv -m dw', ['--mode dw']),
        ('conv --in_d 3', ['--spatial_dim 3']),
        ('conv -r 1', ['--pad_val 1']),
        ('conv -Y 1', ['--trans_output_pad_h']),
        ('conv --spatial_dim 4', ['--spatial_dim 4']),
        ('convfp16 -n 1', ["'convfp16'", 'float32']),
        ('MIOpenDriver pool -n 1', ["'pool'"]),
    ):
      with self.subTest(text=text):
        self.refuse(2, words, 'explain', '--no-device', text)

  def test_bad_options_are_refused(self):
    good = 'mb1ic3ih7oc8kh3'
    for args, words in (
        ([], ['nothing to explain']),
        (['--pad-mode', 'mirror', good], ['mirror']),
        (['--shuffle', '-1', good], ['--shuffle -1']),
        (['--same', '--full', good], ['one of them']),
        (['--shape', '1x1', good], ['--shape 1x1']),
        (['--matrix', good, 'mb1ic8ih5oc1kh3'], ['--matrix']),
        (['--nonsense', good], ['--nonsense']),
        (['--device', 'cpu', '--no-device', good], ['one of them']),
        ([good, 'a.onnx'], ['alone']),
        (['--flip', 'a.onnx'], ['do not go with a model']),
    ):
      with self.subTest(args=args):
        self.refuse(2, words, 'explain', *args)


class Devices(ExplainTest):
  def test_algorithms_apply_or_say_why(self):
    report = json.loads(self.succeed('explain', '--json', 'mb1ic3ih7oc8kh3'))
    self.assertIn('cpu', report['device'])
    self.assertTrue(any(item['applies'] for item in report['algorithms']))
    for item in report['algorithms']:
      self.assertTrue(item['applies'] or item['why'], item['name'])
    out = self.succeed('explain', 'mb1ic3ih7oc8kh3')
    for item in report['algorithms']:
      self.assertIn(item['name'], out)

  def test_without_a_device_the_rest_is_told(self):
    everything = self.succeed('explain', 'mb1ic3ih7oc8kh3', OCL_ICD_VENDORS='/nonexistent/')
    self.assertIn('unknown without a device', everything)
    self.assertIn('depthwise separable', everything)

  def test_a_device_asked_for_must_be_there(self):
    self.refuse(1, ['no such thing'], 'explain', '--device', 'no such thing', 'mb1ic3ih7oc8kh3')


@unittest.skipUnless(support.HAVE_ONNX, 'built without ONNX')
class Models(ExplainTest):
  def model(self, dims, name='m.onnx'):
    w1 = [self.random.uniform(-1, 1) for _ in range(8 * 3 * 9)]
    w2 = [self.random.uniform(-1, 1) for _ in range(8 * 9)]
    return self.write(name, support.model(
        [support.node('Conv', ['x', 'w1'], ['a'], [support.ints('strides', [2, 2])], 'stem'),
         support.node('Relu', ['a'], ['b']),
         support.node('Conv', ['b', 'w2'], ['y'], [support.ints('pads', [1, 1, 1, 1]), self.group(8)], 'depth')],
        [support.value_info('x', dims)], [support.value_info('y', ['n', 8, 'h', 'w'])],
        [support.tensor('w1', [8, 3, 3, 3], w1), support.tensor('w2', [8, 1, 3, 3], w2)]))

  def group(self, count):
    return support.field(1, 'group') + support.field(3, count) + support.field(20, 2)

  def test_rows_and_totals(self):
    report = self.explain(self.model([1, 3, 9, 9], 'convnet.onnx'))
    layers = {layer['name']: layer for layer in report['layers']}
    self.assertEqual(layers['stem']['output'], [1, 8, 4, 4])
    self.assertEqual(layers['stem']['multiplications'], 8 * 16 * 27)
    self.assertEqual(layers['stem']['parameters'], 8 * 27)
    self.assertEqual(layers['stem']['receptive_field'], [3, 3])
    self.assertEqual(layers['depth']['multiplications'], 8 * 16 * 9)
    self.assertEqual(layers['depth']['receptive_field'], [7, 7])
    self.assertIn('depthwise', layers['depth']['convolution'])
    self.assertEqual(report['multiplications'], 8 * 16 * 36)
    self.assertEqual(report['parameters'], 8 * 36)
    out = self.succeed('explain', self.path('convnet.onnx'))
    self.assertIn('stem', out)
    self.assertIn('4,608', out)

  def test_open_dimensions_are_given(self):
    path = self.model(['n', 3, 'h', 'w'])
    self.refuse(2, ["'x'", '--shape x='], 'explain', path)
    for shape in ('x=2x3x9x9', '2x3x9x9'):
      report = self.explain('--shape', shape, path)
      self.assertEqual(report['layers'][0]['output'], [2, 8, 4, 4])
    self.refuse(2, ['no input of that name'], 'explain', '--shape', 'z=1x3x9x9', path)
    self.refuse(2, ['second time'], 'explain', '--shape', 'x=1x3x9x9', '--shape', 'x=1x3x9x9', path)
    for bad in ('x=', 'x=1x', '1x3x0x9', '1,3,9,9', 'x=1x3x-9x9'):
      self.refuse(2, ['--shape ' + bad], 'explain', '--shape', bad, path)
    self.refuse(1, ['x'], 'explain', '--shape', 'x=1x4x9x9', path)

  def test_missing_model_is_refused(self):
    self.refuse(1, ['none.onnx'], 'explain', 'none.onnx')


if __name__ == '__main__':
  unittest.main()
