import { describe, expect, it } from 'vitest'
import { openMemberPlane, openProverPlane } from '../../../../src/dataplane/index.js'
import { quietMember, quietProver } from '../../../../src/node/inference/precedence.js'

const counter = () => {
  let holds = 0
  return {
    hold: () => {
      holds++
      return () => {
        holds--
      }
    },
    held: () => holds,
  }
}
const address = { backend: 'dgram', host: '127.0.0.1', port: 0 } as const

describe('models stand still', () => {
  it("while a prover's plane is open", async () => {
    const { hold, held } = counter()
    const plane = quietProver(await openProverPlane(address), hold)
    expect(held()).toBe(1)
    // Everything else works as before.
    expect((await plane.counters()).sentBytes).toBe(0)
    await plane.close()
    expect(held()).toBe(0)
  })

  it('no longer, where a train could not be armed', async () => {
    const { hold, held } = counter()
    const plane = quietMember(await openMemberPlane(address), hold)
    const sessionId = new Uint8Array(8)
    const order = { sessionId, slot: 0, attempt: 0 } as Parameters<typeof plane.prepareTrain>[0]
    await expect(plane.prepareTrain(order)).rejects.toThrow()
    expect(held()).toBe(0)
    await plane.close()
  })
})
