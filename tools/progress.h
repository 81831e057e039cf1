/* progress.h - a bar on the terminal. */
#ifndef TOOLS_PROGRESS_H
#define TOOLS_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>

#define CVY_BAR_WIDTH 20

/* "####......" for a share from 0 to 1; text has room for CVY_BAR_WIDTH characters and the end. Returns text.
 */
const char *cvy_progress_bar(char *text, double share);

/* Whether there is somebody to see it: stderr is a terminal. */
bool cvy_progress_wanted(void);
/* How many of all are done, how fast, and how long the rest takes. */
void cvy_progress_show(size_t done, size_t count, double seconds);
/* Takes the bar away. */
void cvy_progress_end(bool shown);

#endif
