/**
 * Builds test/fixtures/vectors/protocol.json: the bytes of docs/protocol.md, structure by structure, from fixed keys
 * and seeds. `node scripts/protocol-vectors.mjs` writes the file; test/vectors/protocol.test.ts checks it against
 * this, and against implementations that share nothing with it.
 */
import { sha256 } from '@noble/hashes/sha2.js'
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js'
import { roundMessage, verifyRound } from '../../src/crypto/beacon.js'
import { encode } from '../../src/crypto/cbor.js'
import {
  type FieldValue,
  type TypedDomain,
  type TypedStructure,
  typedDigest,
  typeString,
} from '../../src/crypto/eip712.js'
import { loadFastCrypto } from '../../src/crypto/fast/index.js'
import type { Identity } from '../../src/crypto/identity.js'
import { arrivalDigests, keystreamKey, keystreamPackets } from '../../src/crypto/keystream.js'
import { sealedDatagram } from '../../src/dataplane/seal.js'
import { ackLeaf, ackRoot } from '../../src/pob/ack-tree.js'
import { decodeOrder, encodeOrder } from '../../src/pob/arrival-order.js'
import { assess } from '../../src/pob/assess.js'
import { drawCommittee, drawSeed } from '../../src/pob/committee.js'
import { offeredKbps } from '../../src/pob/constants.js'
import {
  buildDatagram,
  DatagramType,
  type DatagramTypeNumber,
  encodeConsentBody,
  gmacNonce,
  TAG_OFFSET,
} from '../../src/pob/datagram.js'
import { type EchoMarks, echoMarks } from '../../src/pob/echo.js'
import { encodeEvidence, evidenceHashOf } from '../../src/pob/evidence.js'
import { cleanTeams, corruptOf, faultyMembers, millionths } from '../../src/pob/parameters.js'
import { addressBytesOf } from '../../src/pob/party.js'
import { buildRegistry } from '../../src/pob/registry.js'
import { challengeIdOf, digestsOf, type ProfileName } from '../../src/pob/request.js'
import { seedHashOf } from '../../src/pob/slot.js'
import * as structures from '../../src/pob/structures.js'
import { encodeTranscript } from '../../src/pob/transcript.js'
import { candidates, requestFor } from './candidates.js'
import { buildChallenge, identityOf, sealTranscript } from './challenge-builder.js'
import type { Recording } from './recording.js'

const hex = bytesToHex
/** 32 bytes that depend on a name alone. */
const filler = (name: string) => sha256(utf8ToBytes(name))

export type JsonValue =
  | string
  | number
  | boolean
  | null
  | readonly JsonValue[]
  | { readonly [key: string]: JsonValue }

function fieldJson(value: FieldValue): JsonValue {
  if (value instanceof Uint8Array) return hex(value)
  if (typeof value === 'bigint') return value.toString()
  if (typeof value === 'number') return value
  return value.map((item: Uint8Array | number) => fieldJson(item))
}

const DOMAINS: readonly TypedDomain[] = [
  { chainId: 0, verifyingContract: new Uint8Array(20) },
  { chainId: 31_337, verifyingContract: filler('contract').subarray(0, 20) },
]

