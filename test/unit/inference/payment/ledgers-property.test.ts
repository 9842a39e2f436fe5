/** The ledgers of both sides against each other in random courses, with crashes of either at every step. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Step, World } from './world.js'

const step = fc.record({
  what: fc.oneof(
    { weight: 40, arbitrary: fc.constantFrom<Step['what']>('toPayee', 'toPayer') },
    { weight: 24, arbitrary: fc.constantFrom<Step['what']>('syncPayer', 'syncPayee') },
    { weight: 24, arbitrary: fc.constantFrom<Step['what']>('ask', 'finish') },
    { weight: 4, arbitrary: fc.constantFrom<Step['what']>('twice', 'fail', 'reconnect', 'forgetOutputs') },
    { weight: 2, arbitrary: fc.constantFrom<Step['what']>('crashPayer', 'crashPayee') },
  ),
  pick: fc.nat({ max: 1000 }),
})

async function walk(steps: readonly Step[]): Promise<World> {
  const world = await World.open()
  for (const each of steps) {
    await world.take(each)
    if (world.failure !== undefined) throw world.failure
  }
  await world.quiesce()
  if (world.failure !== undefined) throw world.failure
  return world
}

describe('payer and payee', () => {
  it('lose no more than stated, contradict themselves never, and agree in the end', async () => {
    let delivered = 0
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 40, maxLength: 250, size: 'max' }), async (steps) => {
        delivered += (await walk(steps)).delivered
      }),
      { numRuns: Number(process.env.LEDGER_RUNS ?? 25) },
    )
    expect(delivered).toBeGreaterThan(20)
  }, 1_200_000)

  it('tell nothing at a new connection that a crash could still make them forget', async () => {
    // What fast-check found: the payer said that it held an output before that was on its disk, and then crashed.
    const course = `
      ask syncPayer toPayee finish crashPayer toPayer syncPayer toPayee syncPayee toPayer reconnect
      toPayee crashPayer toPayee toPayee ask ask ask syncPayer syncPayer twice syncPayer toPayee
      toPayee syncPayer toPayee ask syncPayer toPayee toPayee syncPayer toPayee toPayee toPayee
      toPayee toPayee ask ask toPayee toPayee syncPayer syncPayer toPayee ask syncPayer toPayee ask
      toPayee toPayee ask ask crashPayer twice
    `
    await walk(
      course
        .trim()
        .split(/\s+/)
        .map((what) => ({ what: what as Step['what'], pick: 0 })),
    )
  })

  /** One job on a quiet connection, and a crash of either side before and after each step of it. */
  const course: readonly Step['what'][] = [
    'ask',
    'syncPayer',
    'toPayee',
    'finish',
    'syncPayee',
    'toPayer',
    'syncPayer',
    'toPayee',
    'syncPayee',
    'toPayer',
    'syncPayer',
    'toPayee',
    'syncPayee',
  ]
  for (const crash of ['crashPayer', 'crashPayee', 'reconnect'] as const)
    it(`survive a ${crash} at each step of a job`, async () => {
      const steps = (whats: readonly Step['what'][]): Step[] => whats.map((what) => ({ what, pick: 9 }))
      for (let at = 0; at <= course.length; at++) {
        const world = await walk(
          steps([...course.slice(0, at), crash, ...course.slice(at), ...course, ...course]),
        )
        expect(world.delivered).toBeGreaterThan(0)
        expect(world.payeeCrashes).toBe(crash === 'crashPayee' ? 1 : 0)
      }
    }, 120_000)
})
