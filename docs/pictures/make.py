"""The pictures of docs/convolutions.md: make.py [--check] [NAME...].

Every number in them is what `convoy conv` computes; CVY_TEST_CONVOY names the command, else it is looked up
in the PATH. --check compares with the files beside this script instead of writing them."""
import os
import sys

from convolve import conv, filled
from drawing import BLUE, GREEN, GREY, GROUPS, ORANGE, WHITE, YELLOW, Column, Grid, Links, Row, Words, svg

X4 = [[1, 2, 0, 1], [0, 1, 3, 2], [2, 0, 1, 0], [1, 1, 0, 2]]
OTHER4 = [[0, 1, 1, 0], [2, 0, 1, 1], [1, 3, 0, 2], [0, 0, 2, 1]]
SOBEL = [[1, 0, -1], [2, 0, -2], [1, 0, -1]]
HEADING = 14


def impulse(rows, columns, row, column):
  return [[int((i, j) == (row, column)) for j in range(columns)] for i in range(rows)]


def shade(values):
  """Colours for counts: the more, the darker."""
  shades = ['#ffffff', '#e8f1fb', '#c9dff5', '#a3c8ec', '#7aafe0', '#5b98d2']
  levels = sorted({value for row in values for value in row if value})
  return lambda i, j, value: shades[0] if not value else shades[min(1 + levels.index(value), 5)]


def cross_correlation():
  x, w = impulse(5, 5, 2, 2), [[1, 2, 3], [4, 5, 6], [7, 8, 9]]
  plain = conv([[x]], [[w]], '--pad', 1)[0][0]
  flip = conv([[x]], [[w]], '--pad', 1, '--flip')[0][0]
  mark = lambda i, j, value: YELLOW if value else GREEN
  return Row(Grid(x, BLUE, 'x: one 1'), Grid(w, ORANGE, 'w'),
             Grid(plain, mark, 'cross-correlation', 'w comes out turned round'),
             Grid(flip, mark, 'convolution (--flip)', 'w comes out as it is'), gap=26)


def multi_channel():
  x = [X4, OTHER4, [[3, 0, 1, 2], [1, 1, 0, 0], [0, 2, 1, 1], [2, 0, 0, 1]]]
  w = [SOBEL, [[0, 1, 0], [1, -4, 1], [0, 1, 0]], [[1, 1, 1], [0, 0, 0], [-1, -1, -1]]]
  parts = conv([x], [[plane] for plane in w], '--groups', 3)[0]
  y = conv([x], [w])[0][0]
  row = lambda c: Row(Grid(x[c], BLUE, 'x, channel %d' % c, boxes=[(0, 0, 3, 3)]), Words('*'),
                      Grid(w[c], ORANGE, 'w, channel %d' % c), Words('='),
                      Grid(parts[c], GREY, 'sum over r, s', boxes=[(0, 0, 1, 1)]))
  return Row(Column(row(0), row(1), row(2), gap=14), Words('\u2192'),
             Grid(y, GREEN, 'y, one channel', 'the three added up', boxes=[(0, 0, 1, 1)]), gap=22)


def one_dimension():
  x, w = [[1, 3, 2, 0, 1, 4, 2, 1], [0, 1, 0, 2, 1, 0, 3, 1]], [[1, 2, 1], [1, 0, -1]]
  y = conv([x], [w])[0]
  return Row(Grid(x, BLUE, 'x: 2 channels of 8', boxes=[(0, 2, 2, 3)]), Words('*'),
             Grid(w, ORANGE, 'w: 2 channels of 3'), Words('='),
             Grid(y, GREEN, 'y: 1 channel of 6', boxes=[(0, 2, 1, 1)]))


def three_dimensions():
  x = [[[(3 * d + 2 * h + h * v + v) % 4 for v in range(4)] for h in range(4)] for d in range(3)]
  w = [[[1, 0], [0, 1]], [[0, -1], [-1, 0]]]
  y = conv([[x]], [[w]])[0][0]
  volume = lambda name, slices, colour, boxes, dashes: Column(
      *[Grid(plane, colour, '%s, d = %d' % (name, i), boxes=boxes if i in dashes else [])
        for i, plane in enumerate(slices)])
  return Row(volume('x', x, BLUE, [(0, 0, 2, 2)], (0, 1)), Words('*'), volume('w', w, ORANGE, [], ()),
             Words('='), volume('y', y, GREEN, [(0, 0, 1, 1)], (0,)), gap=26)


