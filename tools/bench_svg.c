/* bench_svg.c - draws the roofline: operations for each byte across, operations a second upwards. */
#include "bench.h"
#include "svg.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LEFT = 80, TOP = 50, WIDE = 640, HIGH = 480, LEGEND = 760, ROW = 16, WIDTH = 1180 };

struct point {
    const struct cvy_bench_result *result;
    struct cvy_bench_place place;
    double x, y;             /* in the picture */
    double label_x, label_y; /* where its number stands */
};

struct drawing {
    FILE *file;
    const struct cvy_bench_report *report;
    struct point *points;
    size_t count;
    double x0, x1, y0, y1; /* log10 of the ends of the axes */
};

static double across(const struct drawing *drawing, double intensity)
{
    return LEFT + WIDE * (log10(intensity) - drawing->x0) / (drawing->x1 - drawing->x0);
}

static double upwards(const struct drawing *drawing, double flops)
{
    return TOP + HIGH * (1 - (log10(flops) - drawing->y0) / (drawing->y1 - drawing->y0));
}

static void find_ranges(struct drawing *drawing)
{
    const struct cvy_device_rates *rates = &drawing->report->rates;
    const double ridge = rates->flops / rates->memory_bytes;
    const double cache_ridge = rates->flops / fmax(rates->memory_bytes, rates->cache_bytes);
    /* room for the names of the slanted roofs */
    double least_x = fmin(ridge / 4, cache_ridge / 5), most_x = ridge * 4, least_y = rates->flops / 30,
           most_y = rates->flops;
    for (size_t i = 0; i < drawing->count; i++) {
        const struct cvy_bench_place *place = &drawing->points[i].place;
        least_x = fmin(least_x, place->intensity);
        most_x = fmax(most_x, place->intensity);
        least_y = fmin(least_y, place->flops);
        most_y = fmax(most_y, place->flops);
    }
    drawing->x0 = log10(least_x / 1.5);
    drawing->x1 = log10(most_x * 1.5);
    drawing->y0 = log10(least_y / 1.5);
    drawing->y1 = log10(most_y * 2);
}

static bool overlaps(const struct drawing *drawing, size_t index, double x, double y)
{
    for (size_t i = 0; i < drawing->count; i++) {
        const struct point *other = &drawing->points[i];
        if ((fabs(other->x - x) < 12 && fabs(other->y - y) < 9) ||
            (i < index && fabs(other->label_x - x) < 17 && fabs(other->label_y - y) < 11)) {
            return true;
        }
    }
    return x < LEFT + 8 || x > LEFT + WIDE - 8 || y < TOP + 6 || y > TOP + HIGH - 6;
}

/* Numbers beside their points where there is room, otherwise farther away. */
static void place_labels(struct drawing *drawing)
{
    for (size_t i = 0; i < drawing->count; i++) {
        struct point *point = &drawing->points[i];
        bool placed = false;
        for (int step = 0; step < 160 && !placed; step++) {
            const double angle = 0.4 + 0.7853981634 * step, radius = 13 + 5 * (step / 8);
            point->label_x = point->x + radius * cos(angle);
            point->label_y = point->y - radius * sin(angle);
            placed = !overlaps(drawing, i, point->label_x, point->label_y);
        }
    }
}

static void draw_tick(const struct drawing *drawing, double value, int digit, bool is_x)
{
    const double at = is_x ? across(drawing, value) : upwards(drawing, value * 1e9);
    const char *colour = digit == 1 ? "#ccc" : "#eee";
    if (is_x) {
        fprintf(drawing->file, "<path d='M%.1f %dv%d' stroke='%s'/>\n", at, TOP, HIGH, colour);
        fprintf(drawing->file, "<text x='%.1f' y='%d' text-anchor='middle'>%g</text>\n", at, TOP + HIGH + 18,
                value);
    } else {
        fprintf(drawing->file, "<path d='M%d %.1fh%d' stroke='%s'/>\n", LEFT, at, WIDE, colour);
        fprintf(drawing->file, "<text x='%d' y='%.1f' text-anchor='end'>%g</text>\n", LEFT - 8, at + 4,
                value);
    }
}

