/* svg.h - what the pictures share. */
#ifndef TOOLS_SVG_H
#define TOOLS_SVG_H

#include <stdio.h>

/* Okabe and Ito's colours, which the colour-blind can tell apart; black is left for lines. Any index. */
const char *cvy_svg_colour(size_t index);
/* Text for XML; what is no character there is left out. */
void cvy_svg_text(FILE *file, const char *text);
void cvy_svg_begin(FILE *file, int width, int height);

#endif