def pointwise():
  x = [[[1, 0, 2], [3, 1, 0], [0, 2, 1]], [[2, 1, 0], [0, 1, 1], [3, 0, 2]],
       [[0, 1, 1], [2, 0, 1], [1, 1, 0]]]
  w = [[1, 2, 0], [0, 1, -1]]
  y = conv([x], [[[[v]] for v in row] for row in w])[0]
  pixels = [[x[c][h][v] for h in range(3) for v in range(3)] for c in range(3)]
  out = [[y[k][p][q] for p in range(3) for q in range(3)] for k in range(2)]
  return Row(Grid(w, ORANGE, 'w: K \u00d7 C', boxes=[(1, 0, 1, 3)]), Words('\u00d7'),
                    Grid(pixels, BLUE, 'x: C \u00d7 9 pixels, as it lies in memory', boxes=[(0, 4, 3, 1)]),
                    Words('='), Grid(out, GREEN, 'y: K \u00d7 9 pixels', boxes=[(1, 4, 1, 1)]))


def arithmetic():
  x, w = [1, 2, 3, 4, 5], [[[1, 1, 1]]]

  def strip(words, pad, stride):
    padded = conv([[x]], [[[1]]], '--pad', pad)[0]
    y = conv([[x]], w, '--pad', pad, '--stride', stride)[0]
    inside = lambda i, j, value: BLUE if pad <= j < pad + len(x) else GREY
    positions = Grid(padded, inside, '%s: pad %d, stride %d' % (words, pad, stride), boxes=[(0, 0, 1, 3)])
    return Row(positions, Words('\u2192'), Grid(y, GREEN, '%d positions' % len(y[0]), boxes=[(0, 0, 1, 1)]))

  strips = [strip('valid', 0, 1), strip('same', 1, 1), strip('full', 2, 1), strip('same', 1, 2)]
  return Row(Grid(w[0], ORANGE, 'w'), Words('*'), Column(*strips, gap=14, left=True), gap=24)


def transposed():
  x, w = [[1, 2], [3, 4]], [[1, 2, 1], [0, 1, 0], [2, 0, 1]]
  places = [(0, 0), (0, 1), (1, 0), (1, 1)]

  def scatter(stride):
    size = 2 + stride + 1 if stride == 1 else 5
    row = []
    for i, j in places:
      only = [[x[a][b] if (a, b) == (i, j) else 0 for b in range(2)] for a in range(2)]
      y = conv([[only]], [[w]], '--transposed', '--stride', stride)[0][0]
      here = lambda a, b, value, i=i, j=j: (
          ORANGE if i * stride <= a < i * stride + 3 and j * stride <= b < j * stride + 3 else WHITE)
      row += [Grid(y, here, '%d \u00b7 w' % x[i][j], cell=20, size=11), Words('+')]
    y = conv([[x]], [[w]], '--transposed', '--stride', stride)[0][0]
    total = Grid(y, GREEN, 'y: %d \u00d7 %d' % (size, size), cell=24)
    return Row(*row[:-1], Words('='), total, gap=10)

  head = Row(Grid(x, BLUE, 'x'), Grid(w, ORANGE, 'w'), gap=40)
  return Column(head, Words('stride 1', HEADING), scatter(1), Words('stride 2', HEADING), scatter(2), gap=8)


def matrix():
  w, small_x = [[1, 2, 3], [4, 5, 6], [7, 8, 9]], [[1, 2], [3, 4]]
  # one 1 at a time gives the columns
  columns = conv([[impulse(4, 4, i, j)] for i in range(4) for j in range(4)], [[w]])
  c = [[columns[i][0][p][q] for i in range(16)] for p in range(2) for q in range(2)]
  columns = conv([[impulse(2, 2, i, j)] for i in range(2) for j in range(2)], [[w]], '--transposed')
  back = [[columns[i][0][h][v] for i in range(4)] for h in range(4) for v in range(4)]
  y = conv([[X4]], [[w]])[0][0]
  large_y = conv([[small_x]], [[w]], '--transposed')[0][0]
  mark = lambda i, j, value: ORANGE if value else WHITE
  grid = lambda values, colour, caption: Grid(values, colour, caption, cell=20, size=11)
  flat = lambda image, colour, caption: grid([[value] for row in image for value in row], colour, caption)
  forward = Row(grid(c, mark, 'C: 4 \u00d7 16'), Words('\u00b7'), flat(X4, BLUE, 'x'), Words('='),
                flat(y, GREEN, 'y'), gap=8)
  backward = Row(grid(back, mark, 'C\u1d40: 16 \u00d7 4'), Words('\u00b7'), flat(small_x, BLUE, 'x'),
                 Words('='), flat(large_y, GREEN, 'y'), gap=8)
  return Row(forward, backward, gap=44)