function typedVectors(): JsonValue {
  const signer = identityOf('vector signer')
  const challengeId = filler('challenge')
  const request = requestFor('strict', { claimKbps: 250_000, beaconRound: 12_345_678 })
  const own = [0, 1, 160_001, 0xffff_ffff]
  const messages: readonly (readonly [TypedStructure, Readonly<Record<string, FieldValue>>])[] = [
    [
      structures.REQUEST,
      {
        prover: addressBytesOf(request.prover),
        payer: addressBytesOf(request.payer),
        coordinator: addressBytesOf(request.coordinator),
        direction: request.direction,
        profile: request.profile,
        claimKbps: request.claimKbps,
        committeeSize: request.committeeSize,
        faulty: request.faulty,
        teams: request.teams,
        betaMillionths: request.betaMillionths,
        deltaMillionths: request.deltaMillionths,
        registryHash: request.registryHash,
        beaconChain: request.beaconChain,
        beaconRound: request.beaconRound,
        expiresAt: request.expiresAt,
        salt: request.salt,
      },
    ],
    [structures.ACCEPTANCE, { challengeId, acceptedAt: 1_750_000_000 }],
    [structures.PLAN, { challengeId, planHash: filler('plan') }],
    [
      structures.CONSENT,
      {
        challengeId,
        member: addressBytesOf(signer.publicKey),
        nonce: filler('nonce'),
        expiresAt: 1_750_000_120,
        maxBytes: 45_000_000,
      },
    ],
    [
      structures.COMMITMENT,
      {
        challengeId,
        slot: 4,
        attempt: 2,
        seedHash: filler('seed hash'),
        rateKbps: 600_000,
        packetCount: 10_446,
      },
    ],
    [structures.ACK_LIST, { challengeId, slot: 0, attempt: 0, roots: [] }],
    [structures.ACK_LIST, { challengeId, slot: 63, attempt: 1, roots: [filler('root 0'), filler('root 1')] }],
    [
      structures.TESTIMONY,
      {
        challengeId,
        slot: 1,
        attempt: 0,
        seed: filler('seed'),
        ackListHash: filler('ack list'),
        ownMicros: own,
        rttMicros: 5000,
        latenessMicros: 250,
        sentPackets: 10_446,
      },
    ],
    [
      structures.ECHO_TESTIMONY,
      {
        challengeId,
        slot: 1,
        attempt: 0,
        seed: filler('seed'),
        echoCounts: [0, 1, 9000, 10_446],
        ownMicros: own,
        rttMicros: 5000,
        latenessMicros: 250,
        sentPackets: 10_446,
      },
    ],
    [
      structures.FIRST_SEND,
      { challengeId, slot: 1, attempt: 0, clock: filler('clock'), firstSendMicros: 81_004_220 },
    ],
    [structures.VOTE, { challengeId, evidenceHash: filler('evidence') }],
    ...[structures.RESULT, structures.LOCAL_RESULT].map(
      (structure) =>
        [
          structure,
          {
            challengeId,
            evidenceHash: filler('evidence'),
            guaranteedKbps: 229_000,
            estimateKbps: 249_500,
            owed: 2n ** 255n + 1023n,
          },
        ] as const,
    ),
    [structures.REGISTRY, { registryHash: filler('registry') }],
  ]
  return messages.flatMap(([structure, values]) =>
    DOMAINS.map((domain) => {
      const digest = typedDigest(domain, structure, values)
      return {
        primaryType: structure.name,
        type: typeString(structure),
        domain: { chainId: domain.chainId, verifyingContract: hex(domain.verifyingContract) },
        message: Object.fromEntries(Object.entries(values).map(([key, value]) => [key, fieldJson(value)])),
        digest: hex(digest),
        signature: hex(signer.sign(digest)),
      }
    }),
  )
}

/** j and f for pools small and large, and of independent draws (pool null), as a chain's committees have them. */
function strictVectors(): JsonValue {
  return [null, 10, 20, 100, 1000].flatMap((pool) =>
    [
      { betaMillionths: 100_000, deltaMillionths: 10_000, teams: 7, teamSize: 1 },
      { betaMillionths: 200_000, deltaMillionths: 50_000, teams: 9, teamSize: 1 },
      { betaMillionths: 50_000, deltaMillionths: 20_000, teams: 5, teamSize: 2 },
      { betaMillionths: 100_000, deltaMillionths: 50_000, teams: 12, teamSize: 3 },
    ]
      .filter(({ teams, teamSize }) => pool === null || teams * teamSize <= pool)
      .map(({ betaMillionths, deltaMillionths, teams, teamSize }) => {
        const [beta, delta] = [millionths(betaMillionths), millionths(deltaMillionths)]
        const known = pool ?? undefined
        return {
          pool,
          corrupt: pool === null ? null : corruptOf(beta, pool),
          betaMillionths,
          deltaMillionths,
          teams,
          teamSize,
          cleanTeams: cleanTeams(beta, delta, teams, teamSize, known),
          faulty: faultyMembers(beta, delta, teams * teamSize, known),
        }
      }),
  )
}

function drawVectors(): JsonValue {
  const entries = candidates(16, (i) => ({
    operator: `operator ${i % 13}`,
    host: i % 5 === 4 ? `2001:db8:${i}::1` : `10.0.${i % 12}.${i + 1}`,
    uplinkKbps: [60_000, 70_000, 130_000, 20_000][i % 4] ?? 1,
    addresses: [`/ip4/10.0.0.${i}/tcp/4001`],
  }))
  const registry = buildRegistry(entries)
  const randomness = filler('round value')
  const draws = (['standard', 'quick', 'strict'] as const).map((profile: ProfileName) => {
    const request = requestFor(profile, {
      registryHash: registry.hash,
      ...(profile === 'strict' ? { teams: 4, deltaMillionths: 100_000, claimKbps: 15_000 } : { faulty: 1 }),
    })
    const drawn = drawCommittee({
      request,
      registryHash: registry.hash,
      entries: registry.entries,
      randomness,
    })
    if (typeof drawn === 'string') throw new Error(`${profile}: ${drawn}`)
    const { members, teamSize, teams, faulty, cleanTeams, memberRateKbps } = drawn
    return {
      request: hex(encode(request)),
      challengeId: hex(challengeIdOf(request)),
      committee: members.map(({ publicKey }) => hex(publicKey)),
      teamSize,
      teams,
      faulty,
      cleanTeams,
      memberRateKbps,
      offeredKbps: offeredKbps(request.claimKbps),
    }
  })
  return {
    registry: hex(encode(registry.entries)),
    registryHash: hex(registry.hash),
    randomness: hex(randomness),
    drawSeed: hex(drawSeed(randomness, identityOf('prover').publicKey, registry)),
    draws,
  }
}

