/**
 * Turns vectors of independent projects into flat JSON that forge reads (contracts/fixtures/, git-ignored):
 * every Wycheproof BLS and secp256k1 file and every drand file in a folder, the strict parameter sets, and
 * EIP-712 digests as viem computes them. Signatures are decoded here, since the contracts take r, s, v and
 * uncompressed points: what no decoder accepts never reaches them, and must be a vector marked invalid.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { bls12_381 } from '@noble/curves/bls12-381.js'
import { secp256k1 } from '@noble/curves/secp256k1.js'
import { sha256, sha512 } from '@noble/hashes/sha2.js'
import { keccak_256, sha3_256, sha3_512, shake128, shake256 } from '@noble/hashes/sha3.js'
import { bytesToHex, concatBytes, hexToBytes, utf8ToBytes } from '@noble/hashes/utils.js'
import { encodeAbiParameters, encodePacked, hashTypedData, keccak256 } from 'viem'

const { Fp, Fp2 } = bls12_381.fields
const hex = (bytes) => `0x${bytesToHex(bytes)}`
const element = (value) => value.toString(16).padStart(128, '0')
const word = (value) => `0x${value.toString(16).padStart(64, '0')}`

// ------------------------------------------------------------------------------------------------ BLS points

/** Larger of y and -y: the sign bit of the compressed form (ZCash's; c1 first in G2). */
const isLarger1 = (y) => y > (Fp.ORDER - 1n) / 2n
const isLarger2 = (y) => (y.c1 === 0n ? isLarger1(y.c0) : isLarger1(y.c1))

function flags(bytes, length) {
  if (bytes.length !== length) throw new Error('length')
  const [compressed, infinity, larger] = [0x80, 0x40, 0x20].map((bit) => (bytes[0] & bit) !== 0)
  if (!compressed) throw new Error('not compressed')
  const rest = Uint8Array.from(bytes)
  rest[0] &= 0x1f
  if (infinity && (larger || rest.some((byte) => byte !== 0))) throw new Error('infinity flags')
  return { infinity, larger, rest }
}

function coordinate(bytes) {
  const value = BigInt(hex(bytes))
  if (value >= Fp.ORDER) throw new Error('coordinate not below p')
  return value
}

/** Compressed G1 -> EIP-2537 hex, on the curve but perhaps outside the subgroup; throws where it is no point. */
function g1(compressed) {
  const { infinity, larger, rest } = flags(compressed, 48)
  if (infinity) return `0x${'00'.repeat(128)}`
  const x = coordinate(rest)
  let y = Fp.sqrt(Fp.add(Fp.mul(Fp.sqr(x), x), 4n))
  if (isLarger1(y) !== larger) y = Fp.neg(y)
  return `0x${element(x)}${element(y)}`
}

/** The same for G2. */
function g2(compressed) {
  const { infinity, larger, rest } = flags(compressed, 96)
  if (infinity) return `0x${'00'.repeat(256)}`
  const x = Fp2.create({ c0: coordinate(rest.slice(48)), c1: coordinate(rest.slice(0, 48)) })
  const b = Fp2.create({ c0: 4n, c1: 4n })
  let y = Fp2.sqrt(Fp2.add(Fp2.mul(Fp2.sqr(x), x), b))
  if (isLarger2(y) !== larger) y = Fp2.neg(y)
  return `0x${[x.c0, x.c1, y.c0, y.c1].map(element).join('')}`
}

const attempt = (decode) => {
  try {
    return decode()
  } catch {
    return undefined
  }
}

// ------------------------------------------------------------------------------------------------- Wycheproof

/** Strict DER (BIP 66) or r || s -> [r, s]; undefined where it is neither. */
function decodeSignature(bytes, type) {
  if (type === 'EcdsaP1363Verify') {
    if (bytes.length !== 64) return undefined
    return [BigInt(hex(bytes.slice(0, 32))), BigInt(hex(bytes.slice(32)))]
  }
  const integer = (at) => {
    const length = bytes[at + 1]
    const body = bytes.slice(at + 2, at + 2 + length)
    if (bytes[at] !== 2 || length === 0 || length > 33 || body.length !== length) throw new Error('integer')
    if (body[0] & 0x80 || (length > 1 && body[0] === 0 && !(body[1] & 0x80))) throw new Error('padding')
    return [BigInt(hex(body)), at + 2 + length]
  }
  return attempt(() => {
    if (bytes[0] !== 0x30 || bytes[1] !== bytes.length - 2) throw new Error('sequence')
    const [r, next] = integer(2)
    const [s, end] = integer(next)
    if (end !== bytes.length || r >> 256n || s >> 256n) throw new Error('length')
    return [r, s]
  })
}

