/* expect: eddy_frame_of takes four fields at most: use eddy_frame */
#include <eddy.h>

eddy_frame_of(sums, int a, int b, int c, int d, int e);

static void sums(eddy_coro *co)
{
    eddy_begin(sums);
    eddy_return(self->a + self->b + self->c + self->d);
    eddy_end;
}

int main(void)
{
    return 0;
}
