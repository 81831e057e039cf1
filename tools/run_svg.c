/* run_svg.c - draws a run: which offsets of memory are in use at each layer, and the time line below. */
#include "run_trace.h"

#include "svg.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    LEFT = 90,
    TOP = 60,
    WIDE = 1080,
    HIGH = 420,
    TIME_TOP = 560,
    TIME_HIGH = 60,
    WIDTH = 1200,
    HEIGHT = 670
};

struct drawing {
    FILE *file;
    const struct run *run;
    struct cvy_plan_memory memory;
    size_t n_layers, n_items;
    size_t *block_begin; /* where each allocation begins, one above the other */
    size_t total;        /* of all allocations */
    double begin, end;   /* of the time line, ms */
};

static double across(const struct drawing *d, size_t layer)
{
    return LEFT + WIDE * (double)layer / (double)d->n_layers;
}

static double upwards(const struct drawing *d, size_t offset)
{
    return TOP + HIGH * (1 - (double)offset / (double)(d->total ? d->total : 1));
}

static double at_time(const struct drawing *d, double ms)
{
    return LEFT + WIDE * (ms - d->begin) / (d->end > d->begin ? d->end - d->begin : 1);
}

/* A round step of an axis with about that many marks. */
static double round_step(double range, double marks)
{
    double step = 1;
    while (range / step > marks * 10) {
        step *= 10;
    }
    while (range / step < marks / 10 && step > 1e-6) {
        step /= 10;
    }
    return range / step > 5 * marks ? 5 * step : range / step > 2 * marks ? 2 * step : step;
}

static void draw_item(const struct drawing *d, const struct cvy_plan_item *item)
{
    char bytes[32];
    const size_t from = d->block_begin[item->block] + item->offset;
    const double x = across(d, item->first), y = upwards(d, from + item->bytes);
    const double wide = across(d, item->last + 1) - x, high = upwards(d, from) - y;
    fprintf(d->file,
            "<rect x='%.2f' y='%.2f' width='%.2f' height='%.2f' fill='%s' fill-opacity='%s' "
            "stroke='#fff' stroke-width='.5'><title>",
            x, y, wide, high, item->is_scratch ? "#bbb" : cvy_svg_colour(item->first),
            item->is_scratch ? "1" : ".7");
    cvy_svg_text(d->file, item->layer);
    fprintf(d->file, "%s: %s from %zu</title></rect>\n", item->is_scratch ? ", scratch memory" : "",
            cvy_cli_format_bytes(item->bytes, bytes, sizeof(bytes)), item->offset);
    if (wide > 40 && high > 13) {
        const int fits = (int)(wide / 7);
        char text[64];
        snprintf(text, sizeof(text), "%.*s", fits < 63 ? fits : 63, item->layer);
        fprintf(d->file, "<text x='%.1f' y='%.1f' text-anchor='middle' font-size='11'>", x + wide / 2,
                y + high / 2 + 4);
        cvy_svg_text(d->file, text);
        fputs("</text>\n", d->file);
    }
}

static void draw_memory(const struct drawing *d)
{
    const double step = round_step((double)d->total / (1 << 20), 6) * (1 << 20);
    for (double offset = 0; step > 0 && offset <= (double)d->total; offset += step) {
        const double y = upwards(d, (size_t)offset);
        fprintf(d->file,
                "<path d='M%d %.1fh%d' stroke='#ddd'/><text x='%d' y='%.1f' text-anchor='end'>%g</text>\n",
                LEFT, y, WIDE, LEFT - 8, y + 4, offset / (1 << 20));
    }
    for (size_t i = 0; i < d->n_items; i++) {
        struct cvy_plan_item item;
        if (cvy_plan_get_item(d->run->plan, i, &item) == CVY_OK) {
            draw_item(d, &item);
        }
    }
    const double bound = upwards(d, d->memory.lower_bound);
    fprintf(d->file, "<path d='M%d %.1fh%d' stroke='#000' stroke-dasharray='5 4'/>\n", LEFT, bound, WIDE);
    fprintf(d->file, "<rect x='%d' y='%d' width='%d' height='%d' stroke='#888'/>\n", LEFT, TOP, WIDE, HIGH);
    fprintf(d->file,
            "<text transform='translate(24 %d) rotate(-90)' text-anchor='middle'>offset, MiB</text>\n",
            TOP + HIGH / 2);
    const double every = round_step((double)d->n_layers, 12);
    for (double layer = 0; layer < (double)d->n_layers; layer += every < 1 ? 1 : every) {
        fprintf(d->file, "<text x='%.1f' y='%d' text-anchor='middle'>%.0f</text>\n",
                (across(d, (size_t)layer) + across(d, (size_t)layer + 1)) / 2, TOP + HIGH + 16, layer);
    }
    fprintf(d->file, "<text x='%d' y='%d' text-anchor='middle'>layer</text>\n", LEFT + WIDE / 2,
            TOP + HIGH + 34);
}

