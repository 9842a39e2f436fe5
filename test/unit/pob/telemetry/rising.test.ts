/** A queue that a slot does not fill: what the round trips say of its end. */
import { describe, expect, it } from 'vitest'
import { workingLatency } from '../../../../src/pob/telemetry/latency.js'
import { isStillRising } from '../../../../src/pob/telemetry/rising.js'
import { seededRandom } from '../../../simulator/random.js'

const IDLE = [20_100, 19_900, 20_000, 20_200, 19_800, 20_000, 20_100, 19_900]
/** Ten probes between half and the end of a slot of 200 ms. */
const TIMES = Array.from({ length: 10 }, (_, i) => 100_000 + i * 10_000)

/** Round trips beside an offer that is 20 % above the link's rate, with a buffer of that depth. */
const queue = (bufferMicros: number) => TIMES.map((at) => 20_000 + Math.min(bufferMicros, 0.2 * at))
const through = (bufferMicros: number, slots = 3) => [
  { idleMicros: IDLE, loadedMicros: Array.from({ length: slots }, () => queue(bufferMicros)) },
]

describe('round trips under load', () => {
  it('still rise where the buffer is deeper than a slot fills, and the grade is its best', () => {
    const deep = workingLatency(through(1_000_000))
    // A second of buffer would be an F, were it seen.
    expect(deep).toMatchObject({ grade: 'B', isStillRising: true })
    expect(deep.increaseMs).toBeLessThan(31)
  })

  it.each([5_000, 20_000, 25_000])('stand where a buffer of %d us is full', (bufferMicros) =>
    expect(workingLatency(through(bufferMicros)).isStillRising).toBe(false),
  )

  it('are compared with the idle path of each member, however far', () => {
    const far = {
      idleMicros: IDLE.map((rtt) => rtt + 80_000),
      loadedMicros: [queue(1e6).map((rtt) => rtt + 80_000)],
    }
    const near = { idleMicros: IDLE, loadedMicros: [queue(1e6)] }
    expect(isStillRising([far, near])).toBe(true)
  })

  it('rise by more than the idle path varies, or not at all', () => {
    const wild = IDLE.map((rtt, i) => rtt + (i % 2) * 10_000)
    expect(isStillRising([{ idleMicros: wild, loadedMicros: [queue(1e6)] }])).toBe(false)
  })

  it('are judged without those that were lost, and by nobody where too few came back', () => {
    const holes = queue(1e6).map((rtt, i) => (i % 4 === 1 ? 0 : rtt))
    expect(isStillRising([{ idleMicros: IDLE, loadedMicros: [holes, holes] }])).toBe(true)
    expect(isStillRising([{ idleMicros: IDLE, loadedMicros: [queue(1e6).slice(0, 6)] }])).toBeNull()
    expect(isStillRising([{ idleMicros: [0, 0], loadedMicros: [queue(1e6)] }])).toBeNull()
    expect(isStillRising([])).toBeNull()
  })

  it('are seldom taken for rising where they only vary as much as they do idle', () => {
    const random = seededRandom(7)
    const noise = () => 20_000 + random.between(0, 5_000)
    let wrong = 0
    for (let run = 0; run < 500; run++) {
      const members = Array.from({ length: 6 }, () => ({
        idleMicros: Array.from({ length: 8 }, noise),
        loadedMicros: [Array.from({ length: 10 }, noise)],
      }))
      if (isStillRising(members) === true) wrong++
    }
    expect(wrong).toBeLessThan(50)
  })
})
