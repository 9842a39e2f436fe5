import { expect, it } from 'vitest'
import { HeldOutputs } from '../../../../src/inference/provider/held-outputs.js'
import { bytes32 } from '../payment/support.js'

const [victim, greedy] = [bytes32(1), bytes32(2)]

it('keeps what was paid, however much others leave lying unpaid', () => {
  const held = new HeldOutputs({ mostBytes: 1000, mostMs: 60_000 }, () => 0)
  held.put(victim, bytes32(0), new Uint8Array(90))
  held.markPaid(victim, bytes32(0))
  for (let i = 0; i < 30; i++) held.put(greedy, bytes32(i), new Uint8Array(100))
  expect(held.get(victim, bytes32(0))).toHaveLength(90)
  // Of the others the oldest went.
  const left = Array.from({ length: 30 }, (_, i) => held.get(greedy, bytes32(i)) !== undefined)
  expect(left.indexOf(true)).toBe(21)
  expect(left.lastIndexOf(false)).toBe(20)
  // What is new is there when its voucher comes.
  held.put(victim, bytes32(1), new Uint8Array(500))
  expect(held.get(victim, bytes32(1))).toHaveLength(500)
})

it('lets go of what was paid where there is nothing else, the oldest first', () => {
  const held = new HeldOutputs({ mostBytes: 1000, mostMs: 60_000 }, () => 0)
  for (let i = 0; i < 12; i++) {
    held.put(victim, bytes32(i), new Uint8Array(100))
    held.markPaid(victim, bytes32(i))
  }
  const left = Array.from({ length: 12 }, (_, i) => held.get(victim, bytes32(i)) !== undefined)
  expect(left).toEqual(Array.from({ length: 12 }, (_, i) => i >= 2))
  held.put(victim, bytes32(20), new Uint8Array(2000))
  expect(held.get(victim, bytes32(20))).toBeUndefined()
})

it('forgets what was let go, and what is old', () => {
  let nowMs = 0
  const held = new HeldOutputs({ mostBytes: 1000, mostMs: 60_000 }, () => nowMs)
  held.put(victim, bytes32(1), new Uint8Array(900))
  held.remove(victim, bytes32(1))
  held.put(victim, bytes32(2), new Uint8Array(500))
  nowMs = 20_000
  held.markPaid(victim, bytes32(2))
  nowMs = 50_000
  held.put(greedy, bytes32(3), new Uint8Array(500))
  expect(held.get(victim, bytes32(1))).toBeUndefined()
  nowMs = 60_000
  expect(held.get(victim, bytes32(2))).toBeDefined()
  nowMs = 80_000
  expect(held.get(victim, bytes32(2))).toBeUndefined()
  expect(held.get(greedy, bytes32(3))).toBeDefined()
})
