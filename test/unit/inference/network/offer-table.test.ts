/** Offers of strangers, whose keys cost nothing: how much memory and time they take, and whom they crowd out. */
import { describe, expect, it } from 'vitest'
import { Identity } from '../../../../src/crypto/identity.js'
import { signOffer } from '../../../../src/inference/network/offer.js'
import { OfferIntake } from '../../../../src/inference/network/offer-intake.js'
import { OfferTable } from '../../../../src/inference/network/offer-table.js'

const NOW = 1_800_000_000_000
const LETTERS = 'abcdefghijklmnopqrstuvwxyz'
const code = (i: number): string => `${LETTERS[i % 26]}${LETTERS[Math.floor(i / 26) % 26]}`

/** As many languages as fit. */
function longestOffer(provider = Identity.generate()): Uint8Array {
  const models = Array.from({ length: 5 }, (_, m) => ({
    ...{ id: `m${m}`, sha256: new Uint8Array(32).fill(m), task: 'transcribe' as const },
    languages: Array.from({ length: 1990 }, (_, i) => code(i + m)),
    ...{ unit: 'audio-second' as const, priceWeiPerUnit: 1n },
  }))
  return signOffer(provider, { addresses: [], models, queue: 1, keptSeconds: 0, audited: true }, NOW)
}
function usualOffer(provider: Identity): Uint8Array {
  const model = {
    ...{ id: 'asr', sha256: new Uint8Array(32), task: 'transcribe' as const, languages: ['en'] },
    ...{ unit: 'audio-second' as const, priceWeiPerUnit: 1n },
  }
  const content = { addresses: [], models: [model], queue: 1, keptSeconds: 0, audited: true }
  return signOffer(provider, content, NOW)
}

describe('a table of offers', () => {
  it('takes no more memory than it may, however many keys sign the longest ones', () => {
    const mostBytes = 4 * 1024 * 1024
    const table = new OfferTable(() => NOW, { mostBytes })
    for (let i = 0; i < 20; i++) {
      expect(table.receive(longestOffer(), 'stranger')).toBe('accept')
      expect(table.bytes).toBeLessThanOrEqual(mostBytes)
    }
    // 300 KB each, measured; none is counted for less.
    expect(table.bytes / table.list().length).toBeGreaterThan(300_000)
    expect(table.list().length).toBeGreaterThan(5)
    for (const { peerId } of table.list()) table.remove(peerId)
    expect(table.bytes).toBe(0)
  })

  it('makes room among those that came by who brought the most: neither of others nor of whom this node deals with', () => {
    const [known, dealtWith, honest, asked] = Array.from({ length: 4 }, () => Identity.generate())
    if (!known || !dealtWith || !honest || !asked) throw new Error('four were made')
    const table = new OfferTable(() => NOW, {
      mostBytes: 2 * 1024 * 1024,
      isKnown: ({ peerId }) => peerId === known.peerId,
    })
    table.receive(usualOffer(known), 'flood')
    table.receive(usualOffer(dealtWith), 'flood')
    table.know(dealtWith.peerId)
    table.receive(usualOffer(honest), 'other')
    table.receive(usualOffer(asked))
    const stranger = Identity.generate()
    table.receive(usualOffer(stranger), 'flood')
    for (let i = 0; i < 8; i++) table.receive(longestOffer(), 'flood')
    const stays = ({ peerId }: Identity) => table.get(peerId) !== undefined
    expect([known, dealtWith, honest, asked, stranger].map(stays)).toEqual([true, true, true, true, false])
  })
})

describe('what gossip brings', () => {
  it('is read within a bound for each forwarder and for all, which fills again in time', () => {
    let now = 0
    const intake = new OfferIntake(() => now)
    const taken = (from: string, most = 10_000) => {
      let count = 0
      while (count < most && intake.takes(from, 600)) count++
      return count
    }
    const burst = taken('flood')
    expect(burst).toBeGreaterThan(200)
    expect(burst).toBeLessThan(300)
    // Others are read all the same, until all together reach their bound.
    expect(taken('other', 100)).toBe(100)
    now += 60_000
    expect(taken('flood')).toBeGreaterThan(200)
    let all = 0
    for (let i = 0; i < 50; i++) all += taken(`forwarder-${i}`)
    expect(all).toBeLessThan(1000)
    expect(taken('late')).toBe(0)
    now += 10_000
    expect(taken('late', 10)).toBe(10)
  })
})
