import { expect, it } from 'vitest'
import { HeldOutputs } from '../../../../src/inference/provider/held-outputs.js'
import { bytes32 } from '../payment/support.js'

it("keeps a client's output, however much another one leaves lying", () => {
  const held = new HeldOutputs({ mostBytes: 1000, mostMs: 60_000 }, () => 0)
  const [victim, greedy] = [bytes32(1), bytes32(2)]
  held.put(victim, bytes32(0), new Uint8Array(90))
  for (let i = 0; i < 30; i++) held.put(greedy, bytes32(i), new Uint8Array(100))
  expect(held.get(victim, bytes32(0))).toHaveLength(90)
  // Of its own the oldest went.
  const left = Array.from({ length: 30 }, (_, i) => held.get(greedy, bytes32(i)) !== undefined)
  expect(left.indexOf(true)).toBe(21)
  expect(left.lastIndexOf(false)).toBe(20)
})

it('forgets what was let go, and what is old', () => {
  let nowMs = 0
  const held = new HeldOutputs({ mostBytes: 1000, mostMs: 60_000 }, () => nowMs)
  held.put(bytes32(1), bytes32(1), new Uint8Array(900))
  held.remove(bytes32(1), bytes32(1))
  held.put(bytes32(1), bytes32(2), new Uint8Array(500))
  nowMs = 50_000
  held.put(bytes32(2), bytes32(3), new Uint8Array(500))
  expect(held.get(bytes32(1), bytes32(1))).toBeUndefined()
  expect(held.get(bytes32(1), bytes32(2))).toBeDefined()
  nowMs = 60_000
  expect(held.get(bytes32(1), bytes32(2))).toBeUndefined()
  expect(held.get(bytes32(2), bytes32(3))).toBeDefined()
})
