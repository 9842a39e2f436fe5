import { createHash } from 'node:crypto'
import { expect, test } from 'vitest'
import { ackLeaf, ackRoot, merkleRoot } from '../../../src/pob/ack-tree.js'

const sha256 = (...parts: readonly Uint8Array[]): Uint8Array =>
  new Uint8Array(createHash('sha256').update(Buffer.concat(parts)).digest())
const digest = (i: number): Uint8Array => sha256(Uint8Array.of(i))
const leaf = (position: number, count: number): Uint8Array => {
  const head = Buffer.alloc(7)
  head.writeUInt16BE(position, 1)
  head.writeUInt32BE(count, 3)
  return sha256(head, digest(position))
}
const node = (left: Uint8Array, right: Uint8Array): Uint8Array => sha256(Uint8Array.of(1), left, right)

test('leaves bind position, count and digest', () => {
  expect(ackLeaf(2, 70_000, digest(2))).toEqual(leaf(2, 70_000))
  expect(() => ackLeaf(65_536, 0, digest(0))).toThrow(RangeError)
  expect(() => ackLeaf(0, 2 ** 32, digest(0))).toThrow(RangeError)
  expect(() => ackLeaf(0, 0, digest(0).subarray(1))).toThrow(RangeError)
})

test('roots of one, two, three and five members: an odd last node moves up', () => {
  const leaves = [0, 1, 2, 3, 4].map((i) => leaf(i, 10 * i))
  const root = (n: number): Uint8Array =>
    ackRoot(
      [0, 10, 20, 30, 40].slice(0, n),
      [0, 1, 2, 3, 4].slice(0, n).map((i) => digest(i)),
    )
  const [a, b, c, d, e] = leaves as [Uint8Array, Uint8Array, Uint8Array, Uint8Array, Uint8Array]
  expect(root(1)).toEqual(a)
  expect(root(2)).toEqual(node(a, b))
  expect(root(3)).toEqual(node(node(a, b), c))
  expect(root(5)).toEqual(node(node(node(a, b), node(c, d)), e))
  expect(merkleRoot(leaves)).toEqual(root(5))
  expect(() => ackRoot([], [])).toThrow(RangeError)
  expect(() => ackRoot([1], [])).toThrow(RangeError)
})
