/* svg.c - what the pictures share. */
#include "svg.h"

static const char *const colours[] = {"#0072b2", "#d55e00", "#009e73", "#cc79a7",
                                      "#e69f00", "#56b4e9", "#8a7d00", "#666666"};

const char *cvy_svg_colour(size_t index)
{
    return colours[index % (sizeof(colours) / sizeof(colours[0]))];
}

void cvy_svg_text(FILE *file, const char *text)
{
    for (; *text; text++) {
        switch (*text) {
        case '&':
            fputs("&amp;", file);
            break;
        case '<':
            fputs("&lt;", file);
            break;
        case '"':
            fputs("&quot;", file);
            break;
        default:
            if ((unsigned char)*text >= ' ') {
                fputc(*text, file);
            }
        }
    }
}

void cvy_svg_begin(FILE *file, int width, int height)
{
    fprintf(file,
            "<svg xmlns='http://www.w3.org/2000/svg' width='%d' height='%d' viewBox='0 0 %d %d' "
            "font-family='sans-serif' font-size='12' fill='none'>\n"
            "<style>text{fill:#222}</style>\n<rect width='100%%' height='100%%' fill='#fff'/>\n",
            width, height, width, height);
}