def subpixel():
  x, w = [[1, 2], [3, 4]], [[1, 2, 1], [2, 4, 2], [1, 2, 1]]
  y = conv([[x]], [[w]], '--transposed', '--stride', 2)[0][0]
  colour = lambda i, j, value: GROUPS[i % 2 * 2 + j % 2]
  classes = []
  for i, j in ((0, 0), (0, 1), (1, 0), (1, 1)):
    taps = [row[j::2] for row in w[i::2]]
    part = conv([[x]], [[taps]], '--transposed')[0][0]
    assert part == [row[j::2] for row in y[i::2]]
    classes.append(Row(Grid(x, WHITE), Words('*', 16), Grid(taps, GROUPS[2 * i + j]), Words('=', 16),
                       Grid(part, GROUPS[2 * i + j]), gap=10))
  small = Column(Row(classes[0], classes[1], gap=40), Row(classes[2], classes[3], gap=40), gap=14, left=True)
  return Row(Grid(w, colour, 'w'), small, Grid(y, colour, 'y, stride 2'), gap=36)


def checkerboard():
  def counts(size, kernel, stride):
    return conv([[filled([size, size])]], [[filled([kernel, kernel])]], '--transposed', '--stride',
                stride)[0][0]

  board = lambda size, kernel, words: Grid(
      (values := counts(size, kernel, 2)), shade(values), 'kernel %d, stride 2' % kernel, words, cell=24)
  plain = conv([[filled([11, 11])]], [[filled([3, 3])]])[0][0]
  resized = Grid(plain, lambda i, j, value: '#a3c8ec', 'enlarge, then 3 \u00d7 3',
                 'each gets 9: even', cell=24)
  return Row(board(4, 3, '1, 2 or 4 taps: a checkerboard'), board(4, 4, 'each gets 4, but for the edge'),
             resized, gap=24)


def dilated():
  grids, y = [], [[impulse(15, 15, 7, 7)]]
  # from one element of y back to what it has seen, layer by layer
  for rate, size in ((1, 3), (2, 7), (4, 15)):
    y = conv(y, [[filled([3, 3])]], '--pad', rate, '--dilation', rate)
    seen = [[int(value > 0) for value in row] for row in y[0][0]]
    sees = sum(row.count(1) > 0 for row in seen)
    taps = conv([[impulse(15, 15, 7, 7)]], [[filled([3, 3])]], '--pad', rate, '--dilation', rate)[0][0]
    colour = lambda i, j, value, taps=taps: ORANGE if taps[i][j] else GREEN if value else WHITE
    assert sees == size
    grids.append(Grid(seen, colour, 'layer %d, dilation %d' % (len(grids) + 1, rate),
                      'sees %d \u00d7 %d of x' % (sees, sees), cell=14, show=False))
  return Row(*grids, gap=26)


def separable():
  x = [[0, 0, 1, 4, 4], [0, 1, 3, 4, 4], [0, 1, 4, 4, 4], [1, 2, 4, 4, 3], [1, 3, 4, 4, 3]]
  column, row = [[1], [2], [1]], [[1, 0, -1]]
  middle = conv([[x]], [[column]])[0][0]
  y = conv([[middle]], [[row]])[0][0]
  product = [[a[0] * b for b in row[0]] for a in column]
  whole = conv([[x]], [[product]])[0][0]
  assert whole == y
  top = Row(Grid(product, ORANGE, 'Sobel: 9 weights'), Words('='), Grid(column, ORANGE, '3 weights'),
            Words('\u00b7'), Grid(row, ORANGE, '3 weights'))
  way = Row(Grid(x, BLUE, 'x', boxes=[(0, 0, 3, 1)]), Words('\u2192'),
            Grid(middle, GREY, 'after the column', '15 positions \u00b7 3 = 45', boxes=[(0, 0, 1, 3)]),
            Words('\u2192'), Grid(y, GREEN, 'after the row: y', '9 positions \u00b7 3 = 27',
                                  boxes=[(0, 0, 1, 1)]))
  return Column(top, way, gap=22)