/** ecrecover takes v = 27 and 28, so x below the order: a signature with a larger x is valid and not expressible. */
function needsLargeX([r, s], digest, publicKey) {
  return [2, 3].some((recovery) =>
    attempt(() => {
      const signature = new secp256k1.Signature(r, s, recovery)
      return bytesToHex(signature.recoverPublicKey(digest).toBytes(false)) === publicKey
    }),
  )
}

/** The leftmost 256 bits count. */
const DIGESTS = {
  'SHA-256': sha256,
  'SHA-512': (message) => sha512(message).slice(0, 32),
  'SHA3-256': sha3_256,
  'SHA3-512': (message) => sha3_512(message).slice(0, 32),
  SHAKE128: (message) => shake128(message, { dkLen: 32 }),
  SHAKE256: (message) => shake256(message, { dkLen: 32 }),
}

/** Either answer is right for an "acceptable" one: nothing to check. */
const isDecided = (test) => test.result !== 'acceptable'

function ecdsa(groups, out) {
  for (const group of groups) {
    const digestOf = DIGESTS[group.sha]
    // Version 0 of the files has the key's point under another name.
    const { curve, uncompressed: publicKey } = group.publicKey ?? group.key
    if (digestOf === undefined || curve !== 'secp256k1') continue
    const signer = hex(keccak_256(hexToBytes(publicKey).slice(1)).slice(12))
    for (const test of group.tests.filter(isDecided)) {
      const digest = digestOf(hexToBytes(test.msg))
      const decoded = attempt(() => decodeSignature(hexToBytes(test.sig), group.type))
      if (decoded === undefined) {
        if (test.result === 'valid') throw new Error(`ECDSA ${test.tcId}: valid, but our decoder refuses it`)
        out.undecodable++
        continue
      }
      const high = decoded[1] > secp256k1.Point.Fn.ORDER / 2n
      const valid = test.result === 'valid' && !high && !needsLargeX(decoded, digest, publicKey)
      out.digests.push(hex(digest))
      out.rs.push(word(decoded[0]))
      out.ss.push(word(decoded[1]))
      out.signers.push(signer)
      out.valid.push(valid)
      out.ids.push(test.tcId)
    }
  }
}

/** What a key signs in the scheme that a ciphersuite names: the augmented one puts the key before the message. */
const signedMessage = (ciphersuite, key, message) =>
  ciphersuite.endsWith('_AUG_') ? `0x${key}${message}` : `0x${message}`

function blsG2(groups, out) {
  for (const group of groups) {
    for (const test of group.tests.filter(isDecided)) {
      const signature = attempt(() => g2(hexToBytes(test.sig)))
      const publicKey = attempt(() => g1(hexToBytes(group.publicKey.pk)))
      if (signature === undefined || publicKey === undefined) {
        if (test.result === 'valid') throw new Error(`BLS ${test.tcId}: valid, but our decoder refuses it`)
        out.undecodable++
        continue
      }
      out.signatures.push(signature)
      out.keys.push(publicKey)
      out.messages.push(signedMessage(group.ciphersuite, group.publicKey.pk, test.msg))
      out.tags.push(hex(utf8ToBytes(group.ciphersuite)))
      out.valid.push(test.result === 'valid')
      out.ids.push(test.tcId)
    }
  }
}

/** Keys and messages as abi.encode(bytes[]): forge's JSON has no arrays of arrays. */
const packed = (items) => encodeAbiParameters([{ type: 'bytes[]' }], [items])

