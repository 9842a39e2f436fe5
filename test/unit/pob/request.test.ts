import { describe, expect, it } from 'vitest'
import {
  challengeIdOf,
  Direction,
  type Request,
  requestFault,
  requestSchema,
  roundIsAfterAcceptance,
} from '../../../src/pob/request.js'
import { quorum } from '../../../src/pob/result.js'
import { requestFor } from '../../support/candidates.js'
import { identityOf } from '../../support/challenge-builder.js'

describe('requestFault', () => {
  it.each(['quick', 'standard', 'strict', 'published'] as const)('finds none in a %s request', (profile) => {
    const request = requestFor(profile)
    expect(requestFault(request)).toBeUndefined()
    expect(requestSchema.read(request, 'request')).toEqual(request)
  })

  it.each<[RegExp, Request]>([
    [
      /verifyingContract must be zero/,
      requestFor('standard', { verifyingContract: new Uint8Array(20).fill(1) }),
    ],
    [/faulty 3 must be below committeeSize 3/, requestFor('quick', { faulty: 3, committeeSize: 3 })],
    [/beta and delta belong to the strict profile/, requestFor('standard', { betaMillionths: 1 })],
    [/beta and delta belong to the strict profile/, requestFor('quick', { deltaMillionths: 1 })],
    [/beta and delta belong to the strict profile/, requestFor('strict', { deltaMillionths: 0 })],
    [/strict profile derives faulty/, requestFor('strict', { faulty: 1 })],
    [/runs 2 f \+ 1 = 5 teams at most, not 4/, requestFor('standard', { teams: 4 })],
    [/this profile runs one team/, requestFor('quick', { teams: 3 })],
    [/this profile runs one team/, requestFor('published', { teams: 2 })],
    [/published profile is for comparison and never settles/, requestFor('published', { chainId: 1 })],
  ])('finds %s', (message, request) => {
    expect(requestFault(request)).toMatch(message)
  })
})

describe('challengeIdOf', () => {
  it('changes with every field', () => {
    const base = requestFor('standard')
    const ids = new Set([challengeIdOf(base).join()])
    const changes: Partial<Request>[] = [
      { chainId: 5 },
      { verifyingContract: new Uint8Array(20).fill(1) },
      { prover: identityOf('x').publicKey },
      { payer: identityOf('x').publicKey },
      { coordinator: identityOf('x').publicKey },
      { direction: Direction.up },
      { profile: 0 },
      { claimKbps: 99_999 },
      { committeeSize: 9 },
      { faulty: 1 },
      { teams: 3 },
      { betaMillionths: 1 },
      { deltaMillionths: 1 },
      { registryHash: new Uint8Array(32) },
      { beaconChain: new Uint8Array(32) },
      { beaconRound: 2 },
      { expiresAt: 1 },
      { salt: new Uint8Array(32) },
    ]
    for (const change of changes) ids.add(challengeIdOf({ ...base, ...change }).join())
    expect(ids.size).toBe(changes.length + 1)
    // The version is in the domain, all else in the structure.
    expect(Object.keys(base).length).toBe(changes.length + 1)
  })
})

describe('the named round', () => {
  it('lies at least a second after the acceptance', () => {
    expect(roundIsAfterAcceptance(100, 99)).toBe(true)
    expect(roundIsAfterAcceptance(100, 100)).toBe(false)
    expect(roundIsAfterAcceptance(99, 100)).toBe(false)
  })
})

describe('quorum', () => {
  it.each([
    [10, 2, 8],
    [5, 2, 3],
    [7, 3, 4],
    // Fewer than 2 f + 1 members: f corrupt ones must still not make a quorum.
    [4, 2, 3],
    [3, 2, 3],
    [10, 7, 8],
    [1, 0, 1],
  ])('of %i members with %i faulty is %i', (n, f, needed) => {
    expect(quorum(n, f)).toBe(needed)
  })
})