static void draw_times(const struct drawing *d)
{
    const double step = round_step(d->end - d->begin, 8);
    fprintf(d->file, "<text x='%d' y='%d'>running on the device, ms</text>\n", LEFT, TIME_TOP - 8);
    for (size_t i = 0; i < d->n_layers; i++) {
        struct cvy_plan_layer layer;
        if (cvy_plan_get_layer(d->run->plan, i, &layer) != CVY_OK || layer.run_begin < 0) {
            continue;
        }
        const double x = at_time(d, layer.run_begin), wide = at_time(d, layer.run_end) - x;
        fprintf(d->file, "<rect x='%.2f' y='%d' width='%.2f' height='%d' fill='%s' fill-opacity='.7'><title>",
                x, TIME_TOP, wide, TIME_HIGH, cvy_svg_colour(i));
        cvy_svg_text(d->file, layer.name);
        fprintf(d->file, ", %s %s: %.3f ms</title></rect>\n", layer.op, layer.algorithm, layer.milliseconds);
        if (wide > 16) {
            fprintf(d->file, "<text x='%.1f' y='%d' text-anchor='middle'>%zu</text>\n", x + wide / 2,
                    TIME_TOP + 18, i);
        }
        if (wide > 60) {
            char text[64];
            const int fits = (int)(wide / 7);
            snprintf(text, sizeof(text), "%.*s", fits < 63 ? fits : 63, layer.name);
            fprintf(d->file, "<text x='%.1f' y='%d' text-anchor='middle' font-size='11'>", x + wide / 2,
                    TIME_TOP + 38);
            cvy_svg_text(d->file, text);
            fputs("</text>\n", d->file);
        }
    }
    for (double ms = 0; d->end > d->begin && ms <= d->end - d->begin; ms += step) {
        const double x = at_time(d, d->begin + ms);
        fprintf(d->file,
                "<path d='M%.1f %dv5' stroke='#888'/><text x='%.1f' y='%d' text-anchor='middle'>%g</text>\n",
                x, TIME_TOP + TIME_HIGH, x, TIME_TOP + TIME_HIGH + 20, ms);
    }
    if (d->end <= d->begin) {
        fprintf(d->file, "<text x='%d' y='%d'>the device's clock shows nothing</text>\n", LEFT,
                TIME_TOP + 20);
    }
}

static void draw(const struct drawing *d, const char *model)
{
    char device[192], peak[32], bound[32], without[32];
    cvy_svg_begin(d->file, WIDTH, HEIGHT);
    cvy_cli_describe_device(d->run->device, device, sizeof(device));
    fprintf(d->file, "<text x='%d' y='26' font-size='15'>", LEFT);
    cvy_svg_text(d->file, model);
    fputs(" on ", d->file);
    cvy_svg_text(d->file, device);
    fprintf(d->file,
            "</text>\n<text x='%d' y='46'>memory between layers: %s at most; dashed: the least possible, %s; "
            "without "
            "reuse %s. Grey: scratch memory</text>\n",
            LEFT, cvy_cli_format_bytes(d->memory.peak, peak, sizeof(peak)),
            cvy_cli_format_bytes(d->memory.lower_bound, bound, sizeof(bound)),
            cvy_cli_format_bytes(d->memory.without_reuse, without, sizeof(without)));
    draw_memory(d);
    draw_times(d);
    fputs("</svg>\n", d->file);
}

/* Sizes of the allocations, from what lies in them, and the ends of the time line. */
static bool gather(struct drawing *d)
{
    d->block_begin = calloc(d->n_items + 2, sizeof(*d->block_begin));
    if (!d->block_begin) {
        cvy_cli_error("out of memory");
        return false;
    }
    for (size_t i = 0; i < d->n_items; i++) {
        struct cvy_plan_item item;
        if (cvy_plan_get_item(d->run->plan, i, &item) == CVY_OK) {
            size_t *size = &d->block_begin[item.block + 1];
            *size = item.offset + item.bytes > *size ? item.offset + item.bytes : *size;
        }
    }
    for (size_t i = 1; i <= d->n_items; i++) {
        d->block_begin[i] += d->block_begin[i - 1];
    }
    d->total = d->block_begin[d->n_items];
    for (size_t i = 0; i < d->n_layers; i++) {
        struct cvy_plan_layer layer;
        if (cvy_plan_get_layer(d->run->plan, i, &layer) == CVY_OK && layer.run_begin >= 0) {
            d->begin = i == 0 || layer.run_begin < d->begin ? layer.run_begin : d->begin;
            d->end = layer.run_end > d->end ? layer.run_end : d->end;
        }
    }
    return true;
}

bool cvy_run_draw(const struct run *run, const char *model, const char *path)
{
    struct drawing d = {
        .run = run, .n_layers = cvy_plan_layer_count(run->plan), .n_items = cvy_plan_item_count(run->plan)};
    cvy_plan_get_memory(run->plan, &d.memory);
    if (!gather(&d)) {
        return false;
    }
    d.file = fopen(path, "w");
    if (d.file) {
        draw(&d, model);
    }
    bool done = d.file && !ferror(d.file);
    done = d.file && fclose(d.file) == 0 && done;
    if (!done) {
        cvy_cli_error("%s: %s", path, strerror(errno));
        if (d.file) {
            remove(path);
        }
    }
    free(d.block_begin);
    return done;
}
