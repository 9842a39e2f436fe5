/**
 * docs/protocol.md byte for byte. The vectors are normative; what they hold is checked here against this
 * implementation, and against others that share no code with it: viem for EIP-712, Node's OpenSSL for GMAC, CTR and
 * SHA-256, and a few lines written down from the document.
 */
import { createCipheriv, createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { hashTypedData, keccak256, recoverAddress } from 'viem'
import { describe, expect, it } from 'vitest'
import { blsVerify } from '../../src/crypto/bls.js'
import { type CborValue, decode, encode } from '../../src/crypto/cbor.js'
import { loadFastCrypto } from '../../src/crypto/fast/index.js'
import { openInPlace } from '../../src/dataplane/seal.js'
import { decodeOrder } from '../../src/pob/arrival-order.js'
import { assess } from '../../src/pob/assess.js'
import { datagramFault } from '../../src/pob/datagram.js'
import { echoMarks } from '../../src/pob/echo.js'
import { decodeEvidence, encodeEvidence } from '../../src/pob/evidence.js'
import { buildRegistry, type RegistryEntry } from '../../src/pob/registry.js'
import { decodeTranscript, encodeTranscript } from '../../src/pob/transcript.js'
import { verifyTranscript } from '../../src/pob/verify.js'
import { makeProtocolVectors } from '../support/protocol-vectors.js'

interface Vectors {
  keys: { name: string; secret: string; publicKey: string; address: string; peerId: string }[]
  typed: {
    primaryType: string
    type: string
    domain: { chainId: number; verifyingContract: string }
    message: Record<string, string | number | (string | number)[]>
    digest: string
    signature: string
  }[]
  draw: {
    registry: string
    registryHash: string
    randomness: string
    drawSeed: string
    draws: {
      request: string
      challengeId: string
      committee: string[]
      teamSize: number
      teams: number
      memberRateKbps: number
      offeredKbps: number
    }[]
  }
  strict: {
    pool: number | null
    corrupt: number | null
    betaMillionths: number
    deltaMillionths: number
    teams: number
    teamSize: number
    cleanTeams: number
    faulty: number
  }[]
  keystream: {
    seed: string
    challengeId: string
    member: string
    slot: number
    attempt: number
    seedHash: string
    key: string
    packets: { sequence: number; first16: string; sha256: string }[]
    arrivals: number[]
    counts: number[]
    digests: string[]
  }
  orders: { sequences: number[]; encoded: string }[]
  acks: { counts: number[]; digests: string[]; leaves: string[]; root: string }[]
  datagrams: {
    type: number
    slot: number
    attempt: number
    sequence: number
    sessionId: string
    key: string
    nonce: string
    body: string
    tag: string
    datagram: string
  }[]
  uplink: {
    evidence: string
    guaranteedKbps: number
    estimateKbps: number
    marks: { tauMicros: number; arrivalMicros: number[]; counts: number[]; ownMicros: number[] }
  }
  challenge: {
    beacon: {
      publicKey: string
      round: number
      message: string
      signature: string
      randomness: string
      genesisTimeSeconds: number
      periodSeconds: number
      chainHash: string
    }
    registry: string
    request: string
    challengeId: string
    plan: string
    planHash: string
    evidence: string
    evidenceHash: string
    guaranteedKbps: number
    estimateKbps: number
    owed: string
    transcript: string
    transcriptSha256: string
  }
}

const text = readFileSync(new URL('../fixtures/vectors/protocol.json', import.meta.url), 'utf8')
const vectors = JSON.parse(text) as Vectors
const bytes = (hex: string) => new Uint8Array(Buffer.from(hex, 'hex'))
const hex = (content: Uint8Array) => Buffer.from(content).toString('hex')
const sha256 = (content: Uint8Array) => createHash('sha256').update(content).digest('hex')
const big = (value: number, size: number) => {
  const out = Buffer.alloc(size)
  out.writeUIntBE(value, 0, size)
  return out
}

describe('the vectors', () => {
  it('are what this implementation gives', () => {
    // A difference is a change of the protocol: see scripts/protocol-vectors.mjs.
    expect(JSON.parse(JSON.stringify(makeProtocolVectors()))).toEqual(JSON.parse(text))
  })

  it('hold every structure of section 1.2 and every datagram of section 6', () => {
    const document = readFileSync(new URL('../../docs/protocol.md', import.meta.url), 'utf8')
    const types = new Set(vectors.typed.map(({ type }) => type))
    const documented = [...document.matchAll(/^ {4}([A-Z]\w+\(.*\))$/gm)]
      .map(([, type]) => type ?? '')
      .filter((type) => !type.startsWith('EIP712Domain'))
    expect(documented.length).toBe(12)
    for (const type of documented) expect(types).toContain(type)
    expect(types).toContain('Registry(bytes32 registryHash)')
    expect(vectors.datagrams.map(({ type }) => type)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13])
  })
})

