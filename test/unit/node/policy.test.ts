import { describe, expect, it } from 'vitest'
import { monthKey } from '../../../src/config/data-cap.js'
import { defaultConfig } from '../../../src/config/load.js'
import { Identity } from '../../../src/crypto/identity.js'
import { operatorPolicy } from '../../../src/node/policy.js'
import type { Store } from '../../../src/store/index.js'

type ProverConfig = ReturnType<typeof defaultConfig>['prover']

const payer = Identity.generate()
const request = { payer: payer.publicKey, coordinator: payer.publicKey, claimKbps: 100_000, maxBytes: 1000 }

const policyOf = (
  config: Partial<ProverConfig>,
  options: { usedBytes?: number; now?: () => number; kept?: Map<string, string> } = {},
) => {
  const kept = options.kept ?? new Map<string, string>()
  const now = options.now ?? Date.now
  const used = new Map([[monthKey(new Date(now())), options.usedBytes ?? 0]])
  const store = {
    usage: { get: async (month: string) => used.get(month) ?? 0 },
    getMetadata: async (name: string) => kept.get(name),
    setMetadata: async (name: string, value: string) => void kept.set(name, value),
  } as unknown as Store
  return operatorPolicy({ ...defaultConfig('/nowhere').prover, ...config }, store, now)
}

describe("the operator's terms", () => {
  it('bound claims by twice the own one, unless a maximum is set', async () => {
    const asking = (claimMbps: number) => ({ ...request, claimKbps: claimMbps * 1000 })
    expect(await policyOf({ claimMbps: 100 }).refusal(asking(200))).toBeUndefined()
    expect(await policyOf({ claimMbps: 100 }).refusal(asking(200.1))).toBe(
      'claims above 200 Mbit/s are not served here',
    )
    expect(await policyOf({ claimMbps: 100, maxClaimMbps: 500 }).refusal(asking(400))).toBeUndefined()
    expect(await policyOf({ claimMbps: 100, maxClaimMbps: 150 }).refusal(asking(151))).toContain('above 150')
    expect(await policyOf({}).refusal(asking(90_000))).toBeUndefined()
  })

  it('count the interval from what began, not from what was asked', async () => {
    let nowMs = 1_000_000
    const policy = policyOf({ minIntervalSeconds: 60 }, { now: () => nowMs })
    expect(await policy.refusal(request)).toBeUndefined()
    expect(await policy.refusal(request)).toBeUndefined()
    await policy.began()
    nowMs += 20_000
    expect(await policy.refusal(request)).toBe('one challenge every 60 s; try again in 40 s')
    nowMs += 40_000
    expect(await policy.refusal(request)).toBeUndefined()
  })

  it('count the interval across a restart, and wait no longer than it where the clock was set back', async () => {
    const kept = new Map<string, string>()
    const at = (nowMs: number) => policyOf({ minIntervalSeconds: 60 }, { now: () => nowMs, kept })
    await at(1_000_000).began()
    expect(await at(1_020_000).refusal(request)).toBe('one challenge every 60 s; try again in 40 s')
    expect(await at(400_000).refusal(request)).toBe('one challenge every 60 s; try again in 60 s')
    expect(await at(1_060_000).refusal(request)).toBeUndefined()
  })

  it('know a payer by its peer id and by its address', async () => {
    for (const name of [payer.peerId, payer.address])
      expect(await policyOf({ allowList: [name] }).refusal(request)).toBeUndefined()
    expect(await policyOf({ allowList: [Identity.generate().address] }).refusal(request)).toContain(
      'allow-list',
    )
  })

  it('decline what may exceed the data cap', async () => {
    const config = { dataCapGiBPerMonth: 1 }
    expect(await policyOf(config, { usedBytes: 2 ** 30 - 1000 }).refusal(request)).toBeUndefined()
    expect(await policyOf(config, { usedBytes: 2 ** 30 - 999 }).refusal(request)).toContain('data cap leaves')
  })
})