def channels(names, colour_of):
  return [(name, colour_of(i)) for i, name in enumerate(names)]


def links(w, *options):
  """Which channel of x reaches which channel of y: channel i of the batch holds only a 1."""
  count = len(w[0]) * (options[options.index('--groups') + 1] if '--groups' in options else 1)
  x = [[[[int(i == j)]] for j in range(count)] for i in range(count)]
  y = conv(x, w, *options)
  return [(i, k) for i in range(count) for k in range(len(y[i])) if y[i][k][0][0]]


def names(prefix, count):
  return ['%s%d' % (prefix, i) for i in range(count)]


def depthwise():
  x = [[[1, 2, 0, 1], [0, 1, 3, 2], [2, 0, 1, 0]], [[0, 1, 1, 0], [2, 0, 1, 1], [1, 3, 0, 2]],
       [[3, 0, 1, 2], [1, 1, 0, 0], [0, 2, 1, 1]]]
  w = [[[1, 0], [0, 1]], [[1, -1], [0, 0]], [[1, 0], [-1, 0]], [[0, 1], [1, 0]], [[1, 1], [1, 1]],
       [[0, 0], [2, 1]]]
  y = conv([x], [[plane] for plane in w], '--groups', 3)[0]
  rows = []
  for c in range(3):
    both = lambda values, name, c=c: [Grid(values[k], GROUPS[c], '%s%d' % (name, k))
                                      for k in (2 * c, 2 * c + 1)]
    rows.append(Row(Grid(x[c], GROUPS[c], 'x%d' % c), Words('*'), *both(w, 'w'), Words('='), *both(y, 'y'),
                    gap=20))
  return Column(*rows, gap=14)


def depthwise_separable():
  first = links(filled([3, 1, 1, 1]), '--groups', 3)
  columns = [('x: 3', channels(names('c', 3), lambda i: GROUPS[i])),
             ('between: 3', channels(names('c', 3), lambda i: GROUPS[i])),
             ('y: 8', channels(names('k', 8), lambda i: GREY))]
  return Links(columns, [first, links(filled([8, 3, 1, 1]))], ['3 \u00d7 3 each', '1 \u00d7 1'], gap=150)


def flattened():
  x = [X4, OTHER4]
  lateral = conv([x], [[[[1]], [[2]]]])
  vertical = conv(lateral, [[[[1], [2], [1]]]])
  y = conv(vertical, [[[[1, 0, -1]]]])
  pass_of = lambda w, words: Column(Words(words, 12), Grid(w, ORANGE, cell=24))
  return Row(Column(Grid(x[0], BLUE, 'x, channel 0', boxes=[(0, 0, 1, 1)]),
                    Grid(x[1], BLUE, 'x, channel 1', boxes=[(0, 0, 1, 1)])),
             pass_of([[1, 2]], 'lateral\nC \u00d7 1 \u00d7 1'),
             Grid(lateral[0][0], GREY, boxes=[(0, 0, 3, 1)]),
             pass_of([[1], [2], [1]], 'vertical\n1 \u00d7 R \u00d7 1'),
             Grid(vertical[0][0], GREY, boxes=[(0, 0, 1, 3)]),
             pass_of([[1, 0, -1]], 'horizontal\n1 \u00d7 1 \u00d7 S'),
             Grid(y[0][0], GREEN, 'y'), gap=16)


