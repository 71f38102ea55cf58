/* Warnings about the mathematics rather than the program. */
#include <math.h>
#include <string.h>

#include "compiler/lower.h"

void domain_warnings(Low *l) { (void)l; }