static void draw_axis(const struct drawing *drawing, bool is_x)
{
    const double low = is_x ? drawing->x0 : drawing->y0 - 9, high = is_x ? drawing->x1 : drawing->y1 - 9;
    static const int digits[] = {1, 2, 5};
    for (int decade = (int)floor(low); decade <= (int)ceil(high); decade++) {
        for (size_t i = 0; i < 3; i++) {
            const double value = digits[i] * pow(10, decade);
            /* over many decades only whole ones have room */
            if (log10(value) > low && log10(value) < high && (digits[i] == 1 || high - low < 4)) {
                draw_tick(drawing, value, digits[i], is_x);
            }
        }
    }
}

/* A slanted roof, from the left edge up to the peak. */
static void draw_bandwidth(const struct drawing *drawing, double bytes, const char *name, const char *dashes)
{
    const double peak = drawing->report->rates.flops;
    const double left = fmax(pow(10, drawing->x0), pow(10, drawing->y0) / bytes);
    const double right = fmin(peak / bytes, pow(10, drawing->x1));
    if (left >= right) {
        return;
    }
    const double xa = across(drawing, left), ya = upwards(drawing, left * bytes);
    const double xb = across(drawing, right), yb = upwards(drawing, right * bytes);
    const double angle = atan2(yb - ya, xb - xa) * 57.29577951;
    fprintf(drawing->file, "<path d='M%.1f %.1fL%.1f %.1f' stroke='#000' stroke-width='1.6'%s/>\n", xa, ya,
            xb, yb, dashes);
    fprintf(drawing->file,
            "<text transform='translate(%.1f %.1f) rotate(%.2f)' text-anchor='middle' dy='-6'>%s %.1f "
            "GB/s</text>\n",
            (xa + xb) / 2, (ya + yb) / 2, angle, name, 1e-9 * bytes);
}

static void draw_roofs(const struct drawing *drawing)
{
    const struct cvy_device_rates *rates = &drawing->report->rates;
    const double left =
        fmax(rates->flops / fmax(rates->memory_bytes, rates->cache_bytes), pow(10, drawing->x0));
    const double y = upwards(drawing, rates->flops);
    fprintf(drawing->file, "<path d='M%.1f %.1fH%d' stroke='#000' stroke-width='1.6'/>\n",
            across(drawing, left), y, LEFT + WIDE);
    fprintf(drawing->file, "<text x='%d' y='%.1f' text-anchor='end'>peak %.0f GFLOP/s</text>\n",
            LEFT + WIDE - 6, y - 6, 1e-9 * rates->flops);
    draw_bandwidth(drawing, rates->memory_bytes, "memory", "");
    if (rates->cache_bytes > 1.3 * rates->memory_bytes) {
        draw_bandwidth(drawing, rates->cache_bytes, "caches", " stroke-dasharray='5 4'");
    }
}

/* A colour for each algorithm, in the order of their points. */
static const char *colour_of(const struct drawing *drawing, size_t index)
{
    size_t first = 0, before = 0;
    while (strcmp(drawing->points[first].result->algorithm, drawing->points[index].result->algorithm) != 0) {
        first++;
    }
    for (size_t i = 0; i < first; i++) {
        size_t same = 0;
        while (strcmp(drawing->points[same].result->algorithm, drawing->points[i].result->algorithm) != 0) {
            same++;
        }
        before += same == i;
    }
    return cvy_svg_colour(before);
}

static void draw_points(const struct drawing *drawing)
{
    for (size_t i = 0; i < drawing->count; i++) {
        const struct point *point = &drawing->points[i];
        fprintf(drawing->file, "<path d='M%.1f %.1fL%.1f %.1f' stroke='#aaa' stroke-width='.6'/>\n", point->x,
                point->y, point->label_x, point->label_y);
    }
    for (size_t i = 0; i < drawing->count; i++) {
        const struct point *point = &drawing->points[i];
        const char *colour = colour_of(drawing, i);
        fprintf(drawing->file, "<circle cx='%.1f' cy='%.1f' r='4.5' fill='%s' fill-opacity='.8'><title>",
                point->x, point->y, colour);
        cvy_svg_text(drawing->file, cvy_workload_label(point->result->item));
        fprintf(drawing->file, ", %s, %.1f GFLOP/s</title></circle>\n", point->result->algorithm,
                1e-9 * point->place.flops);
        fprintf(drawing->file, "<text x='%.1f' y='%.1f' text-anchor='middle' font-size='11'>%zu</text>\n",
                point->label_x, point->label_y + 4, i + 1);
    }
}