function aggregates(groups, out) {
  for (const group of groups) {
    for (const test of group.tests.filter(isDecided)) {
      const signature = attempt(() => g2(hexToBytes(test.sig)))
      const keys = attempt(() => test.pubkeys.map((key) => g1(hexToBytes(key))))
      if (signature === undefined || keys === undefined) {
        if (test.result === 'valid') throw new Error(`BLS ${test.tcId}: valid, but our decoder refuses it`)
        out.undecodable++
        continue
      }
      out.signatures.push(signature)
      out.keys.push(packed(keys))
      // Counts may differ in an invalid one.
      const signed = test.messages.map((message, i) =>
        signedMessage(group.ciphersuite, test.pubkeys[i] ?? '', message),
      )
      out.messages.push(packed(signed))
      out.distinct.push(group.ciphersuite.endsWith('_NUL_'))
      out.tags.push(hex(utf8ToBytes(group.ciphersuite)))
      out.valid.push(test.result === 'valid')
      out.ids.push(test.tcId)
    }
  }
}

// Cases of our own making, a valid and an invalid one at least: whatever files there are, no list is empty and no check
// passes by always saying the same.

const BASIC = 'BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_NUL_'

function ownEcdsa() {
  const secret = sha256(utf8ToBytes('a signer'))
  const publicKey = { curve: 'secp256k1', uncompressed: bytesToHex(secp256k1.getPublicKey(secret, false)) }
  const msg = bytesToHex(utf8ToBytes('message'))
  const sig = bytesToHex(secp256k1.sign(sha256(hexToBytes(msg)), secret, { prehash: false }))
  const tests = [
    { msg, sig, result: 'valid' },
    { msg: `${msg}00`, sig, result: 'invalid' },
    { msg, sig: sig.slice(2), result: 'invalid' },
  ].map((test, i) => ({ ...test, tcId: 10_000 + i }))
  return [{ type: 'EcdsaP1363Verify', sha: 'SHA-256', publicKey, tests }]
}

function ownSignatures() {
  const scheme = bls12_381.longSignatures
  const secret = sha256(utf8ToBytes('a signer'))
  const publicKey = { pk: bytesToHex(scheme.getPublicKey(secret).toBytes(true)) }
  const sig = bytesToHex(scheme.sign(scheme.hash(utf8ToBytes('a'), BASIC), secret).toBytes(true))
  const tests = [
    { msg: '61', sig, result: 'valid' },
    { msg: '62', sig, result: 'invalid' },
  ].map((test, i) => ({ ...test, tcId: 10_000 + i }))
  return [{ ciphersuite: BASIC, publicKey, tests }]
}

function ownHashes() {
  const point = (message) =>
    bytesToHex(bls12_381.longSignatures.hash(utf8ToBytes(message), BASIC).toBytes(true))
  const tests = [
    { msg: '61', expected: point('a'), result: 'valid' },
    { msg: '61', expected: point('b'), result: 'invalid' },
  ].map((test, i) => ({ ...test, tcId: 10_000 + i }))
  return [{ dst: BASIC, tests }]
}

function ownAggregates() {
  const scheme = bls12_381.longSignatures
  const ciphersuite = BASIC
  const secrets = [1, 2, 3].map((i) => sha256(utf8ToBytes(`aggregate ${i}`)))
  const pubkeys = secrets.map((secret) => bytesToHex(scheme.getPublicKey(secret).toBytes(true)))
  const messages = ['one', 'two', ''].map((text) => bytesToHex(utf8ToBytes(text)))
  const sig = bytesToHex(
    secrets
      .map((secret, i) => scheme.sign(scheme.hash(hexToBytes(messages[i]), ciphersuite), secret))
      .reduce((sum, each) => sum.add(each))
      .toBytes(true),
  )
  const all = { pubkeys, messages, sig }
  const tests = [
    { ...all, result: 'valid' },
    { ...all, messages: [...messages].reverse(), result: 'invalid' },
    { ...all, pubkeys: pubkeys.slice(1), result: 'invalid' },
    { ...all, messages: messages.slice(1), result: 'invalid' },
    { pubkeys: [], messages: [], sig: `c0${'00'.repeat(95)}`, result: 'invalid' },
  ].map((test, i) => ({ ...test, tcId: 10_000 + i }))
  return [{ ciphersuite, tests }, ...sameMessageTwice()]
}

