/**
 * The one clock of this room: this thread's monotonic time in microseconds, a double. It never steps; readings of
 * different threads do not compare.
 */
export function nowMicros(): number {
  return performance.now() * 1000
}
