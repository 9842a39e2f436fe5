/**
 * An uplink by echo (docs/protocol.md section 7.1): the prover sends a member's packets back as they came, and the member
 * times them on its own clock, from its first send on. What came back has crossed the link both ways, so the value is that of
 * the slower direction. Teams have one member: with two, a prover that starts one later than the other lets them take turns,
 * and the sum of what each saw in its own time exceeds the link.
 */
import { ACK_STEPS_PER_TAU, FIRST_ACK_TAU_SHARE, MAX_ACKS, MIN_ACK_STEP_MICROS } from './constants.js'

export interface EchoMarks {
  /** Echoes by then, never falling. */
  readonly counts: readonly number[]
  /** Arrival of the last of them less the member's first send, whole microseconds, rounded up. */
  readonly ownMicros: readonly number[]
}

/**
 * Marks at the times at which a downlink has its acks: from 0.75 tau on in equal steps, each at the last echo before it; the
 * last one is the last echo.
 * @param arrivalMicros since the first send, never falling
 */
export function echoMarks(arrivalMicros: ArrayLike<number>, tauMicros: number): EchoMarks {
  const counts: number[] = []
  const ownMicros: number[] = []
  const step = Math.max(MIN_ACK_STEP_MICROS, tauMicros / ACK_STEPS_PER_TAU)
  const total = arrivalMicros.length
  const mark = (count: number): void => {
    if (count === 0 || count === counts.at(-1)) return
    counts.push(count)
    ownMicros.push(Math.max(1, Math.ceil(arrivalMicros[count - 1] ?? 0)))
  }
  let count = 0
  for (
    let due = FIRST_ACK_TAU_SHARE * tauMicros;
    count < total && counts.length < MAX_ACKS - 1;
    due += step
  ) {
    while (count < total && (arrivalMicros[count] ?? 0) <= due) count++
    mark(count)
  }
  mark(total)
  return { counts, ownMicros }
}

/** What is wrong with marks that a member signed, or undefined. */
export function marksFault(
  { counts, ownMicros }: EchoMarks,
  limits: { readonly packetCount: number; readonly sentPackets: number },
): string | undefined {
  if (counts.length !== ownMicros.length) return 'has not one time for each count'
  if (counts.some((count, k) => count <= (counts[k - 1] ?? 0))) return 'has a count that does not rise'
  if (ownMicros.some((micros, k) => micros < (ownMicros[k - 1] ?? 1))) return 'has a time that falls'
  const last = counts.at(-1) ?? 0
  return last > Math.min(limits.packetCount, limits.sentPackets)
    ? 'has more packets back than were sent'
    : undefined
}