describe('typed structures, by viem', () => {
  it.each(vectors.typed.map((vector) => [vector.primaryType, vector.domain.chainId, vector] as const))(
    '%s on chain %i',
    async (primaryType, chainId, { type, domain, message, digest, signature }) => {
      const fields = type
        .slice(primaryType.length + 1, -1)
        .split(',')
        .map((field) => {
          const [fieldType = '', name = ''] = field.split(' ')
          return { type: fieldType, name }
        })
      const value = (fieldType: string, each: unknown): unknown =>
        Array.isArray(each)
          ? each.map((item) => value(fieldType.slice(0, -2), item))
          : fieldType.startsWith('uint')
            ? BigInt(each as string | number)
            : `0x${String(each)}`
      const hash = hashTypedData({
        domain: {
          name: 'plumbline',
          version: '1',
          chainId,
          verifyingContract: `0x${domain.verifyingContract}`,
        },
        types: { [primaryType]: fields },
        primaryType,
        message: Object.fromEntries(
          fields.map((field) => [field.name, value(field.type, message[field.name])]),
        ),
      })
      expect(hash).toBe(`0x${digest}`)
      const signer = vectors.keys.find(({ name }) => name === 'vector signer')
      expect(await recoverAddress({ hash, signature: `0x${signature}` })).toBe(signer?.address)
    },
  )
})

describe('the draw, by the document', () => {
  const { draw } = vectors
  const registry = decode(bytes(draw.registry)) as readonly {
    publicKey: Uint8Array
    uplinkKbps: number
    operator: string
    host: string
  }[]

  it('hashes the registry and seeds the order', () => {
    expect(sha256(bytes(draw.registry))).toBe(draw.registryHash)
    const seed = Buffer.concat([
      Buffer.from('plumbline/1/committee'),
      bytes(draw.randomness),
      // The vectors' prover is in no registry.
      Buffer.alloc(20),
      bytes(draw.registryHash),
    ])
    expect(sha256(seed)).toBe(draw.drawSeed)
  })

  it.each(draw.draws.map((vector, i) => [i, vector] as const))(
    'takes the first that share nothing, those that can send before the others, %i',
    (at, vector) => {
      const rank = ({ publicKey }: { publicKey: Uint8Array }) =>
        sha256(Buffer.concat([bytes(draw.drawSeed), publicKey]))
      // IPv6 hosts of these vectors are all written 2001:db8:x::1.
      const prefix = (host: string) =>
        host.includes(':') ? host.split('::')[0] : host.split('.').slice(0, 3).join('.')
      const sideBySide = (entries: typeof registry) => {
        const taken: (typeof registry)[number][] = []
        for (const entry of entries)
          if (
            taken.every(
              (other) => other.operator !== entry.operator && prefix(other.host) !== prefix(entry.host),
            )
          )
            taken.push(entry)
        return taken
      }
      const ranked = (entries: typeof registry) => [...entries].sort((a, b) => (rank(a) < rank(b) ? -1 : 1))
      // The third is strict: the pool is what can stand side by side in the registry's order, and the draw is of the pool.
      const all = at === 2 ? ranked(sideBySide(registry)) : sideBySide(ranked(registry))
      const taken = all.slice(0, vector.committee.length)
      const able = taken.filter(({ uplinkKbps }) => uplinkKbps >= vector.memberRateKbps)
      const rest = taken.filter(({ uplinkKbps }) => uplinkKbps < vector.memberRateKbps)
      expect([...able, ...rest].map(({ publicKey }) => hex(publicKey))).toEqual(vector.committee)
      expect(able.length).toBeGreaterThanOrEqual(vector.teamSize * vector.teams)
      expect(vector.committee.length).toBeGreaterThanOrEqual(vector.teamSize * vector.teams)
      expect(vector.memberRateKbps).toBe(Math.ceil(vector.offeredKbps / vector.teamSize))
    },
  )
})

