/* librecast.a beside another static library of Rust, which has std. */
#include <stdio.h>

#include "recast.h"

unsigned other_length(void);

int main(void) {
    printf("recast %s, interface %u, other %u\n", recast_version(), (unsigned)recast_abi_version(),
           other_length());
    return other_length() == 5 ? 0 : 1;
}