static void draw_legend(const struct drawing *drawing)
{
    for (size_t i = 0; i < drawing->count; i++) {
        const struct point *point = &drawing->points[i];
        const int y = TOP + 8 + ROW * (int)i;
        const char *label = cvy_workload_label(point->result->item);
        const bool is_long = strlen(label) > 34;
        fprintf(drawing->file, "<circle cx='%d' cy='%d' r='4' fill='%s'/>", LEGEND, y - 4,
                colour_of(drawing, i));
        fprintf(drawing->file, "<text x='%d' y='%d' text-anchor='end'>%zu</text><text x='%d' y='%d'>",
                LEGEND + 30, y, i + 1, LEGEND + 38, y);
        char text[40];
        snprintf(text, sizeof(text), "%.*s%s", is_long ? 32 : 34, label, is_long ? "..." : "");
        cvy_svg_text(drawing->file, text);
        fprintf(drawing->file,
                "</text><text x='%d' y='%d'>%s</text><text x='%d' y='%d' text-anchor='end'>%.1f</text>\n",
                LEGEND + 250, y, point->result->algorithm, WIDTH - 20, y, 1e-9 * point->place.flops);
    }
}

static void draw(const struct drawing *drawing)
{
    FILE *file = drawing->file;
    char device[192];
    const int rows = TOP + ROW * (int)drawing->count + 20;
    const int height = rows > TOP + HIGH + 60 ? rows : TOP + HIGH + 60;
    cvy_svg_begin(file, WIDTH, height);
    cvy_cli_describe_device(drawing->report->params->device, device, sizeof(device));
    fprintf(file, "<text x='%d' y='26' font-size='15'>", LEFT);
    cvy_svg_text(file, device);
    fprintf(file, "%s</text>\n", drawing->report->rates.is_measured ? "" : " (roofs guessed)");
    draw_axis(drawing, true);
    draw_axis(drawing, false);
    fprintf(file, "<rect x='%d' y='%d' width='%d' height='%d' stroke='#888'/>\n", LEFT, TOP, WIDE, HIGH);
    fprintf(file, "<text x='%d' y='%d' text-anchor='middle'>FLOP for each byte of x, w and y</text>\n",
            LEFT + WIDE / 2, TOP + HIGH + 42);
    fprintf(file, "<text transform='translate(22 %d) rotate(-90)' text-anchor='middle'>GFLOP/s</text>\n",
            TOP + HIGH / 2);
    draw_roofs(drawing);
    draw_points(drawing);
    fprintf(file, "<text x='%d' y='34' text-anchor='end'>GFLOP/s</text>\n", WIDTH - 20);
    draw_legend(drawing);
    fputs("</svg>\n", file);
}

static void gather(struct drawing *drawing, const struct cvy_bench_result *results, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (results[i].algorithm[0]) {
            struct point *point = &drawing->points[drawing->count++];
            point->result = &results[i];
            point->place = cvy_bench_place(&results[i], &drawing->report->rates);
        }
    }
    find_ranges(drawing);
    for (size_t i = 0; i < drawing->count; i++) {
        struct point *point = &drawing->points[i];
        point->x = across(drawing, point->place.intensity);
        point->y = upwards(drawing, point->place.flops);
    }
    place_labels(drawing);
}

bool cvy_bench_draw(FILE *file, const struct cvy_bench_report *report, const struct cvy_bench_result *results,
                    size_t count)
{
    struct drawing drawing = {.file = file, .report = report};
    drawing.points = calloc(count, sizeof(*drawing.points));
    if (!drawing.points) {
        cvy_cli_error("out of memory");
        return false;
    }
    gather(&drawing, results, count);
    draw(&drawing);
    free(drawing.points);
    return true;
}
