"""Grids of numbers, signs and links, laid out in rows and columns and written as SVG."""
from xml.sax.saxutils import escape

BLUE, ORANGE, GREEN, GREY, WHITE = '#d6e6f7', '#fde5c4', '#d5efd6', '#ededed', '#ffffff'
YELLOW, PINK = '#fff2a8', '#f8d3d8'
INK, LINE, MARK = '#222222', '#8a8a8a', '#c0392b'
GROUPS = [BLUE, ORANGE, GREEN, PINK]
STRONG = {BLUE: '#4a86c5', ORANGE: '#d98e2b', GREEN: '#4f9d57', PINK: '#c9606e', GREY: '#9a9a9a'}
FONT = 'DejaVu Sans, Verdana, Helvetica, Arial, sans-serif'
TEXT, SMALL = 13, 11


def text_width(text, size=TEXT):
  return len(text) * size * 0.6


def number(value):
  """2.0 as 2, -1 with a true minus sign, 0.25 as it is."""
  if isinstance(value, str):
    return value
  return ('%g' % value).replace('-', '\u2212')


def text(x, y, words, size=TEXT):
  return '<text x="%g" y="%g" font-size="%g">%s</text>' % (x, y, size, escape(words))


def rect(x, y, width, height, fill, stroke=LINE, stroke_width=1):
  return '<rect x="%g" y="%g" width="%g" height="%g" fill="%s" stroke="%s" stroke-width="%g"/>' % (
      x, y, width, height, fill, stroke, stroke_width)


def line(x1, y1, x2, y2, colour):
  return '<line x1="%g" y1="%g" x2="%g" y2="%g" stroke="%s" stroke-width="1.5"/>' % (x1, y1, x2, y2, colour)


class Grid:
  """A matrix of numbers. fill: a colour, or a function of (row, column, value). boxes: (row, column, rows,
  columns) framed in red."""

  def __init__(self, values, fill=WHITE, caption='', below='', boxes=(), cell=26, show=True, size=TEXT):
    self.values, self.fill, self.caption, self.below = values, fill, caption, below
    self.boxes, self.cell, self.show, self.size = boxes, cell, show, size
    self.inner = cell * max(len(row) for row in values)
    self.width = max(self.inner, text_width(caption), text_width(below, SMALL))
    self.above = 20 if caption else 0
    self.height = self.above + cell * len(values) + (18 if below else 0)
    self.centre = self.above + cell * len(values) / 2

  def draw(self, x, y):
    out = []
    if self.caption:
      out.append(text(x + self.width / 2, y + 13, self.caption))
    left, top, cell = x + (self.width - self.inner) / 2, y + self.above, self.cell
    cells = {}
    for i, row in enumerate(self.values):
      for j, value in enumerate(row):
        fill = self.fill(i, j, value) if callable(self.fill) else self.fill
        corner = 'M%g %gh%gv%gh-%gz' % (left + j * cell, top + i * cell, cell, cell, cell)
        cells[fill] = cells.get(fill, '') + corner
    out += ['<path fill="%s" stroke="%s" d="%s"/>' % (fill, LINE, cells[fill]) for fill in cells]
    if self.show:
      for i, row in enumerate(self.values):
        for j, value in enumerate(row):
          middle = (left + (j + 0.5) * cell, top + (i + 0.5) * cell + self.size * 0.36)
          words = number(value)
          out.append(text(*middle, words, self.size - (2 if len(words) > 2 else 0)))
    for i, j, rows, columns in self.boxes:
      out.append(rect(left + j * cell, top + i * cell, columns * cell, rows * cell, 'none', MARK, 2.5))
    if self.below:
      out.append(text(x + self.width / 2, top + cell * len(self.values) + 14, self.below, SMALL))
    return out


class Words:
  """A sign between grids, or a sentence."""

  def __init__(self, words, size=20):
    self.words, self.size = words.split('\n'), size
    self.width = max(text_width(item, size) for item in self.words)
    self.height = len(self.words) * size * 1.25
    self.centre = self.height / 2

  def draw(self, x, y):
    return [text(x + self.width / 2, y + (i + 0.85) * self.size * 1.25, item, self.size)
            for i, item in enumerate(self.words)]


class Row:
  """Items side by side, their grids' centres on one line."""

  def __init__(self, *items, gap=14):
    self.items, self.gap = items, gap
    self.width = sum(item.width for item in items) + gap * (len(items) - 1)
    self.centre = max(item.centre for item in items)
    self.height = self.centre + max(item.height - item.centre for item in items)

  def draw(self, x, y):
    out = []
    for item in self.items:
      out += item.draw(x, y + self.centre - item.centre)
      x += item.width + self.gap
    return out


class Column:
  """Items one below the other; left: at the left edge, otherwise centred."""

  def __init__(self, *items, gap=10, left=False):
    self.items, self.gap, self.left = items, gap, left
    self.width = max(item.width for item in items)
    self.height = sum(item.height for item in items) + gap * (len(items) - 1)
    self.centre = self.height / 2

  def draw(self, x, y):
    out = []
    for item in self.items:
      out += item.draw(x if self.left else x + (self.width - item.width) / 2, y)
      y += item.height + self.gap
    return out


class Links:
  """Columns of labelled boxes and the lines between neighbours: columns is [(caption, [(label, colour)])],
  links[i] the pairs (from, to) between column i and i + 1, captions[i] what stands above them."""

  def __init__(self, columns, links, captions=(), box=54, gap=90, step=28):
    self.columns, self.links, self.captions = columns, links, captions
    self.box, self.gap, self.step = box, gap, step
    self.most = max(len(boxes) for _, boxes in columns)
    self.edge = max(0, (max(text_width(columns[i][0]) for i in (0, -1)) - box) / 2)
    self.width = len(columns) * box + (len(columns) - 1) * gap + 2 * self.edge
    self.height = 22 + self.most * step
    self.centre = self.height / 2

  def middle(self, column, index):
    boxes = self.columns[column][1]
    return 22 + (self.most - len(boxes)) * self.step / 2 + (index + 0.5) * self.step

  def draw(self, x, y):
    out = []
    x += self.edge
    for i, pairs in enumerate(self.links):
      for pair in pairs:
        colour = self.columns[i][1][pair[0]][1]
        start = x + i * (self.box + self.gap) + self.box
        ends = (start, y + self.middle(i, pair[0]), start + self.gap, y + self.middle(i + 1, pair[1]))
        out.append(line(*ends, STRONG[colour]))
    for i, caption in enumerate(self.captions):
      out.append(text(x + (i + 1) * (self.box + self.gap) - self.gap / 2, y + 13, caption, SMALL))
    for i, (caption, boxes) in enumerate(self.columns):
      left = x + i * (self.box + self.gap)
      out.append(text(left + self.box / 2, y + 13, caption))
      for j, (label, colour) in enumerate(boxes):
        at = y + self.middle(i, j)
        out.append(rect(left, at - 11, self.box, 22, colour))
        out.append(text(left + self.box / 2, at + 4.5, label))
    return out


def svg(title, item, margin=16):
  """The whole file."""
  width, height = item.width + 2 * margin, item.height + 2 * margin
  head = ('<svg xmlns="http://www.w3.org/2000/svg" width="%g" height="%g" viewBox="0 0 %g %g" '
          'font-family="%s" fill="%s" text-anchor="middle">')
  lines = [head % (width, height, width, height, FONT, INK), '<title>%s</title>' % escape(title),
           rect(0, 0, width, height, WHITE, 'none', 0)]
  return '\n'.join(lines + item.draw(margin, margin) + ['</svg>', ''])
