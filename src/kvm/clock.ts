/** The host's clock that all threads of the process agree on: ms since the epoch, with fractions. */
export const hostNow = (): number => performance.timeOrigin + performance.now();
