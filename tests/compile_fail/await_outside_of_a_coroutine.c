/* expect: 'eddy_rc_' undeclared|undeclared identifier 'eddy_rc_' */
#include <eddy.h>

int main(void)
{
    eddy_coro *co = 0;

    eddy_await(eddy_pause(co));
    return 0;
}