/** One message by two signers: the basic scheme refuses it, and the one with proofs of possession is made for it. */
function sameMessageTwice() {
  const scheme = bls12_381.longSignatures
  const secrets = [1, 2].map((i) => sha256(utf8ToBytes(`aggregate ${i}`)))
  const pubkeys = secrets.map((secret) => bytesToHex(scheme.getPublicKey(secret).toBytes(true)))
  return [BASIC, BASIC.replace('_NUL_', '_POP_'), BASIC.replace('_NUL_', '_AUG_')].map((ciphersuite, at) => {
    const augmented = ciphersuite.endsWith('_AUG_')
    const signed = (i) =>
      concatBytes(augmented ? hexToBytes(pubkeys[i]) : new Uint8Array(), utf8ToBytes('one'))
    const sig = secrets
      .map((secret, i) => scheme.sign(scheme.hash(signed(i), ciphersuite), secret))
      .reduce((sum, each) => sum.add(each))
    const messages = ['one', 'one'].map((text) => bytesToHex(utf8ToBytes(text)))
    const result = ciphersuite === BASIC ? 'invalid' : 'valid'
    return {
      ciphersuite,
      tests: [{ tcId: 10_100 + at, pubkeys, messages, sig: bytesToHex(sig.toBytes(true)), result }],
    }
  })
}

function hashG2(groups, out) {
  for (const group of groups) {
    for (const test of group.tests.filter(isDecided)) {
      const point = attempt(() => g2(hexToBytes(test.expected)))
      if (point === undefined) {
        if (test.result === 'valid') throw new Error(`hash ${test.tcId}: valid, but our decoder refuses it`)
        continue
      }
      out.messages.push(`0x${test.msg}`)
      out.tags.push(hex(utf8ToBytes(group.dst)))
      out.points.push(point)
      out.valid.push(test.result === 'valid')
      out.ids.push(test.tcId)
    }
  }
}

/** randa-mu's order is x.c1 x.c0 y.c1 y.c0 and 48 bytes an element. */
function drandFile(entries, out) {
  const split = (value) => value.match(/.{96}/g).map((part) => part.padStart(128, '0'))
  for (const entry of entries) {
    const [x1, x0, y1, y0] = split(entry.pk)
    out.signatures.push(`0x${split(entry.sig).join('')}`)
    out.keys.push(`0x${x0}${x1}${y0}${y1}`)
    out.messages.push(`0x${entry.message}`)
    out.tags.push(hex(utf8ToBytes(entry.dst)))
    out.hashes.push(`0x${split(entry.m_expected).join('')}`)
    out.rounds.push(entry.drand_round_number)
    out.short.push(`0x${entry.sig}`)
    out.randomness.push(hex(sha256(hexToBytes(entry.sig_compressed))))
  }
}

// ---------------------------------------------------------------------------------------------------- EIP-712

const request = {
  prover: '0x1111111111111111111111111111111111111111',
  payer: '0x2222222222222222222222222222222222222222',
  coordinator: '0x3333333333333333333333333333333333333333',
  direction: 1,
  profile: 2,
  claimKbps: 250000n,
  committeeSize: 10,
  faulty: 0,
  teams: 5,
  betaMillionths: 100000,
  deltaMillionths: 10000,
  registryHash: `0x${'44'.repeat(32)}`,
  beaconChain: `0x${'55'.repeat(32)}`,
  beaconRound: 123456789n,
  expiresAt: 1800000000n,
  salt: `0x${'66'.repeat(32)}`,
}
const fields = (text) =>
  text.split(',').map((field) => ({ type: field.split(' ')[0], name: field.split(' ')[1] }))
const run = 'bytes32 challengeId,uint16 slot,uint8 attempt'
const types = {
  Request: fields(
    'address prover,address payer,address coordinator,uint8 direction,uint8 profile,uint64 claimKbps,uint16 committeeSize,uint16 faulty,uint16 teams,uint32 betaMillionths,uint32 deltaMillionths,bytes32 registryHash,bytes32 beaconChain,uint64 beaconRound,uint64 expiresAt,bytes32 salt',
  ),
  Acceptance: fields('bytes32 challengeId,uint64 acceptedAt'),
  Commitment: fields(`${run},bytes32 seedHash,uint64 rateKbps,uint32 packetCount`),
  AckList: fields(`${run},bytes32[] roots`),
  Testimony: fields(
    `${run},bytes32 seed,bytes32 ackListHash,uint64[] ownMicros,uint32 rttMicros,uint32 latenessMicros,uint32 sentPackets`,
  ),
  Voucher: fields('bytes32 channelId,uint96 amountWei,uint64 receipts,bytes32 receiptsHead'),
  Result: fields(
    'bytes32 challengeId,bytes32 evidenceHash,uint64 guaranteedKbps,uint64 estimateKbps,uint256 owed',
  ),
}