describe('strict, member by member', () => {
  /** P(so many corrupt so far, so many teams clean) after each draw, in doubles. */
  const drawn = (vector: Vectors['strict'][number]) => {
    const { pool, corrupt, betaMillionths, teams, teamSize } = vector
    let states = new Map<string, number>([['0 0', 1]])
    for (let team = 0; team < teams; team++) {
      let within = new Map([...states].map(([state, share]) => [`${state} 1`, share]))
      for (let member = 0; member < teamSize; member++) {
        const next = new Map<string, number>()
        for (const [state, share] of within) {
          const [hits = 0, clean = 0, isClean = 0] = state.split(' ').map(Number)
          const drawnBefore = team * teamSize + member
          const bad =
            pool === null || corrupt === null
              ? betaMillionths / 1e6
              : Math.max(0, corrupt - hits) / (pool - drawnBefore)
          const add = (key: string, part: number) => next.set(key, (next.get(key) ?? 0) + part)
          add(`${hits + 1} ${clean} 0`, share * bad)
          add(`${hits} ${clean} ${isClean}`, share * (1 - bad))
        }
        within = next
      }
      states = new Map()
      for (const [state, share] of within) {
        const [hits = 0, clean = 0, isClean = 0] = state.split(' ').map(Number)
        const key = `${hits} ${clean + isClean}`
        states.set(key, (states.get(key) ?? 0) + share)
      }
    }
    const chance = (holds: (hits: number, clean: number) => boolean) =>
      [...states].reduce((sum, [state, share]) => {
        const [hits = 0, clean = 0] = state.split(' ').map(Number)
        return sum + (holds(hits, clean) ? share : 0)
      }, 0)
    return chance
  }

  it.each(vectors.strict.map((vector, i) => [i, vector] as const))(
    'counts on what vector %i says',
    (_, vector) => {
      const { pool, corrupt, betaMillionths, deltaMillionths, teams, cleanTeams, faulty } = vector
      if (pool !== null) expect(corrupt).toBe(Math.max(1, Math.floor((betaMillionths * pool) / 1e6)))
      const chance = drawn(vector)
      const half = deltaMillionths / 2e6
      expect(chance((_, clean) => clean < cleanTeams)).toBeLessThanOrEqual(half)
      if (cleanTeams < teams) expect(chance((_, clean) => clean < cleanTeams + 1)).toBeGreaterThan(half)
      expect(chance((hits) => hits > faulty)).toBeLessThanOrEqual(half)
      if (faulty > 0) expect(chance((hits) => hits > faulty - 1)).toBeGreaterThan(half)
    },
  )
})

describe('keystream, by OpenSSL', () => {
  const { keystream } = vectors
  const packet = (sequence: number) => {
    const counter = Buffer.alloc(16)
    counter.writeBigUInt64BE(BigInt(sequence * 86), 8)
    return createCipheriv('aes-128-ctr', bytes(keystream.key), counter).update(Buffer.alloc(1376))
  }

  it('has its key from the seed, and packets from the key', () => {
    const key = sha256(Buffer.concat([Buffer.from('plumbline/1/keystream'), bytes(keystream.seed)])).slice(
      0,
      32,
    )
    expect(key).toBe(keystream.key)
    for (const { sequence, first16, sha256: digest } of keystream.packets) {
      expect(packet(sequence).subarray(0, 16).toString('hex')).toBe(first16)
      expect(sha256(packet(sequence))).toBe(digest)
    }
  })

  it('digests the first arrivals', () => {
    keystream.counts.forEach((count, k) => {
      const records = keystream.arrivals
        .slice(0, count)
        .map((sequence) => Buffer.concat([big(sequence, 4), packet(sequence)]))
      expect(sha256(Buffer.concat(records))).toBe(keystream.digests[k])
    })
  })

  it('is committed to by a hash with its place inside', () => {
    const content = Buffer.concat([
      Buffer.from('plumbline/1/seed'),
      bytes(keystream.seed),
      bytes(keystream.challengeId),
      bytes(keystream.member),
      big(keystream.slot, 2),
      big(keystream.attempt, 1),
    ])
    expect(keccak256(content)).toBe(`0x${keystream.seedHash}`)
  })
})

