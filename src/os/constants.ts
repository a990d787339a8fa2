/** Numbers of Linux that several files need: errno(3), events of poll(2). */
export const EINTR = 4;
export const EAGAIN = 11;
export const POLLIN = 1;
export const POLLOUT = 4;
