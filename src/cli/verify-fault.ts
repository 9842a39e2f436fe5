/** `plumbline verify --fault FILE`: who did what, and whether the file proves it. */
import { readFile, stat } from 'node:fs/promises'
import { bytesToHex } from '@noble/hashes/utils.js'
import { checksumAddress } from '../crypto/address.js'
import { UserError } from '../errors.js'
import { decodeFaultProof, type FaultProof, MAX_FAULT_PROOF_BYTES, objectionTo } from '../pob/fault-proof.js'
import { labelled, wrap } from './format.js'
import type { CommandIo } from './io.js'

const LABEL_WIDTH = 14

/** What each kind says of its accused, in words. */
const CRIMES: Readonly<Record<FaultProof['kind'], string>> = {
  results: 'signed two different results of one challenge',
  testimonies: 'signed two different testimonies about one attempt of a slot',
  seed: 'revealed another seed than it had committed to',
  'ack-lists': 'signed two different lists of acks for one attempt of a slot',
  plans: 'signed two different plans for one challenge',
}

/** @returns the exit status: 0 where the fault is proven */
export async function checkFaultFile(path: string, io: CommandIo): Promise<number> {
  const content = await readProof(path)
  let proof: FaultProof
  try {
    proof = decodeFaultProof(content)
  } catch (error) {
    if (!(error instanceof UserError)) throw error
    return say(io, path, undefined, error.message)
  }
  return say(io, path, proof, objectionTo(proof))
}

async function readProof(path: string): Promise<Uint8Array> {
  const status = await stat(path).catch(() => undefined)
  if (status?.isFile() !== true)
    throw new UserError(`there is no file ${path}`, { code: 'NOT_FOUND', remedy: 'name a fault proof' })
  if (status.size > MAX_FAULT_PROOF_BYTES)
    throw new UserError(`${path} has ${status.size} bytes: too many for a fault proof`, {
      code: 'BAD_ARGUMENT',
      remedy: 'name the right file; what `chain dispute` makes of transcripts has less than 20 kB',
    })
  return readFile(path)
}

function say(io: CommandIo, path: string, proof: FaultProof | undefined, objection: string | undefined) {
  const proven = proof !== undefined && objection === undefined
  io.output.result({ file: path, proven, ...(proof === undefined ? {} : described(proof)), objection }, () =>
    textOf(io, path, proof, objection),
  )
  return proven ? 0 : 1
}

function described(proof: FaultProof) {
  return {
    kind: proof.kind,
    accused: checksumAddress(proof.accused),
    challengeId: `0x${bytesToHex(proof.challengeId)}`,
    chainId: proof.chainId,
    contract: checksumAddress(proof.verifyingContract),
    ...('slot' in proof ? { slot: proof.slot, attempt: proof.attempt } : {}),
    statements: statementsOf(proof),
  }
}

function statementsOf(proof: FaultProof): readonly string[] {
  const hex = (bytes: Uint8Array) => `0x${bytesToHex(bytes)}`
  switch (proof.kind) {
    case 'results':
      return proof.statements.map(
        (each) =>
          `guaranteed ${each.guaranteedKbps} and estimate ${each.estimateKbps} kbit/s from evidence ${hex(each.evidenceHash)}`,
      )
    case 'testimonies':
      return proof.statements.map(
        (each) =>
          `seed ${hex(each.seed)}, ${each.ownMicros.length} own times up to ${Math.max(0, ...each.ownMicros)} us, ` +
          `${each.sentPackets} packets, acks ${hex(each.ackListHash)}`,
      )
    case 'seed':
      return [`committed to ${hex(proof.commitment.seedHash)}`, `revealed ${hex(proof.testimony.seed)}`]
    case 'ack-lists':
      return proof.statements.map(
        ({ roots }) => `${roots.length} acks, the last ${hex(roots.at(-1) ?? new Uint8Array(0))}`,
      )
    case 'plans':
      return proof.statements.map(({ planHash }) => `plan ${hex(planHash)}`)
  }
}

function textOf(
  { style }: CommandIo,
  path: string,
  proof: FaultProof | undefined,
  objection: string | undefined,
): string {
  const row = (label: string, text: string) => labelled(`  ${label}`, text, LABEL_WIDTH)
  if (proof === undefined || objection !== undefined)
    return [
      `${style('bad', 'NOT PROVEN')}: ${wrap(`the file proves nothing against anybody: ${objection}.`, 68).join('\n')}`,
      '',
      row('File', path),
    ].join('\n')
  const found = described(proof)
  return [
    `${style('good', 'PROVEN')}: ${found.accused}`,
    `${CRIMES[proof.kind]}.`,
    '',
    row('Challenge', found.challengeId),
    ...('slot' in proof ? [row('Slot', `${proof.slot}, attempt ${proof.attempt}`)] : []),
    row(
      'Signed for',
      found.chainId === 0 ? 'no chain' : `chain ${found.chainId}, contract ${found.contract}`,
    ),
    ...found.statements.map((statement, i) => row(i === 0 ? 'It signed' : 'and', statement)),
    row('File', path),
  ].join('\n')
}
