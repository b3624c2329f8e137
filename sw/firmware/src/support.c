/* What the compiler may call by itself. */
#include <stddef.h>

void *memcpy(void *restrict to, const void *restrict from, size_t bytes)
{
    char *d = to;
    const char *s = from;
    while (bytes--)
        *d++ = *s++;
    return to;
}

void *memset(void *to, int value, size_t bytes)
{
    char *d = to;
    while (bytes--)
        *d++ = (char)value;
    return to;
}