/** Arrivals with a loss, a straggler and an overtaking. */
const ARRIVALS = [0, 1, 2, 4, 5, 3, 9, 8, 7, 12] as const

function keystreamVectors(): JsonValue {
  const seed = filler('keystream seed')
  const challengeId = filler('challenge')
  const member = identityOf('vector signer')
  const id = { slot: 3, attempt: 1 }
  const order = encodeOrder(ARRIVALS)
  const counts = [0, 1, 4, 10]
  const digests = arrivalDigests(seed, decodeOrder(order, 13), counts)
  return {
    seed: hex(seed),
    challengeId: hex(challengeId),
    member: hex(addressBytesOf(member.publicKey)),
    ...id,
    seedHash: hex(seedHashOf(seed, challengeId, addressBytesOf(member.publicKey), id)),
    key: hex(keystreamKey(seed)),
    packets: [0, 1, 12, 70_000].map((sequence) => {
      const bytes = keystreamPackets(seed, sequence, 1)
      return { sequence, first16: hex(bytes.subarray(0, 16)), sha256: hex(sha256(bytes)) }
    }),
    arrivals: [...ARRIVALS],
    counts,
    digests: digests.map((digest) => hex(digest ?? new Uint8Array(0))),
  }
}

function orderVectors(): JsonValue {
  const orders: readonly (readonly number[])[] = [
    [],
    [0],
    [0, 1, 2, 3],
    [5],
    ARRIVALS,
    [3, 2, 1, 0],
    Array.from({ length: 200 }, (_, i) => i + Math.floor(i / 5)),
    [1_000_000, 0],
  ]
  return orders.map((sequences) => ({ sequences: [...sequences], encoded: hex(encodeOrder(sequences)) }))
}

function ackVectors(): JsonValue {
  return [1, 2, 3, 5].map((members) => {
    const counts = Array.from({ length: members }, (_, i) => [0, 1, 8700, 65_536, 0xffff_ffff][i] ?? 0)
    const digests = counts.map((_, i) => filler(`arrivals ${i}`))
    return {
      counts,
      digests: digests.map(hex),
      leaves: counts.map((count, i) => hex(ackLeaf(i, count, digests[i] ?? new Uint8Array(0)))),
      root: hex(ackRoot(counts, digests)),
    }
  })
}

function datagramVectors(): JsonValue {
  const key = filler('session key').subarray(0, 16)
  const sessionId = filler('session id').subarray(0, 8)
  const seed = filler('keystream seed')
  const delay = Uint8Array.of(0, 0, 0x27, 0x10)
  const bodies: readonly (readonly [DatagramTypeNumber, number, number, number, Uint8Array])[] = [
    [DatagramType.data, 3, 1, 12, keystreamPackets(seed, 12, 1)],
    [DatagramType.ack, 3, 1, 255, filler('root 0')],
    [DatagramType.hello, 0, 0, 0, new Uint8Array(96)],
    [DatagramType.nonce, 0, 0, 0, filler('nonce')],
    [
      DatagramType.consent,
      0,
      0,
      0,
      encodeConsentBody({
        nonce: filler('nonce'),
        expiresAt: 1_750_000_120,
        maxBytes: 45_000_000,
        signature: identityOf('vector signer').sign(filler('consent')),
      }),
    ],
    [DatagramType.ready, 0, 0, 0, new Uint8Array(0)],
    [DatagramType.probe, 0, 0, 7, filler('probe').subarray(0, 8)],
    [DatagramType.probeReply, 0, 0, 7, filler('probe').subarray(0, 8)],
    [DatagramType.probeClose, 0, 0, 7, filler('probe').subarray(0, 8)],
    [DatagramType.go, 3, 1, 2, delay],
    [DatagramType.stop, 0, 0, 0, new Uint8Array(0)],
    [DatagramType.keepalive, 0, 0, 0xffff_ffff, new Uint8Array(0)],
    [DatagramType.echo, 3, 1, 12, keystreamPackets(seed, 12, 1)],
  ]
  const crypto = loadFastCrypto('node')
  const gmac = crypto.createGmac(key)
  const scratch = crypto.allocate(2048)
  return bodies.map(([type, slot, attempt, sequence, body]) => {
    const header = { type, slot, attempt, sessionId, sequence }
    const sealed = sealedDatagram(gmac, scratch, header, body)
    const untagged = buildDatagram(header, body)
    untagged.set(sealed.subarray(TAG_OFFSET, TAG_OFFSET + 16), TAG_OFFSET)
    return {
      type,
      slot,
      attempt,
      sequence,
      sessionId: hex(sessionId),
      key: hex(key),
      nonce: hex(gmacNonce(type, slot, attempt, sequence)),
      body: hex(body),
      tag: hex(sealed.subarray(TAG_OFFSET, TAG_OFFSET + 16)),
      datagram: hex(untagged),
    }
  })
}