describe('arrival orders, by the document', () => {
  it.each(vectors.orders.map((vector, i) => [i, vector] as const))(
    'order %i',
    (_, { sequences, encoded }) => {
      const out: number[] = []
      const leb = (value: number) => {
        let rest = value
        for (; rest > 127; rest = Math.floor(rest / 128)) out.push((rest % 128) | 128)
        out.push(rest)
      }
      let expected = 0
      for (let at = 0; at < sequences.length; ) {
        const first = sequences[at] ?? 0
        let length = 1
        while (sequences[at + length] === first + length) length++
        const difference = first - expected
        leb(difference < 0 ? -2 * difference - 1 : 2 * difference)
        leb(length - 1)
        expected = first + length
        at += length
      }
      expect(Buffer.from(out).toString('hex')).toBe(encoded)
      const read = decodeOrder(bytes(encoded), 1_000_001)
      expect(read.flatMap(({ first, length }) => Array.from({ length }, (_, i) => first + i))).toEqual(
        sequences,
      )
    },
  )
})

describe('acks, by the document', () => {
  it.each(vectors.acks.map((vector) => [vector.counts.length, vector] as const))(
    'of %i members',
    (_, vector) => {
      const { counts, digests, leaves, root } = vector
      const leaf = (i: number) =>
        sha256(Buffer.concat([Buffer.of(0), big(i, 2), big(counts[i] ?? 0, 4), bytes(digests[i] ?? '')]))
      expect(counts.map((_, i) => leaf(i))).toEqual(leaves)
      const rootOf = (level: string[]): string => {
        if (level.length === 1) return level[0] ?? ''
        const above: string[] = []
        for (let i = 0; i < level.length; i += 2) {
          const [left = '', right] = level.slice(i, i + 2)
          above.push(
            right === undefined ? left : sha256(Buffer.concat([Buffer.of(1), bytes(left), bytes(right)])),
          )
        }
        return rootOf(above)
      }
      expect(rootOf(leaves)).toBe(root)
    },
  )
})

describe('datagrams, by OpenSSL', () => {
  it.each(vectors.datagrams.map((vector) => [vector.type, vector] as const))('type %i', (type, vector) => {
    const { slot, attempt, sequence } = vector
    const datagram = bytes(vector.datagram)
    const fromMember = [1, 4, 6, 8].includes(type)
    const head = Buffer.concat([Buffer.of(type, 1, slot, attempt), bytes(vector.sessionId)])
    const rest = Buffer.concat([big(sequence, 4), bytes(vector.body)])
    expect(hex(datagram)).toBe(hex(Buffer.concat([head, bytes(vector.tag), rest])))
    const nonce = Buffer.concat([
      Buffer.of(type, slot, attempt, fromMember ? 1 : 0),
      big(sequence, 4),
      Buffer.alloc(4),
    ])
    expect(nonce.toString('hex')).toBe(vector.nonce)
    const gcm = createCipheriv('aes-128-gcm', bytes(vector.key), nonce)
    gcm.setAAD(Buffer.concat([head, rest]))
    gcm.final()
    expect(gcm.getAuthTag().toString('hex')).toBe(vector.tag)
    expect(datagramFault(datagram, 0, datagram.length)).toBeUndefined()
  })

  it.each(['evp', 'node', 'noble'] as const)(
    'open with the %s backend, and not when a bit has changed',
    (name) => {
      const crypto = loadFastCrypto(name)
      for (const vector of vectors.datagrams) {
        const gmac = crypto.createGmac(bytes(vector.key))
        const region = crypto.allocate(2048)
        const datagram = bytes(vector.datagram)
        const open = (change: (content: Uint8Array) => void) => {
          region.bytes.set(datagram)
          change(region.bytes)
          return openInPlace(gmac, region, 0, datagram.length)
        }
        expect(open(() => {})).toBe(true)
        for (const at of [0, 1, 2, 3, 4, 11, 12, 27, 28, datagram.length - 1])
          expect(open((content) => content.set([(content[at] ?? 0) ^ 1], at))).toBe(false)
        gmac.free()
      }
    },
  )
})

