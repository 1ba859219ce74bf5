/*
 * Runs a program and says when each line of its output came:
 *
 *     stamp_lines PROGRAM        for e2e/tutorial.sh
 *
 * Prints "SECONDS<tab>LINE" a line, and exits as the program did.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static FILE *start(const char *program, pid_t *child)
{
    int fds[2];

    if (pipe(fds) < 0 || (*child = fork()) < 0) {
        perror("stamp_lines");
        exit(2);
    }
    if (*child == 0) {
        dup2(fds[1], 1);
        close(fds[0]);
        close(fds[1]);
        execl(program, program, (char *)NULL);
        perror(program);
        _exit(2);
    }
    close(fds[1]);
    return fdopen(fds[0], "r");
}

int main(int argc, char **argv)
{
    char line[4096];
    double begin = now();
    pid_t child = 0;
    int status;
    FILE *output = argc == 2 ? start(argv[1], &child) : NULL;

    if (output == NULL) {
        return 2;
    }
    while (fgets(line, sizeof line, output) != NULL) {
        printf("%.3f\t%s", now() - begin, line);
    }
    return waitpid(child, &status, 0) == child && WIFEXITED(status) ? WEXITSTATUS(status) : 2;
}
