/** Proofs of faults as files: named after what they prove, written whole or not at all, the oldest making room. */
import { mkdir, readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { bytesToHex } from '@noble/hashes/utils.js'
import { encodeFaultProof } from '../pob/fault-proof.js'
import type { FaultScope, ProvableFault } from '../pob/provable-faults.js'
import { writeWhole } from './whole-file.js'

export const FAULT_PROOF_SUFFIX = '.fault'
/** Some 4 MB. A peer that piles faults up accuses itself each time. */
const MAX_FILES = 1000

/** @returns where it lies */
export async function writeFaultProof(
  directory: string,
  scope: FaultScope,
  fault: ProvableFault,
): Promise<string> {
  await mkdir(directory, { recursive: true, mode: 0o700 })
  const name = `${bytesToHex(scope.challengeId)}-${fault.kind}-${fault.accused}${FAULT_PROOF_SUFFIX}`
  const path = join(directory, name)
  // One of a kind for each accused: a second proof of the same says no more.
  if ((await stat(path).catch(() => undefined)) !== undefined) return path
  await makeRoom(directory)
  await writeWhole(path, encodeFaultProof(scope, fault))
  return path
}

async function makeRoom(directory: string): Promise<void> {
  const names = (await readdir(directory)).filter((name) => name.endsWith(FAULT_PROOF_SUFFIX))
  if (names.length < MAX_FILES) return
  const dated = await Promise.all(
    names.map(async (name) => ({ name, at: (await stat(join(directory, name))).mtimeMs })),
  )
  const oldest = dated.sort((a, b) => a.at - b.at).slice(0, names.length - MAX_FILES + 1)
  await Promise.all(oldest.map(({ name }) => rm(join(directory, name), { force: true })))
}