function typedData(chainId, verifyingContract) {
  const domain = { name: 'plumbline', version: '1', chainId, verifyingContract }
  const digest = (primaryType, message) => hashTypedData({ domain, types, primaryType, message })
  const challengeId = digest('Request', request)
  const at = { challengeId, slot: 3, attempt: 2 }
  const roots = [`0x${'77'.repeat(32)}`, `0x${'88'.repeat(32)}`]
  const ownMicros = [0n, 200001n, 250000n]
  const seed = `0x${'99'.repeat(32)}`
  const member = '0x4444444444444444444444444444444444444444'
  const ackListHash = digest('AckList', { ...at, roots })
  const words = (values) =>
    keccak256(
      encodePacked(
        values.map(() => 'uint256'),
        values.map(BigInt),
      ),
    )
  return {
    chainId,
    verifyingContract,
    challengeId,
    acceptance: digest('Acceptance', { challengeId, acceptedAt: 1799999000n }),
    commitment: digest('Commitment', {
      ...at,
      seedHash: `0x${'ab'.repeat(32)}`,
      rateKbps: 150000n,
      packetCount: 2612,
    }),
    ackList: ackListHash,
    rootsHash: words(roots),
    ownMicrosHash: words(ownMicros),
    testimony: digest('Testimony', {
      ...at,
      seed,
      ackListHash,
      ownMicros,
      rttMicros: 12345,
      latenessMicros: 678,
      sentPackets: 2612,
    }),
    result: digest('Result', {
      challengeId,
      evidenceHash: `0x${'cd'.repeat(32)}`,
      guaranteedKbps: 240000n,
      estimateKbps: 249000n,
      owed: 1023n,
    }),
    voucher: digest('Voucher', {
      channelId: `0x${'12'.repeat(32)}`,
      amountWei: 79_228_162_514_264_337_593_543_950_335n,
      receipts: 18_446_744_073_709_551_615n,
      receiptsHead: `0x${'34'.repeat(32)}`,
    }),
    seedHash: keccak256(
      encodePacked(
        ['string', 'bytes32', 'bytes32', 'address', 'uint16', 'uint8'],
        ['plumbline/1/seed', seed, challengeId, member, 3, 2],
      ),
    ),
  }
}

// ----------------------------------------------------------------------------------------------------- strict

function strict(path) {
  const out = { sizes: [], betas: [], deltas: [], budgets: [] }
  if (path === undefined) return out
  const millionths = (text) => {
    const [top, bottom = '1'] = text.split('/')
    const scaled = BigInt(top) * 1_000_000n
    return scaled % BigInt(bottom) === 0n ? Number(scaled / BigInt(bottom)) : undefined
  }
  for (const set of JSON.parse(readFileSync(path, 'utf8')).strict) {
    const [beta, delta, size] = [millionths(set.beta), millionths(set.delta), set.m * set.G]
    if (beta === undefined || delta === undefined || size > 64 || beta > 499_999) continue
    out.sizes.push(size)
    out.betas.push(beta)
    out.deltas.push(delta)
    out.budgets.push(set.fDelta)
  }
  return out
}