describe('a whole challenge', () => {
  const { challenge } = vectors

  it('is encoded deterministically', () => {
    for (const content of [
      challenge.request,
      challenge.plan,
      challenge.evidence,
      challenge.transcript,
      challenge.registry,
    ])
      expect(hex(encode(decode(bytes(content), { maxBytes: 1e6 }) as CborValue))).toBe(content)
    expect(hex(encodeEvidence(decodeEvidence(bytes(challenge.evidence))))).toBe(challenge.evidence)
    expect(hex(encodeTranscript(decodeTranscript(bytes(challenge.transcript))))).toBe(challenge.transcript)
    expect(sha256(bytes(challenge.evidence))).toBe(challenge.evidenceHash)
    expect(sha256(bytes(challenge.plan))).toBe(challenge.planHash)
    expect(sha256(bytes(challenge.transcript))).toBe(challenge.transcriptSha256)
  })

  it('has its round signed by the beacon', () => {
    const { beacon } = challenge
    expect(sha256(Buffer.concat([Buffer.alloc(4), big(beacon.round, 4)]))).toBe(beacon.message)
    expect(blsVerify(bytes(beacon.publicKey), bytes(beacon.message), bytes(beacon.signature))).toBe(true)
    expect(sha256(bytes(beacon.signature))).toBe(beacon.randomness)
  })

  it('gives the numbers of its transcript, and verifies as anchored', () => {
    const assessment = assess(decodeEvidence(bytes(challenge.evidence)))
    expect(assessment.faults).toEqual([])
    expect(assessment.guaranteedKbps).toBe(challenge.guaranteedKbps)
    expect(assessment.estimateKbps).toBe(challenge.estimateKbps)
    expect(hex(assessment.owed)).toBe(challenge.owed)
    // 14 packets of 11488 bits in at most 231002 us; f = 1 of three teams, so one may lie.
    expect(challenge.guaranteedKbps).toBe(Math.floor((14 * 11_488) / 0.231_001 / 1000))
    const { beacon } = challenge
    const verdict = verifyTranscript(bytes(challenge.transcript), {
      registry: buildRegistry(decode(bytes(challenge.registry)) as unknown as RegistryEntry[]),
      beacon: {
        kind: 'local',
        chainHash: bytes(beacon.chainHash),
        publicKey: bytes(beacon.publicKey),
        genesisTimeSeconds: beacon.genesisTimeSeconds,
        periodSeconds: beacon.periodSeconds,
      },
    })
    expect(verdict).toMatchObject({ level: 'anchored', faults: [] })
  })
})

describe('an uplink', () => {
  it('gives its numbers from the marks alone, by hand', () => {
    const { uplink } = vectors
    const assessment = assess(decodeEvidence(bytes(uplink.evidence)))
    expect(assessment.faults).toEqual([])
    expect(assessment.guaranteedKbps).toBe(uplink.guaranteedKbps)
    expect(assessment.estimateKbps).toBe(uplink.estimateKbps)
    // 14 packets of 11488 bits in at most 231001 us; f = 1 of three teams, so one may lie.
    expect(uplink.guaranteedKbps).toBe(Math.floor((14 * 11_488) / 0.231_001 / 1000))
    const { tauMicros, arrivalMicros, counts, ownMicros } = uplink.marks
    // Marks at 150, 155 ms ...: two by the first, two more by the second, the last at the end.
    expect({ counts, ownMicros }).toEqual({ counts: [2, 4, 5], ownMicros: [150_000, 155_000, 171_001] })
    expect(echoMarks(arrivalMicros, tauMicros)).toEqual({ counts, ownMicros })
  })
})