def grouped():
  grey = lambda i: GREY
  whole = Links([('x', channels(names('c', 6), grey)), ('y', channels(names('k', 6), grey))],
                [links(filled([6, 6, 1, 1]))])
  colour = lambda i: GROUPS[i // 2]
  parts = Links([('x', channels(names('c', 6), colour)), ('y', channels(names('k', 6), colour))],
                [links(filled([6, 2, 1, 1]), '--groups', 3)])
  return Row(Column(Words('1 group: 36 kernels', HEADING), whole),
             Column(Words('3 groups: 12 kernels', HEADING), parts), gap=60)


def shuffled_grouped():
  colour = lambda i: GROUPS[i // 2]
  same = filled([6, 2, 1, 1])
  shuffled = links(same, '--groups', 3, '--shuffle', 3)
  one = [[[[int(i == j % 2)]] for i in range(2)] for j in range(6)]
  order = {to: start for start, to in links(one, '--groups', 3, '--shuffle', 3)}
  layers = [('x', channels(names('c', 6), colour)),
            ('y, shuffled', [('k%d' % order[k], colour(order[k])) for k in range(6)]),
            ('next layer', channels(names('', 6), lambda i: GREY))]
  return Links(layers, [shuffled, links(same, '--groups', 3)],
               ['grouped', 'grouped'], gap=150)


def pointwise_grouped():
  w = [[[[1 + k + 2 * c]] for c in range(2)] for k in range(6)]
  x = [[[[int(i == j)]] for j in range(6)] for i in range(6)]
  y = conv(x, w, '--groups', 3)
  grid = [[y[c][k][0][0] for c in range(6)] for k in range(6)]
  colour = lambda i, j, value: GROUPS[i // 2] if i // 2 == j // 2 else WHITE
  blocks = [Grid([[w[2 * g + k][c][0][0] for c in range(2)] for k in range(2)], GROUPS[g], 'group %d' % g)
            for g in range(3)]
  return Row(Grid(grid, colour, 'as one K \u00d7 C matrix'), Words('\u2192'), Row(*blocks, gap=18),
             Words('one batched\nmatrix product', 13), gap=22)


def padding():
  x = [[[1, 2, 3, 4]]]
  rows = []
  for mode in ('zeros', 'reflect', 'replicate', 'circular'):
    y = conv(x, [[[1]]], '--pad', 3, '--pad-mode', mode)[0]
    inside = lambda i, j, value: BLUE if 3 <= j < 7 else GREY
    rows.append(Row(Words('%9s' % mode, 14), Grid(y, inside)))
  widest = max(row.items[0].width for row in rows)
  for row in rows:
    row.width += widest - row.items[0].width
    row.items[0].width = widest
  return Column(*rows, gap=8, left=True)


PICTURES = {
    'cross-correlation': (cross_correlation, 'Cross-correlation and convolution of an impulse'),
    'multi-channel': (multi_channel, 'A 2D convolution of three channels'),
    'one-dimension': (one_dimension, 'A 1D convolution of two channels'),
    'three-dimensions': (three_dimensions, 'A 3D convolution'),
    'pointwise': (pointwise, 'A 1x1 convolution is a matrix product'),
    'arithmetic': (arithmetic, 'Sizes of valid, same and full padding'),
    'transposed': (transposed, 'A transposed convolution as a sum of kernels'),
    'subpixel': (subpixel, 'A transposed convolution of stride 2 as four small ones'),
    'matrix': (matrix, 'The sparse matrix of a convolution and its transpose'),
    'checkerboard': (checkerboard, 'How many taps reach each element'),
    'dilated': (dilated, 'Receptive fields of stacked dilated convolutions'),
    'separable': (separable, 'The Sobel kernel as a column and a row'),
    'depthwise': (depthwise, 'A depthwise convolution with multiplier 2'),
    'depthwise-separable': (depthwise_separable, 'Depthwise, then 1x1'),
    'flattened': (flattened, 'Lateral, vertical and horizontal passes'),
    'grouped': (grouped, 'Channels of a standard and of a grouped convolution'),
    'shuffled-grouped': (shuffled_grouped, 'A grouped convolution with a channel shuffle'),
    'pointwise-grouped': (pointwise_grouped, 'A grouped 1x1 convolution as a block-diagonal matrix'),
    'padding': (padding, 'What padding holds'),
}


def main():
  check = '--check' in sys.argv[1:]
  wanted = [name for name in sys.argv[1:] if name != '--check'] or list(PICTURES)
  wrong = []
  for name in wanted:
    draw, title = PICTURES[name]
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), name + '.svg')
    content = svg(title, draw())
    if not check:
      with open(path, 'w', encoding='utf-8') as file:
        file.write(content)
      continue
    with open(path, encoding='utf-8') as file:
      if file.read() != content:
        wrong.append(name)
  if wrong:
    sys.exit('not what convoy computes now: %s; run docs/pictures/make.py and look' % ', '.join(wrong))
  print('%d pictures' % len(wanted))


if __name__ == '__main__':
  main()