/** A local beacon of a known key: its chain hash as in src/crypto/beacon.ts, and a round signed by noble. */
function localBeacon() {
  const secret = sha256(utf8ToBytes('plumbline contracts test beacon'))
  const publicKey = bls12_381.shortSignatures.getPublicKey(secret).toBytes()
  const [genesis, period, round] = [1_800_000_000n, 2, 77n]
  const u64 = (value) => hexToBytes(value.toString(16).padStart(16, '0'))
  const head = hexToBytes(period.toString(16).padStart(8, '0'))
  const parts = [utf8ToBytes('plumbline/local-beacon/1'), head, u64(genesis), publicKey]
  const tag = 'BLS_SIG_BLS12381G1_XMD:SHA-256_SSWU_RO_NUL_'
  const hashed = bls12_381.shortSignatures.hash(sha256(u64(round)), tag)
  const signature = bls12_381.shortSignatures.sign(hashed, secret).toBytes()
  return {
    genesis: Number(genesis),
    period,
    round: Number(round),
    publicKey: g2(publicKey),
    chainHash: hex(sha256(Uint8Array.from(parts.flatMap((part) => [...part])))),
    signature: `0x${g1(signature)
      .slice(2)
      .match(/.{128}/g)
      .map((part) => part.slice(32))
      .join('')}`,
    randomness: hex(sha256(signature)),
  }
}

const isDrand = (content) => Array.isArray(content) && content[0]?.sig_compressed !== undefined

const jsonFiles = (directory) =>
  (existsSync(directory) ? readdirSync(directory).sort() : [])
    .filter((name) => name.endsWith('.json'))
    .map((name) => JSON.parse(readFileSync(join(directory, name), 'utf8')))

/**
 * Writes every fixture; returns how many vectors each holds.
 * @param ownDirectory the repository's vectors, for a kind of which the first has none: strict sets, drand's rounds
 */
export function writeFixtures(vectorsDirectory, outDirectory, ownDirectory) {
  const lists = (...names) => Object.fromEntries(names.map((name) => [name, []]))
  const all = {
    ecdsa: { ...lists('digests', 'rs', 'ss', 'signers', 'valid', 'ids'), undecodable: 0 },
    blsG2: { ...lists('signatures', 'keys', 'messages', 'tags', 'valid', 'ids'), undecodable: 0 },
    hashG2: lists('messages', 'tags', 'points', 'valid', 'ids'),
    blsAggregate: {
      ...lists('signatures', 'keys', 'messages', 'tags', 'distinct', 'valid', 'ids'),
      undecodable: 0,
    },
    blsG1: lists('signatures', 'keys', 'messages', 'tags', 'hashes', 'rounds', 'short', 'randomness'),
    strict: strict(
      [vectorsDirectory, ownDirectory]
        .map((folder) => join(folder, 'team-rule', 'cases.json'))
        .find((path) => existsSync(path)),
    ),
    typedData: typedData(31337, '0x5615dEB798BB3E4dFa0139dFa1b3D433Cc23b72f'),
    localBeacon: localBeacon(),
  }
  for (const content of jsonFiles(join(vectorsDirectory, 'crypto'))) {
    if (isDrand(content)) drandFile(content, all.blsG1)
    for (const group of content.testGroups ?? []) {
      if (['EcdsaBitcoinVerify', 'EcdsaVerify', 'EcdsaP1363Verify'].includes(group.type))
        ecdsa([group], all.ecdsa)
      else if (group.type === 'BlsSigVerify' && group.ciphersuite.includes('BLS12381G2'))
        blsG2([group], all.blsG2)
      else if (group.type === 'BlsHashToG2') hashG2([group], all.hashG2)
      else if (group.type === 'BlsAggregateVerify') aggregates([group], all.blsAggregate)
    }
  }
  if (all.blsG1.rounds.length === 0)
    for (const content of jsonFiles(join(ownDirectory, 'crypto')).filter(isDrand))
      drandFile(content, all.blsG1)
  ecdsa(ownEcdsa(), all.ecdsa)
  blsG2(ownSignatures(), all.blsG2)
  hashG2(ownHashes(), all.hashG2)
  aggregates(ownAggregates(), all.blsAggregate)
  mkdirSync(outDirectory, { recursive: true })
  for (const [name, value] of Object.entries(all))
    writeFileSync(
      join(outDirectory, `${name}.json`),
      JSON.stringify({ ...value, count: value.valid?.length ?? 0 }),
    )
  return {
    ecdsa: all.ecdsa.ids.length,
    blsG2: all.blsG2.ids.length,
    hashG2: all.hashG2.ids.length,
    blsAggregate: all.blsAggregate.ids.length,
    blsG1: all.blsG1.rounds.length,
    strict: all.strict.sizes.length,
    undecodable: all.ecdsa.undecodable + all.blsG2.undecodable + all.blsAggregate.undecodable,
  }
}
