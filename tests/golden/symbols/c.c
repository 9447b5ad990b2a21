#include "cart.h"
#include <stdio.h>

#define LIMIT 3
#define MAX(a, b) ((a) > (b) ? (a) : (b))

/* What a customer wants. */
struct cart {
    int count, *prices;
    char names[LIMIT];
    int (*compare)(const void *a);
};

typedef struct cart cart_t;
typedef int (*visit)(struct cart *);

enum paid { CASH, CARD = 2 };

static const char *const title = "shop";
extern int opened;
int cart_count(const cart_t *cart);

// Settles it.
static struct cart *pay(cart_t *cart, int amount[], visit each)
{
    int sum = 0, *rest;
    struct cart *copy = clone(cart);
    sum += MAX(copy->count, amount[0]);
    return each(copy) ? copy : NULL;
}
