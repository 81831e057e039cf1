"""tests/shapes: every line is a possible convolution, and the networks have their published sizes."""
import json
import os
import re
import unittest

import support
from support import CommandTest

FOLDER = os.path.join(support.SOURCE, 'tests', 'shapes')
LINE = re.compile(r'(--deconv )?([^" ]+)n"([^" ]+)" +# x(\d+)$')

# (list, layers whose names begin so, figure, published value, what that counts besides convolutions)
PUBLISHED = [
  ('resnet50', '', 'multiplications', 4.09e9, 2048 * 1000),  # torchvision's documentation
  ('resnext50', '', 'multiplications', 4.23e9, 2048 * 1000),  # the same
  ('vgg16', '', 'multiplications', 15.3e9, 0),  # arXiv 1512.03385, section 4.1
  ('mobilenet_v2', '', 'multiplications', 300e6, 1280 * 1000),  # arXiv 1801.04381, table 4
  ('shufflenet_v2', '', 'multiplications', 146e6, 1024 * 1000),  # arXiv 1807.11164, table 5
  ('shufflenet_v1', '', 'multiplications', 137e6, 960 * 1000),  # arXiv 1707.01083, table 1
  ('c3d', '', 'multiplications', 38.5e9, 0),  # arXiv 1708.05038
  ('unet3d', '', 'parameters', 19069955, 0),  # arXiv 1606.06650, section 2
  ('fsrcnn', ('extract', 'shrink', 'map', 'expand', 'up3'), 'parameters', 12464, 0),  # arXiv 1608.00367
  ('dcgan', '4x4', 'parameters', 3576704, 1920),  # PyTorch's example, with batch normalisation
]


def read(name):
  """(transposed, descriptor, layer, count) of each line; None for one that is not as all are."""
  with open(os.path.join(FOLDER, name), encoding='utf-8') as file:
    for line in file.read().splitlines():
      if not line.startswith('#'):
        match = LINE.match(line)
        yield match and (bool(match.group(1)), match.group(2), match.group(3), int(match.group(4)))


class Shapes(CommandTest):
  def explain(self, transposed, descriptor):
    return json.loads(self.succeed('explain', '--no-device', '--json',
                                   *(['--transposed'] if transposed else []), 'mb1' + descriptor))

  def test_every_line_is_a_possible_convolution_and_stands_once(self):
    for name in sorted(os.listdir(FOLDER)):
      with self.subTest(list=name):
        rows = list(read(name))
        self.assertTrue(rows)
        self.assertNotIn(None, rows)
        for column in (lambda row: row[:2], lambda row: row[2]):
          self.assertEqual(len(set(map(column, rows))), len(rows))
        for transposed, descriptor, _, count in rows:
          self.assertGreater(self.explain(transposed, descriptor)['multiplications'], 0)
          self.assertGreater(count, 0)

  def test_networks_have_their_published_sizes(self):
    for name, begin, figure, published, other in PUBLISHED:
      with self.subTest(list=name):
        total = other + sum(count * self.explain(transposed, descriptor)[figure]
                            for transposed, descriptor, layer, count in read(name) if layer.startswith(begin))
        self.assertLess(abs(total / published - 1), 0.01, total)

  def test_causal_layers_keep_the_length(self):
    for transposed, descriptor, layer, _ in read('wavenet'):
      report = self.explain(transposed, descriptor)
      self.assertEqual(report['y'][2], 16000, layer)


if __name__ == '__main__':
  unittest.main()
