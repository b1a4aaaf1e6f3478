/* A sieve. Small inputs come as texts in the environment, so that no JSON needs to be read. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static volatile sig_atomic_t told_to_stop = 0;

static void on_term(int number) {
    (void)number;
    told_to_stop = 1;
}

static int fail(const char *code, const char *message) {
    FILE *file = fopen(getenv("TASK_ERROR"), "w");
    if (file != NULL) {
        fprintf(file, "{\"code\": \"%s\", \"message\": \"%s\"}", code, message);
        fclose(file);
    }
    return 1;
}

int main(void) {
    const char *task = getenv("TASK_NAME"), *upto_text = getenv("TASK_VALUE_upto");
    if (task == NULL || upto_text == NULL) {
        fprintf(stderr, "this is the program of a Tidemill worker; see worker.tsp\n");
        return 2;
    }
    signal(SIGTERM, on_term);
    long upto = atol(upto_text), count = 0;
    int lists = strcmp(task, "primes.list") == 0;
    char *crossed = calloc((size_t)upto + 1, 1);
    if (crossed == NULL)
        return fail("resource", "there is no memory for the sieve");
    for (long n = 2; n <= upto; n++) {
        if (told_to_stop)
            return fail("transient", "stopped");
        if (crossed[n])
            continue;
        count++;
        if (lists)
            printf("::tidemill item %ld\n", n);
        for (long m = n * n; m <= upto; m += n)
            crossed[m] = 1;
        if (n % 100000 == 1)
            printf("::tidemill progress %.3f\n", (double)n / (double)upto);
    }
    free(crossed);
    if (lists)
        return fflush(stdout) == 0 ? 0 : 1;
    FILE *file = fopen(getenv("TASK_OUTPUT_value"), "w");
    if (file == NULL)
        return fail("internal", "the output cannot be written");
    fprintf(file, "%ld\n", count);
    return fclose(file) == 0 ? 0 : 1;
}
