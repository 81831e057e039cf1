/* progress.c - a bar on the terminal. */
#include "progress.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

const char *cvy_progress_bar(char *text, double share)
{
    const int filled = (int)(share * CVY_BAR_WIDTH);
    memset(text, '.', CVY_BAR_WIDTH);
    memset(text, '#', (size_t)(filled < CVY_BAR_WIDTH ? filled : CVY_BAR_WIDTH));
    text[CVY_BAR_WIDTH] = '\0';
    return text;
}

bool cvy_progress_wanted(void)
{
    return isatty(STDERR_FILENO);
}

void cvy_progress_show(size_t done, size_t count, double seconds)
{
    char bar[CVY_BAR_WIDTH + 1];
    const double rate = seconds > 0 ? (double)done / seconds : 0;
    fprintf(stderr, "[%s] %zu/%zu  %.1f a second",
            cvy_progress_bar(bar, (double)done / (double)count), done, count, rate);
    if (rate > 0) {
        fprintf(stderr, "  %.0f s left", (double)(count - done) / rate);
    }
    fputs("\033[K\r", stderr); /* a message begins over the bar, not behind it */
    fflush(stderr);
}

void cvy_progress_end(bool shown)
{
    if (shown) {
        fputs("\r\033[K", stderr);
    }
}
