/*
 * team_board.h - where things are on a team's board, memory that the host and kernels share (team.c, and
 * cl/team.cl, which includes this as well), in numbers of 32 bits.
 *
 * Work-groups done, by all members, of all launches, and what long waits took, in LONG_WAIT looks; the last
 * launch that is on the board, and whether that is CLOSED; for each member, a line of the cache from the
 * others: base + work-groups of its share that are taken, by whomever, and the last launch that it has done
 * with; then a ring of launches. Launches have even numbers. All counts go round: differences stay right, of
 * unsigned numbers, which compilers know to go round.
 */
#ifndef CVY_RUNTIME_TEAM_BOARD_H
#define CVY_RUNTIME_TEAM_BOARD_H

#define MAX_MEMBERS 16 /* the host enqueues for each of them */
#define LINE 32
#define DONE 0
#define WAITS 1
#define POSTED LINE
#define TAKEN(member) ((2 + (member)) * LINE)
#define PASSED(member) (TAKEN(member) + 1)
#define LAUNCHES TAKEN(MAX_MEMBERS)
#define RING 1024
#define LAUNCH_STRIDE 16
#define CLOSED 1
#define LONG_WAIT 65536

#endif