/** One member a team, 15 packets: one is lost, two come the other way round. */
const recordedSlot = (slot: number): Recording => ({
  orders: [[0, 1, 2, 3, 5, 4, 6, 7, 8, 10, 11, 12, 13, 14]],
  counts: [[10], [12], [14]],
  ownMicros: [[165_000 + slot, 198_000 + slot, 231_000 + slot]],
})

function challengeVector(): JsonValue {
  const challenge = buildChallenge({
    label: 'vectors',
    claimKbps: 700,
    committeeSize: 3,
    faulty: 1,
    teamSize: 1,
    record: recordedSlot,
  })
  const { evidence, beacon, beaconSecret, registry } = challenge
  const { request, plan } = evidence
  const transcript = sealTranscript(challenge)
  const content = encodeTranscript(transcript)
  const { guaranteedKbps, estimateKbps, owed } = assess(evidence)
  const randomness = verifyRound(beacon, request.beaconRound, plan.beaconSignature)
  return {
    beacon: {
      secret: hex(beaconSecret),
      publicKey: hex(beacon.publicKey),
      genesisTimeSeconds: beacon.genesisTimeSeconds,
      periodSeconds: beacon.periodSeconds,
      chainHash: hex(beacon.chainHash),
      round: request.beaconRound,
      message: hex(roundMessage(request.beaconRound)),
      signature: hex(plan.beaconSignature),
      randomness: hex(randomness === false ? new Uint8Array(0) : randomness),
    },
    registry: hex(encode(registry.entries)),
    request: hex(encode(request)),
    challengeId: hex(challengeIdOf(request)),
    plan: hex(encode(plan)),
    planHash: hex(sha256(encode(plan))),
    planDigest: hex(digestsOf(request).digest(structures.PLAN, { planHash: sha256(encode(plan)) })),
    evidence: hex(encodeEvidence(evidence)),
    evidenceHash: hex(evidenceHashOf(encodeEvidence(evidence))),
    guaranteedKbps,
    estimateKbps,
    owed: hex(owed),
    transcript: hex(content),
    transcriptSha256: hex(sha256(content)),
  }
}

/** An uplink: teams of one, marks in place of acks. */
function uplinkVector(): JsonValue {
  const challenge = buildChallenge({
    label: 'vectors',
    direction: 'up',
    claimKbps: 700,
    committeeSize: 3,
    faulty: 1,
    teamSize: 1,
    echo: (slot) => ({ counts: [10, 12, 14], ownMicros: [165_000 + slot, 198_000 + slot, 231_000 + slot] }),
  })
  const { evidence } = challenge
  const { guaranteedKbps, estimateKbps, owed } = assess(evidence)
  const arrivalMicros = [500, 149_999.5, 150_000.25, 155_000, 171_000.75]
  return {
    request: hex(encode(evidence.request)),
    challengeId: hex(challengeIdOf(evidence.request)),
    evidence: hex(encodeEvidence(evidence)),
    evidenceHash: hex(evidenceHashOf(encodeEvidence(evidence))),
    guaranteedKbps,
    estimateKbps,
    owed: hex(owed),
    marks: { tauMicros: 200_000, arrivalMicros, ...marksJson(echoMarks(arrivalMicros, 200_000)) },
  }
}

const marksJson = ({ counts, ownMicros }: EchoMarks) => ({ counts: [...counts], ownMicros: [...ownMicros] })

function keyVectors(): JsonValue {
  return ['vector signer', 'prover', 'payer', 'coordinator', 'vectors member 0'].map((name) => {
    const identity: Identity = identityOf(name)
    return identity.withSecret((secret) => ({
      name,
      secret: hex(secret),
      publicKey: hex(identity.publicKey),
      address: identity.address,
      peerId: identity.peerId,
    }))
  })
}

export function makeProtocolVectors(): { readonly [key: string]: JsonValue } {
  return {
    about:
      'Normative: the bytes of docs/protocol.md, version 1. Byte strings are lower-case hexadecimal. An implementation that gives other bytes speaks another protocol.',
    version: 1,
    keys: keyVectors(),
    typed: typedVectors(),
    draw: drawVectors(),
    strict: strictVectors(),
    keystream: keystreamVectors(),
    orders: orderVectors(),
    acks: ackVectors(),
    datagrams: datagramVectors(),
    challenge: challengeVector(),
    uplink: uplinkVector(),
  }
}
